// SPDX-License-Identifier: Apache-2.0
#include "src/unmount.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "src/mount_table.h"

namespace vexfs {

namespace {

// fusermount3 is set-user-id root and unmounts what its caller mounted. It says why not only in
// words, so a refusal of something that is mounted counts as EBUSY.
Result<> ask_fusermount(const std::string& directory, Unmount how) {
  const char* flags = how == Unmount::lazy ? "-uqz" : "-uq";
  const std::array<const char*, 5> words = {"fusermount3", flags, "--", directory.c_str(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int refused = ::posix_spawnp(&child, words[0], &actions, nullptr,
                                     const_cast<char* const*>(words.data()), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (refused != 0) return fail(refused, "unmount: fusermount3 does not run");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(mount_at(directory) ? EBUSY : EINVAL, "unmount: fusermount3 refuses");
}

// Who mounted it, and may unmount it beside root: "rw,…,user_id=1000,group_id=1000,…".
uid_t owner_of(std::string_view options) {
  constexpr std::string_view kKey = ",user_id=";
  const auto at = options.find(kKey);
  uid_t user = 0;
  if (at != options.npos)
    std::from_chars(options.data() + at + kKey.size(), options.data() + options.size(), user);
  return user;
}

}  // namespace

Result<> unmount(const std::string& directory, Unmount how) {
  const auto mount = mount_at(directory);
  if (mount && ::geteuid() != 0 && ::geteuid() != owner_of(mount->options))
    return fail(EPERM, "unmount: mounted by another user");
  if (::geteuid() != 0) return ask_fusermount(directory, how);
  const int flags = UMOUNT_NOFOLLOW | (how == Unmount::lazy ? MNT_DETACH : 0);
  if (::umount2(directory.c_str(), flags) != 0) return fail(errno, "unmount: umount2");
  return {};
}

}  // namespace vexfs
