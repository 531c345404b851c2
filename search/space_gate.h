// SPDX-License-Identifier: Apache-2.0
// SpaceGate: keeps a space's rows and the records that name them together while another space is
// made of them (space_rebuild.h).
//
//   SpaceChange   one file's rows and records change; any number of files at once
//   SpaceSwitch   nothing changes; the space may be retired: its successor is in force
//
// A rebuild reads while files change. What it read halfway is put right, because a file that
// changed is noted when its change is whole, and looked at again before the switch.
//
// Threads: any. Taken before every other lock of search but CollectionSet's; no call to FileView
// while one of them lives, and no thread holds two.
#pragma once
#include <cerrno>
#include <set>
#include <vector>

#include "base/mutex.h"
#include "storage/types.h"

namespace vexfs {

// Error of work that was prepared for a space that has given way: do it again for the next one.
inline constexpr int kReplaced = EREMCHG;

class SpaceGate {
 public:
  // From here on changed files are noted; unwatch() forgets them.
  void watch();
  void unwatch();
  std::vector<Ino> take_changed();

 private:
  friend class SpaceChange;
  friend class SpaceSwitch;
  void note(Ino ino);

  SharedMutex mutex_{Rank::engine, Prefer::writers};  // a stream of files holds no switch up
  bool retired_ = false;                              // written with mutex_ held exclusively
  Mutex noting_;
  bool watched_ GUARDED_BY(noting_) = false;
  std::set<Ino> changed_ GUARDED_BY(noting_);
};

class SpaceChange {
 public:
  SpaceChange(SpaceGate& gate, Ino ino) UNCHECKED : gate_(gate), ino_(ino) {
    gate_.mutex_.lock_shared();
  }
  ~SpaceChange() UNCHECKED {
    gate_.note(ino_);
    gate_.mutex_.unlock_shared();
  }
  SpaceChange(const SpaceChange&) = delete;
  SpaceChange& operator=(const SpaceChange&) = delete;
  // False: another space has taken its place, what was prepared is for nobody.
  bool allowed() const { return !gate_.retired_; }

 private:
  SpaceGate& gate_;
  const Ino ino_;
};

class SpaceSwitch {
 public:
  explicit SpaceSwitch(SpaceGate& gate) UNCHECKED : gate_(gate) { gate_.mutex_.lock(); }
  ~SpaceSwitch() UNCHECKED { gate_.mutex_.unlock(); }
  SpaceSwitch(const SpaceSwitch&) = delete;
  SpaceSwitch& operator=(const SpaceSwitch&) = delete;
  void retire() { gate_.retired_ = true; }

 private:
  SpaceGate& gate_;
};

}  // namespace vexfs
