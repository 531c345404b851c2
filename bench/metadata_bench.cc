// SPDX-License-Identifier: Apache-2.0
// Single metadata calls: through a mount, on its peer, and below FUSE.
//   metadata_bench --dir MOUNT --dir /some/ext4 --below /tmp
#include <cstdio>
#include <cstdlib>
#include <list>

#include "bench/report.h"
#include "bench/target.h"

using namespace vexfs;
using namespace vexfs::bench;

namespace {

constexpr int kRounds = 5, kFiles = 1000;

void expect(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "metadata_bench: wrong answer: %s\n", what);
  std::exit(2);
}

// The samples of all rounds under one name, in the order in which names come up.
class Figures {
 public:
  Samples& of(std::string_view name) {
    for (auto& [known, samples] : all_)
      if (known == name) return samples;
    return all_.emplace_back(name, Samples(std::string(name))).second;
  }
  void report(const std::string& where) {
    for (auto& [name, samples] : all_) samples.report(where);
  }

 private:
  std::list<std::pair<std::string_view, Samples>> all_;
};

void run_round(Target& target, Figures& figures) {
  const auto each = [&](const char* name, auto call) {
    Samples& samples = figures.of(name);
    for (int i = 0; i < kFiles; ++i) samples.time([&] { call(format("f{}", i)); });
  };
  const std::string value(64, 'v');
  each("statfs", [&](const std::string&) { target.statfs(); });
  each("create_close", [&](const std::string& f) { target.create(f); });
  each("stat", [&](const std::string& f) { expect(target.exists(f), "stat of a file"); });
  each("getattr", [&](const std::string& f) { expect(target.getattr(f), "attributes of a file"); });
  each("lookup_absent", [&](const std::string& f) {
    expect(!target.exists("no-" + f), "lookup of an absent name");
  });
  each("setxattr_64",
       [&](const std::string& f) { target.set_xattr(f, "user.note", as_bytes(value)); });
  each("getxattr_64", [&](const std::string& f) {
    expect(target.xattr(f, "user.note") == value, "xattr as it was set");
  });
  for (int i = 0; i < 10; ++i)
    figures.of("readdir_stat_1000").time([&] {
      expect(target.list() == kFiles, "readdir of all files");
    });
  each("rename", [&](const std::string& f) { target.rename(f, "r" + f); });
  each("unlink", [&](const std::string& f) { target.unlink("r" + f); });
  each("mkdir", [&](const std::string& f) { target.mkdir(f); });
  each("rmdir", [&](const std::string& f) { target.rmdir(f); });
  expect(target.list() == 0, "an empty directory at the end");
}

}  // namespace

int main(int argc, char** argv) {
  for (const auto& target : targets_of(argc, argv)) {
    Figures figures;
    for (int round = 0; round < kRounds; ++round) run_round(*target, figures);
    figures.report(target->where());
  }
}
