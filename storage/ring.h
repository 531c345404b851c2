// SPDX-License-Identifier: Apache-2.0
// Ring: one io_uring of one thread. Transfer: one read or write in flight.
//
// Every thread that does I/O has its own ring (Ring::mine()), so no lock is taken and the kernel
// may use SINGLE_ISSUER | DEFER_TASKRUN. A kernel without them gets a plain ring.
// Threads: only the one that called mine().
#pragma once
#include <liburing.h>

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace vexfs {

// What is to be moved between memory and a file. Only the members that say so change.
struct Transfer {
  std::uint64_t offset = 0;
  std::byte* memory = nullptr;
  std::size_t bytes = 0;
  std::size_t moved = 0;  // so far; short transfers go on from here
};

class Ring {
 public:
  // The ring of this thread, made at its first call. ENOSYS or EPERM where the host forbids it.
  static Result<Ring*> mine();
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  enum class Direction : std::uint8_t { read, write };
  // Moves all of `batch`, at most kEntries in flight; short transfers are continued. Waits for
  // what was submitted even when one of them fails. EIO at the end of the file.
  Result<> move(int file, Direction direction, std::span<Transfer> batch);
  // fdatasync.
  Result<> sync(int file);
  // A write linked to the fdatasync after it: one submission, one wait.
  Result<> write_synced(int file, Transfer transfer);

 private:
  static constexpr unsigned kEntries = 128;
  Ring() = default;
  Result<> init();
  io_uring_sqe& next_sqe();
  io_uring_sqe& prepare(int file, Direction direction, Transfer& transfer);
  Result<> wait(unsigned count, int& result_first, int& result_last);

  io_uring ring_{};
  bool ready_ = false;
};

}  // namespace vexfs
