// SPDX-License-Identifier: Apache-2.0
#include "search/space_gate.h"

#include <utility>

namespace vexfs {

void SpaceGate::watch() {
  Lock lock(noting_);
  watched_ = true;
}

void SpaceGate::unwatch() {
  Lock lock(noting_);
  watched_ = false;
  changed_.clear();
}

void SpaceGate::note(Ino ino) {
  Lock lock(noting_);
  if (watched_) changed_.insert(ino);
}

std::vector<Ino> SpaceGate::take_changed() {
  Lock lock(noting_);
  const std::set<Ino> taken = std::exchange(changed_, {});
  return {taken.begin(), taken.end()};
}

}  // namespace vexfs
