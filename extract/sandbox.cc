// SPDX-License-Identifier: Apache-2.0
#include "extract/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "search/extract_protocol.h"

namespace vexfs {

namespace {

constexpr uid_t kNobody = 65534;

bool limit(__rlimit_resource what, rlim_t value) {
  const rlimit both{.rlim_cur = value, .rlim_max = value};
  return ::setrlimit(what, &both) == 0;
}

// Reading below /usr and nothing else of any file system. A kernel without Landlock leaves that to
// the permissions of nobody.
bool read_only_usr() {
  landlock_ruleset_attr rules{};
  rules.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // all of the first version
  const auto ruleset =
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0));
  if (ruleset < 0) return errno == ENOSYS || errno == EOPNOTSUPP;
  landlock_path_beneath_attr below{};
  below.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  below.parent_fd = ::open("/usr", O_PATH | O_CLOEXEC);
  const bool locked =
      below.parent_fd >= 0 &&
      ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &below, 0) == 0 &&
      ::syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
  ::close(below.parent_fd);
  ::close(ruleset);
  return locked;
}

// Memory, time, what is open already, and opening for reading. The rest is refused.
bool few_calls() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (filter == nullptr) return false;
  bool fine = true;
  for (const int call :
       {SCMP_SYS(read),           SCMP_SYS(write),        SCMP_SYS(pread64),
        SCMP_SYS(pwrite64),       SCMP_SYS(lseek),        SCMP_SYS(close),
        SCMP_SYS(fstat),          SCMP_SYS(newfstatat),   SCMP_SYS(stat),
        SCMP_SYS(lstat),          SCMP_SYS(statx),        SCMP_SYS(access),
        SCMP_SYS(faccessat),      SCMP_SYS(faccessat2),   SCMP_SYS(readlink),
        SCMP_SYS(readlinkat),     SCMP_SYS(getdents64),   SCMP_SYS(mmap),
        SCMP_SYS(munmap),         SCMP_SYS(mprotect),     SCMP_SYS(mremap),
        SCMP_SYS(madvise),        SCMP_SYS(brk),          SCMP_SYS(futex),
        SCMP_SYS(exit),           SCMP_SYS(exit_group),   SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(clock_gettime),
        SCMP_SYS(gettimeofday),   SCMP_SYS(getpid),       SCMP_SYS(gettid),
        SCMP_SYS(getuid),         SCMP_SYS(geteuid),      SCMP_SYS(getgid),
        SCMP_SYS(getegid),        SCMP_SYS(getrandom),    SCMP_SYS(sched_getaffinity),
        SCMP_SYS(sched_yield),    SCMP_SYS(sysinfo),      SCMP_SYS(uname)})
    fine = fine && seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0;
  constexpr scmp_datum_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE;
  fine = fine && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, kWriting & ~scmp_datum_t{O_DIRECTORY},
                                          O_RDONLY)) == 0;
  // abort() ends with a signal to the process itself.
  const auto self = static_cast<scmp_datum_t>(::getpid());
  fine = fine && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                  SCMP_A0(SCMP_CMP_EQ, self)) == 0;
  fine = fine && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return fine;
}

}  // namespace

bool drop_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  if (::geteuid() == 0 &&
      (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
       ::setresuid(kNobody, kNobody, kNobody) != 0))
    return false;
  // After the change of the user, which clears it.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return false;
  return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, 64) && ::chdir("/") == 0;
}

bool lock_up() {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return false;
  ::alarm(2 * kExtractSeconds);  // of sleep, which RLIMIT_CPU does not count
  return limit(RLIMIT_CPU, kExtractSeconds) && limit(RLIMIT_AS, kExtractMemory) &&
         limit(RLIMIT_FSIZE, 2 * kExtractTextMax) && read_only_usr() && few_calls();
}

}  // namespace vexfs
