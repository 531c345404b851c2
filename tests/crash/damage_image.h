// SPDX-License-Identifier: Apache-2.0
// DamageImage: a volume with something of every kind on it, where each kind stands, and what it
// must show. The volume was not closed: some of it is in the log alone.
// Threads: one.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "storage/memory_device.h"

namespace vexfs {

struct DamageTarget {
  std::string kind;
  std::vector<Extent> where;  // one thing: a page, a frame, both copies of a slot
};

struct DamageImage {
  MemoryDevice::Image now;
  MemoryDevice::Image before;  // the same disk at the checkpoint before
  std::vector<DamageTarget> targets;
  std::map<std::string, std::string> shown;  // what is there -> what it reads as
  std::uint64_t lsn = 0;
};

DamageImage make_damage_image();

// What an image shows: all that can be read, and whether something was refused.
struct Observation {
  bool opened = false, read_only = false, errors = false;
  std::uint64_t lsn = 0;
  std::map<std::string, std::string> shown;
};
Observation observe(const MemoryDevice::Image& image);

}  // namespace vexfs
