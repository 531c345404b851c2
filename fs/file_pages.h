// SPDX-License-Identifier: Apache-2.0
// FilePages: the content of one file that has no place on the disk yet, in blocks.
//
//   state      in       in the log  becomes
//   dirty      dirty_   no          logged by an fsync, writing by a write-back
//   logged     logged_  as a rider  dirty by the next write to it, writing by a write-back
//   writing    writing_ if logged   gone; does not change meanwhile
//
// A block may be in writing_ and in one of the others, which is newer then.
// A rider is the record of Tree::rider that a crash finds; a page here for each of them.
//
// Always: one reserved block of the volume for each page that says so; the owner reserves before
// it adds one and unreserves as many as a call says are gone.
// Threads: the owner's lock, shared for const methods.
#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "base/buffer_pool.h"
#include "storage/types.h"

namespace vexfs {

class FilePages {
 public:
  struct Page {
    Buffer content;
    bool reserved = true;  // false: goes where the file has a block already
    bool logged = false;   // of one being written
  };
  using Map = std::map<std::uint64_t, Page>;
  struct Gone {
    std::size_t pages = 0, reserved = 0;
  };
  using Blocks = std::vector<std::uint64_t>;

  bool empty() const { return dirty_.empty() && logged_.empty() && writing_.empty(); }
  // Pages that a write-back would take; one that is in two states counts twice in count().
  std::size_t waiting_count() const { return dirty_.size() + logged_.size(); }
  std::size_t count() const { return waiting_count() + writing_.size(); }
  // Pages that a crash would take.
  std::size_t pending_count() const { return dirty_.size() + writing_pending_; }
  bool any_pending() const { return pending_count() != 0; }
  bool is_writing() const { return !writing_.empty(); }
  std::size_t unreserved_count() const { return unreserved_; }
  // Behind the last block here; 0 without one.
  std::uint64_t end() const;
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  // First block here at or after `block`; kNone without one.
  std::uint64_t next(std::uint64_t block) const;
  // First block that neither disk nor log has when those being written are on the disk, up to
  // `written_to`.
  std::uint64_t first_pending(std::uint64_t written_to) const;

  // The newest content of a block, or nothing when it is not here.
  const std::byte* find(std::uint64_t block) const;
  // Whether dirty() would find its page, so that it takes no more room.
  bool holds(std::uint64_t block) const {
    return dirty_.contains(block) || logged_.contains(block);
  }
  // A dirty page of this block: the present one, or a copy of the one being written, or a new
  // one whose content the caller fills (`fresh`). `reserved`: of one that is not held yet.
  MutableBytes dirty(std::uint64_t block, bool reserved, bool& fresh);

  // Gives reservations to waiting pages that have none and that `wanted` says need one, until
  // `reserve` refuses.
  template <class Wanted, class Reserve>
  void reserve_waiting(Wanted wanted, Reserve reserve) {
    for (Map* pages : {&dirty_, &logged_})
      for (auto& [block, page] : *pages) {
        if (page.reserved || !wanted(block)) continue;
        if (!reserve()) return;
        page.reserved = true;
        --unreserved_;
      }
  }

  // Forgets the pages in [from, to) that are not being written, and which riders there are.
  Gone drop(std::uint64_t from, std::uint64_t to);

  // At most `pages_max` of those waiting are being written now. Only when none are.
  void begin_writing(std::size_t pages_max);
  const Map& writing() const { return writing_; }
  // The pages in [from, to) are on the disk.
  Gone written(std::uint64_t from, std::uint64_t to);
  // Writing failed: what is left waits again where it has not changed; those that did are gone.
  Gone give_up_writing();

  // --- riders
  std::size_t rider_count() const { return riders_.size(); }
  // Calls visit(block, page) for every page that a crash would take.
  template <class Visit>
  void each_pending(Visit visit) const {
    for (const auto& [block, page] : writing_)
      if (!page.logged && !dirty_.contains(block)) visit(block, page);
    for (const auto& [block, page] : dirty_) visit(block, page);
  }
  // The transaction with all these is committed.
  void set_all_logged();
  // The same for one that is being written.
  void set_writing_logged(std::uint64_t block);
  // Blocks in [from, to) that have a rider.
  Blocks riders(std::uint64_t from, std::uint64_t to) const;
  // Those whose riders hold no more than what is being written.
  Blocks riders_written(std::uint64_t from, std::uint64_t to) const;
  void forget_riders(const Blocks& blocks);
  // A rider that was found in the tree; its page has no reservation.
  void load_rider(std::uint64_t block, Buffer content);

 private:
  void end_writing();
  Gone count_gone(Gone gone);
  Map dirty_, logged_, writing_;
  std::size_t writing_pending_ = 0;  // of writing_, not logged
  std::size_t unreserved_ = 0;
  // Blocks with a rider; true: it is newer than the page that is being written.
  std::map<std::uint64_t, bool> riders_;
};

}  // namespace vexfs
