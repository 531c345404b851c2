// SPDX-License-Identifier: Apache-2.0
// Ring: one io_uring of one thread. Transfer: one read or write in flight.
//
// Every thread that does I/O has its own ring (Ring::mine()), so no lock is taken and the kernel
// may use SINGLE_ISSUER | DEFER_TASKRUN. What the kernel lacks is done without (RingOptions).
// Threads: only the one that called mine().
#pragma once
#include <liburing.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/ring_options.h"

namespace vexfs {

// What is to be moved between memory and a file. Only the members that say so change.
struct Transfer {
  std::uint64_t offset = 0;
  std::byte* memory = nullptr;
  std::size_t bytes = 0;
  std::size_t moved = 0;  // so far; short transfers go on from here
};

// An open file. A descriptor's number is used again after close(), a serial never is.
struct RingFile {
  int descriptor = -1;
  std::uint64_t serial = 0;
};

class Ring {
 public:
  // The ring of this thread, made at its first call. A host that forbids io_uring gets one that
  // works without, and a line in the log.
  static Ring& mine(RingOptions options);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  enum class Direction : std::uint8_t { read, write };
  // Moves all of `batch`, at most kEntries in flight; short transfers are continued. Waits for
  // what was submitted even when one of them fails. EIO at the end of the file.
  Result<> move(const RingFile& file, Direction direction, std::span<Transfer> batch);
  // fdatasync.
  Result<> sync(const RingFile& file);
  // A write linked to the fdatasync after it: one submission, one wait.
  Result<> write_synced(const RingFile& file, Transfer transfer);

 private:
  static constexpr unsigned kEntries = 128;
  static constexpr unsigned kFileSlots = 4;
  explicit Ring(RingOptions options) : options_(options) {}

  // --- ring_setup.cc
  void init();
  bool init_flags(unsigned flags);
  void init_registers();
  // The slot in which `file` is registered, -1 without one.
  int slot_of(const RingFile& file);
  // Whether the memory is pinned; pins the arena at the first question.
  bool is_pinned(const std::byte* memory, std::size_t bytes);

  // --- ring.cc
  io_uring_sqe& next_sqe();
  void use(io_uring_sqe& sqe, const RingFile& file);
  io_uring_sqe& prepare(const RingFile& file, Direction direction, Transfer& transfer);
  bool reap(const RingFile& file, Direction direction, io_uring_cqe* cqe, Result<>& outcome);
  Result<> submit_and_wait(unsigned count);
  Result<> wait(unsigned count, int& result_first, int& result_last);
  // Without io_uring.
  static Result<> move_plainly(int descriptor, Direction direction, Transfer& transfer);

  RingOptions options_;  // what is left of them
  io_uring ring_{};
  bool ready_ = false;
  bool pinned_ = false;
  std::array<std::uint64_t, kFileSlots> slots_{};  // serials; 0: empty
  unsigned next_slot_ = 0;
};

}  // namespace vexfs
