// SPDX-License-Identifier: Apache-2.0
#include "storage/ring.h"

#include <unistd.h>

#include "base/assert.h"

namespace vexfs {

namespace {

bool is_interruption(int result) {
  return result == -EINTR || result == -EAGAIN;
}

}  // namespace

io_uring_sqe& Ring::next_sqe() {
  io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
  VEXFS_ASSERT(sqe != nullptr);  // never more than kEntries are prepared
  return *sqe;
}

void Ring::use(io_uring_sqe& sqe, const RingFile& file) {
  const int slot = slot_of(file);
  if (slot < 0) return;
  sqe.fd = slot;
  sqe.flags |= IOSQE_FIXED_FILE;
}

io_uring_sqe& Ring::prepare(const RingFile& file, Direction direction, Transfer& transfer) {
  io_uring_sqe& sqe = next_sqe();
  std::byte* const memory = transfer.memory + transfer.moved;
  const auto bytes = static_cast<unsigned>(transfer.bytes - transfer.moved);
  const std::uint64_t offset = transfer.offset + transfer.moved;
  const bool pinned = is_pinned(memory, bytes);
  if (direction == Direction::read && pinned)
    io_uring_prep_read_fixed(&sqe, file.descriptor, memory, bytes, offset, 0);
  else if (direction == Direction::read)
    io_uring_prep_read(&sqe, file.descriptor, memory, bytes, offset);
  else if (pinned)
    io_uring_prep_write_fixed(&sqe, file.descriptor, memory, bytes, offset, 0);
  else
    io_uring_prep_write(&sqe, file.descriptor, memory, bytes, offset);
  use(sqe, file);
  io_uring_sqe_set_data(&sqe, &transfer);
  return sqe;
}

Result<> Ring::submit_and_wait(unsigned count) {
  const int result = io_uring_submit_and_wait(&ring_, count);
  if (result < 0 && !is_interruption(result) && result != -EBUSY)
    return fail(-result, "ring: submission refused");
  return {};
}

// Takes one completion; true when its transfer has to go on.
bool Ring::reap(const RingFile& file, Direction direction, io_uring_cqe* cqe, Result<>& outcome) {
  Transfer& transfer = *static_cast<Transfer*>(io_uring_cqe_get_data(cqe));
  const int result = cqe->res;
  io_uring_cqe_seen(&ring_, cqe);
  if (result > 0) transfer.moved += static_cast<std::size_t>(result);
  if (result == 0) outcome = fail(EIO, "device: transfer past the end");
  if (result < 0 && !is_interruption(result)) outcome = fail(-result, "device: transfer failed");
  if (!outcome || transfer.moved == transfer.bytes) return false;
  prepare(file, direction, transfer);
  return true;
}

Result<> Ring::move(const RingFile& file, Direction direction, std::span<Transfer> batch) {
  Result<> outcome;
  if (!ready_) {
    for (Transfer& transfer : batch)
      VEXFS_CHECK(move_plainly(file.descriptor, direction, transfer));
    return outcome;
  }
  std::size_t next = 0;
  unsigned in_flight = 0;
  while (in_flight > 0 || (outcome && next < batch.size())) {
    for (; outcome && next < batch.size() && in_flight < kEntries; ++next, ++in_flight)
      prepare(file, direction, batch[next]);
    // Woken once for all that is left, or, to keep the device busy, when half is done.
    const bool more = outcome && next < batch.size();
    if (auto submitted = submit_and_wait(more ? in_flight / 2 : in_flight); !submitted)
      outcome = submitted;
    io_uring_cqe* cqe = nullptr;
    while (in_flight > 0 && io_uring_peek_cqe(&ring_, &cqe) == 0)
      if (!reap(file, direction, cqe, outcome)) --in_flight;
  }
  return outcome;
}

// Waits for `count` completions; the results of user data 0 and 1.
Result<> Ring::wait(unsigned count, int& result_first, int& result_last) {
  for (unsigned seen = 0; seen < count;) {
    VEXFS_CHECK(submit_and_wait(count - seen));
    io_uring_cqe* cqe = nullptr;
    while (seen < count && io_uring_peek_cqe(&ring_, &cqe) == 0) {
      (io_uring_cqe_get_data64(cqe) == 0 ? result_first : result_last) = cqe->res;
      io_uring_cqe_seen(&ring_, cqe);
      ++seen;
    }
  }
  return {};
}

Result<> Ring::sync(const RingFile& file) {
  // Never tried again, whatever the error: the kernel may have dropped what it could not write.
  if (!ready_) {
    if (::fdatasync(file.descriptor) != 0) return fail(errno, "device: flush failed");
    return {};
  }
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_fsync(&sqe, file.descriptor, IORING_FSYNC_DATASYNC);
  use(sqe, file);
  io_uring_sqe_set_data64(&sqe, 1);
  int unused = 0, result = 0;
  VEXFS_CHECK(wait(1, unused, result));
  if (result < 0) return fail(-result, "device: flush failed");
  return {};
}

Result<> Ring::write_synced(const RingFile& file, Transfer transfer) {
  if (!ready_) {
    VEXFS_CHECK(move_plainly(file.descriptor, Direction::write, transfer));
    return sync(file);
  }
  io_uring_sqe& write = prepare(file, Direction::write, transfer);
  write.flags |= IOSQE_IO_LINK;
  io_uring_sqe_set_data64(&write, 0);
  io_uring_sqe& flush = next_sqe();
  io_uring_prep_fsync(&flush, file.descriptor, IORING_FSYNC_DATASYNC);
  use(flush, file);
  io_uring_sqe_set_data64(&flush, 1);
  int written = 0, flushed = 0;
  VEXFS_CHECK(wait(2, written, flushed));
  if (written == static_cast<int>(transfer.bytes)) {
    if (flushed < 0) return fail(-flushed, "device: flush failed");
    return {};
  }
  if (written < 0 && !is_interruption(written)) return fail(-written, "device: transfer failed");
  // A short write breaks the link: the flush was cancelled, so both go on one after the other.
  transfer.moved = written > 0 ? static_cast<std::size_t>(written) : 0;
  VEXFS_CHECK(move(file, Direction::write, std::span(&transfer, 1)));
  return sync(file);
}

Result<> Ring::move_plainly(int descriptor, Direction direction, Transfer& transfer) {
  while (transfer.moved < transfer.bytes) {
    std::byte* const memory = transfer.memory + transfer.moved;
    const std::size_t bytes = transfer.bytes - transfer.moved;
    const auto offset = static_cast<off_t>(transfer.offset + transfer.moved);
    const ssize_t result = direction == Direction::read
                               ? ::pread(descriptor, memory, bytes, offset)
                               : ::pwrite(descriptor, memory, bytes, offset);
    if (result == 0) return fail(EIO, "device: transfer past the end");
    if (result < 0 && errno != EINTR) return fail(errno, "device: transfer failed");
    if (result > 0) transfer.moved += static_cast<std::size_t>(result);
  }
  return {};
}

}  // namespace vexfs
