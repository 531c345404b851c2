// SPDX-License-Identifier: Apache-2.0
#include "base/mutex.h"

namespace vexfs {

SharedMutex::SharedMutex(Rank rank, Prefer prefer) : rank_(rank) {
  pthread_rwlockattr_t attributes;
  check(pthread_rwlockattr_init(&attributes));
  if (prefer == Prefer::writers)
    check(pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
  check(pthread_rwlock_init(&impl_, &attributes));
  check(pthread_rwlockattr_destroy(&attributes));
}

}  // namespace vexfs

#if defined(VEXFS_CHECK_LOCKS)
namespace vexfs::lock_order {
namespace {
thread_local unsigned held[static_cast<unsigned>(Rank::leaf) + 1];
}

void acquired(Rank rank) {
  const auto mine = static_cast<unsigned>(rank);
  for (unsigned higher = mine + 1; higher <= static_cast<unsigned>(Rank::leaf); ++higher)
    VEXFS_ASSERT(held[higher] == 0);
  ++held[mine];
}

void released(Rank rank) {
  --held[static_cast<unsigned>(rank)];
}
}  // namespace vexfs::lock_order
#endif
