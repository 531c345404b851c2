// SPDX-License-Identifier: Apache-2.0
// One directory of many files: does it cost more to work in it?
//   directory_bench --dir MOUNT [--dir OTHER] [--below DIR]      FILES=1000000
#include <cstdio>
#include <cstdlib>
#include <random>

#include "bench/report.h"
#include "bench/target.h"

using namespace vexfs;
using namespace vexfs::bench;

namespace {

constexpr std::size_t kFew = 1000, kLookups = 10000;

std::size_t files_wanted() {
  const char* const files = std::getenv("FILES");
  return files != nullptr ? std::strtoull(files, nullptr, 10) : 100000;
}

void create(Target& target, std::size_t from, std::size_t to) {
  Samples samples("create_close");
  for (std::size_t i = from; i < to; ++i)
    samples.time([&] { target.create(format("file-{}", i)); });
  samples.report(target.where(), format("entries={}", to));
}

// Names that no cache of the kernel knows, so that each is asked for.
void look_up(Target& target, std::size_t entries, int salt) {
  Samples samples("lookup_absent");
  for (std::size_t i = 0; i < kLookups; ++i)
    samples.time([&] {
      if (target.exists(format("absent-{}-{}", salt, i))) std::exit(2);
    });
  samples.report(target.where(), format("entries={}", entries));
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t files = files_wanted();
  for (const auto& target : targets_of(argc, argv)) {
    create(*target, 0, kFew);
    look_up(*target, kFew, 1);
    create(*target, kFew, files);
    look_up(*target, files, 2);
    Samples listing("readdir_stat");
    listing.time([&] {
      if (target->list() != files) std::exit(2);
    });
    listing.report(target->where(), format("entries={}", files));
    Samples removal("unlink");
    for (std::size_t i = 0; i < files; ++i)
      removal.time([&] { target->unlink(format("file-{}", i)); });
    removal.report(target->where(), format("entries={}", files));
  }
}
