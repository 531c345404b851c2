// SPDX-License-Identifier: Apache-2.0
// Mutexes under names that clang's thread-safety analysis can check, with ranks that a
// checking build checks: a thread takes locks in rising rank only.
#pragma once
#include <pthread.h>

#include <condition_variable>
#include <mutex>

#include "base/assert.h"

#if defined(__clang__)
#define VEXFS_TSA(x) __attribute__((x))
#else
#define VEXFS_TSA(x)
#endif
#define GUARDED_BY(m) VEXFS_TSA(guarded_by(m))
#define REQUIRES(...) VEXFS_TSA(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) VEXFS_TSA(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...) VEXFS_TSA(locks_excluded(__VA_ARGS__))
// For locks that are known only at run time.
#define UNCHECKED VEXFS_TSA(no_thread_safety_analysis)
#define ACQUIRED_AFTER(...) VEXFS_TSA(acquired_after(__VA_ARGS__))

namespace vexfs {

// Lock order, outermost first. Locks of one rank may be held together only where their own
// class orders them (inodes: by inode number).
enum class Rank : unsigned char {
  directory,   // fs: moves of directories, so that no loop can come about
  write_back,  // fs: one file's write-back, truncation or vector in progress
  inode,       // fs: one inode's attributes, entries and data (several by number)
  node_table,  // fs: the table of live inodes
  hidden,      // fs: open questions
  engine,      // search: collections, the queue's memory
  space,       // search: rows of one space
  graph,       // hnsw: save and load against inserts and erases (writes out while held)
  graph_edit,  // hnsw: erases of one graph
  volume,      // storage: transaction order
  tree,        // storage: one tree's latch
  cache,       // storage: one cache shard
  space_map,   // storage: free extents
  log,         // storage: WAL buffers
  device,      // storage: a ring
  leaf,        // takes no other lock while held
};

namespace lock_order {
#if defined(VEXFS_CHECK_LOCKS)
void acquired(Rank rank);
void released(Rank rank);
#else
inline void acquired(Rank) {}
inline void released(Rank) {}
#endif
}  // namespace lock_order

class VEXFS_TSA(capability("mutex")) Mutex {
 public:
  explicit Mutex(Rank rank = Rank::leaf) : rank_(rank) {}
  void lock() VEXFS_TSA(acquire_capability()) {
    lock_order::acquired(rank_);
    impl_.lock();
  }
  void unlock() VEXFS_TSA(release_capability()) {
    lock_order::released(rank_);
    impl_.unlock();  // last: whoever waits may end this mutex
  }
  bool try_lock() VEXFS_TSA(try_acquire_capability(true)) {
    if (!impl_.try_lock()) return false;
    lock_order::acquired(rank_);
    return true;
  }

 private:
  friend class CondVar;
  std::mutex impl_;
  const Rank rank_;
};

// Whom a SharedMutex lets in first. With `writers` a stream of readers cannot keep a writer out,
// and a thread must not take the lock for reading twice: a writer between would wait for ever.
enum class Prefer : bool { readers, writers };

class VEXFS_TSA(capability("mutex")) SharedMutex {
 public:
  explicit SharedMutex(Rank rank = Rank::leaf, Prefer prefer = Prefer::readers);
  ~SharedMutex() { pthread_rwlock_destroy(&impl_); }
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;
  void lock() VEXFS_TSA(acquire_capability()) {
    lock_order::acquired(rank_);
    check(pthread_rwlock_wrlock(&impl_));
  }
  void unlock() VEXFS_TSA(release_capability()) {
    lock_order::released(rank_);
    check(pthread_rwlock_unlock(&impl_));
  }
  bool try_lock() VEXFS_TSA(try_acquire_capability(true)) {
    if (pthread_rwlock_trywrlock(&impl_) != 0) return false;
    lock_order::acquired(rank_);
    return true;
  }
  void lock_shared() VEXFS_TSA(acquire_shared_capability()) {
    lock_order::acquired(rank_);
    check(pthread_rwlock_rdlock(&impl_));
  }
  bool try_lock_shared() VEXFS_TSA(try_acquire_shared_capability(true)) {
    if (pthread_rwlock_tryrdlock(&impl_) != 0) return false;
    lock_order::acquired(rank_);
    return true;
  }
  void unlock_shared() VEXFS_TSA(release_shared_capability()) {
    lock_order::released(rank_);
    check(pthread_rwlock_unlock(&impl_));
  }

 private:
  static void check(int result) { VEXFS_ASSERT(result == 0); }
  pthread_rwlock_t impl_;
  const Rank rank_;
};

class VEXFS_TSA(scoped_lockable) Lock {
 public:
  explicit Lock(Mutex& m) VEXFS_TSA(acquire_capability(m)) : mutex_(m) { m.lock(); }
  ~Lock() VEXFS_TSA(release_capability()) { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex& mutex_;
};

class VEXFS_TSA(scoped_lockable) WriteLock {
 public:
  explicit WriteLock(SharedMutex& m) VEXFS_TSA(acquire_capability(m)) : mutex_(m) { m.lock(); }
  ~WriteLock() VEXFS_TSA(release_capability()) { mutex_.unlock(); }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class VEXFS_TSA(scoped_lockable) ReadLock {
 public:
  explicit ReadLock(SharedMutex& m) VEXFS_TSA(acquire_shared_capability(m)) : mutex_(m) {
    m.lock_shared();
  }
  ~ReadLock() VEXFS_TSA(release_capability()) { mutex_.unlock_shared(); }
  ReadLock(const ReadLock&) = delete;
  ReadLock& operator=(const ReadLock&) = delete;

 private:
  SharedMutex& mutex_;
};

// Waits on a Mutex that the caller holds. Wake-ups may be spurious: wait in a loop.
class CondVar {
 public:
  void wait(Mutex& m) REQUIRES(m) { impl_.wait(m.impl_); }
  template <class Duration>
  bool wait_for(Mutex& m, Duration d) REQUIRES(m) {
    return impl_.wait_for(m.impl_, d) == std::cv_status::no_timeout;
  }
  void notify_one() { impl_.notify_one(); }
  void notify_all() { impl_.notify_all(); }

 private:
  std::condition_variable_any impl_;
};

}  // namespace vexfs
