// SPDX-License-Identifier: Apache-2.0
// mem_fs DIR: mounts a MemFileSystem on DIR and serves it until it is unmounted
// (`fusermount3 -u DIR`). What a call costs here is what FUSE itself costs.
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "fs/fuse_session.h"
#include "tests/support/mem_file_system.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: mem_fs DIR\n");
    return 2;
  }
  char* const directory = ::realpath(argv[1], nullptr);
  if (directory == nullptr) {
    std::perror(argv[1]);
    return 2;
  }
  vexfs::MemFileSystem files(::getuid(), ::getgid());
  auto session = vexfs::FuseSession::mount(files, {.mountpoint = directory, .source = "mem"});
  std::free(directory);
  if (!session) return 2;
  const auto served = (*session)->run();
  (*session)->unmount();
  return served ? 0 : 2;
}
