// SPDX-License-Identifier: Apache-2.0
// FilePages: the content of one file that is in memory only, in blocks.
//
//   state      in dirty  in writing
//   dirty         yes        no       received, not on the disk
//   writing       no         yes      being written; does not change
//   both          yes        yes      changed again meanwhile; dirty is the newer one
//
// Always: one reserved block of the volume for each page here (both: two); the owner reserves
// before it adds one and unreserves as many as a call says are gone.
// Threads: the owner's lock, shared for const methods.
#pragma once
#include <cstdint>
#include <map>

#include "base/buffer_pool.h"
#include "storage/types.h"

namespace vexfs {

class FilePages {
 public:
  using Map = std::map<std::uint64_t, Buffer>;

  bool empty() const { return dirty_.empty() && writing_.empty(); }
  std::size_t dirty_count() const { return dirty_.size(); }
  // Blocks that are not on the disk yet; one that is in both states counts twice.
  std::size_t count() const { return dirty_.size() + writing_.size(); }
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  // First block here at or after `block`; kNone without one.
  std::uint64_t next(std::uint64_t block) const;
  // First block that is not on the disk when those being written are, up to `written_to`.
  std::uint64_t first_pending(std::uint64_t written_to) const;

  // The newest content of a block, or nothing when it is not here.
  const std::byte* find(std::uint64_t block) const;
  bool is_dirty(std::uint64_t block) const { return dirty_.contains(block); }
  // A dirty page of this block: the present one, or a copy of the one being written, or a new
  // one whose content the caller fills (`fresh`).
  MutableBytes dirty(std::uint64_t block, bool& fresh);

  // Forgets the dirty pages in [from, to); how many they were.
  std::size_t drop(std::uint64_t from, std::uint64_t to);

  // Everything dirty is being written now. Only when nothing is.
  void begin_writing();
  const Map& writing() const { return writing_; }
  // The pages in [from, to) are on the disk; how many they were.
  std::size_t written(std::uint64_t from, std::uint64_t to);
  // Writing failed: what is left becomes dirty again where it has not changed; how many did not.
  std::size_t give_up_writing();

 private:
  Map dirty_, writing_;
};

}  // namespace vexfs
