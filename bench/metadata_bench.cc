// SPDX-License-Identifier: Apache-2.0
// Single metadata calls: through a mount, on its peer, and below FUSE.
//   metadata_bench --dir MOUNT --dir /some/ext4 --below /tmp
#include <cstdio>
#include <cstdlib>

#include "bench/report.h"
#include "bench/target.h"

using namespace vexfs;
using namespace vexfs::bench;

namespace {

constexpr int kFiles = 5000;

void expect(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "metadata_bench: wrong answer: %s\n", what);
  std::exit(2);
}

void run(Target& target) {
  const auto each = [&](const char* name, auto call) {
    Samples samples(name);
    for (int i = 0; i < kFiles; ++i) samples.time([&] { call(format("f{}", i)); });
    samples.report(target.where());
  };
  const std::string value(64, 'v');
  each("create_close", [&](const std::string& f) { target.create(f); });
  each("stat", [&](const std::string& f) { expect(target.exists(f), "stat of a file"); });
  each("lookup_absent", [&](const std::string& f) {
    expect(!target.exists("no-" + f), "lookup of an absent name");
  });
  each("setxattr_64",
       [&](const std::string& f) { target.set_xattr(f, "user.note", as_bytes(value)); });
  each("getxattr_64", [&](const std::string& f) {
    expect(target.xattr(f, "user.note") == value, "xattr as it was set");
  });
  Samples listing("readdir_plus_5000");
  for (int i = 0; i < 10; ++i)
    listing.time([&] { expect(target.list() == kFiles, "readdir of all files"); });
  listing.report(target.where());
  each("rename", [&](const std::string& f) { target.rename(f, "r" + f); });
  each("unlink", [&](const std::string& f) { target.unlink("r" + f); });
  each("mkdir", [&](const std::string& f) { target.mkdir(f); });
  each("rmdir", [&](const std::string& f) { target.rmdir(f); });
  expect(target.list() == 0, "an empty directory at the end");
}

}  // namespace

int main(int argc, char** argv) {
  for (const auto& target : targets_of(argc, argv)) run(*target);
}
