// SPDX-License-Identifier: Apache-2.0
#include "storage/ring.h"

#include <memory>

#include "base/assert.h"

namespace vexfs {

Result<Ring*> Ring::mine() {
  thread_local std::unique_ptr<Ring> ring;
  if (ring == nullptr) {
    std::unique_ptr<Ring> made(new Ring);
    VEXFS_CHECK(made->init());
    ring = std::move(made);
  }
  return ring.get();
}

Result<> Ring::init() {
  // Newest first: one submitting thread whose completions wait until it asks (6.1), one
  // submitting thread (6.0), any kernel with io_uring.
  for (const unsigned flags :
       {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER, 0U}) {
    const int result = io_uring_queue_init(kEntries, &ring_, flags);
    ready_ = result == 0;
    if (ready_) return {};
    if (result != -EINVAL) return fail(-result, "ring: io_uring is not available");
  }
  return fail(ENOSYS, "ring: io_uring is not available");
}

Ring::~Ring() {
  if (ready_) io_uring_queue_exit(&ring_);
}

io_uring_sqe& Ring::next_sqe() {
  io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
  VEXFS_ASSERT(sqe != nullptr);  // never more than kEntries are prepared
  return *sqe;
}

io_uring_sqe& Ring::prepare(int file, Direction direction, Transfer& transfer) {
  io_uring_sqe& sqe = next_sqe();
  std::byte* const memory = transfer.memory + transfer.moved;
  const auto bytes = static_cast<unsigned>(transfer.bytes - transfer.moved);
  const std::uint64_t offset = transfer.offset + transfer.moved;
  if (direction == Direction::read)
    io_uring_prep_read(&sqe, file, memory, bytes, offset);
  else
    io_uring_prep_write(&sqe, file, memory, bytes, offset);
  io_uring_sqe_set_data(&sqe, &transfer);
  return sqe;
}

Result<> Ring::move(int file, Direction direction, std::span<Transfer> batch) {
  Result<> outcome;
  std::size_t next = 0;
  unsigned in_flight = 0;
  while (in_flight > 0 || (outcome && next < batch.size())) {
    for (; outcome && next < batch.size() && in_flight < kEntries; ++next, ++in_flight)
      prepare(file, direction, batch[next]);
    if (const int result = io_uring_submit_and_wait(&ring_, 1);
        result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY)
      outcome = fail(-result, "ring: submission refused");
    io_uring_cqe* cqe = nullptr;
    while (in_flight > 0 && io_uring_peek_cqe(&ring_, &cqe) == 0) {
      Transfer& transfer = *static_cast<Transfer*>(io_uring_cqe_get_data(cqe));
      const int result = cqe->res;
      io_uring_cqe_seen(&ring_, cqe);
      --in_flight;
      const bool again = result == -EINTR || result == -EAGAIN;
      if (result > 0) transfer.moved += static_cast<std::size_t>(result);
      if (result == 0) outcome = fail(EIO, "device: transfer past the end");
      if (result < 0 && !again) outcome = fail(-result, "device: transfer failed");
      if (outcome && transfer.moved < transfer.bytes) {
        prepare(file, direction, transfer);
        ++in_flight;
      }
    }
  }
  return outcome;
}

// Waits for `count` completions; the results of user data 0 and 1.
Result<> Ring::wait(unsigned count, int& result_first, int& result_last) {
  for (unsigned seen = 0; seen < count;) {
    const int result = io_uring_submit_and_wait(&ring_, 1);
    if (result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY)
      return fail(-result, "ring: submission refused");
    io_uring_cqe* cqe = nullptr;
    while (seen < count && io_uring_peek_cqe(&ring_, &cqe) == 0) {
      (io_uring_cqe_get_data64(cqe) == 0 ? result_first : result_last) = cqe->res;
      io_uring_cqe_seen(&ring_, cqe);
      ++seen;
    }
  }
  return {};
}

Result<> Ring::sync(int file) {
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_fsync(&sqe, file, IORING_FSYNC_DATASYNC);
  io_uring_sqe_set_data64(&sqe, 1);
  int unused = 0, result = 0;
  VEXFS_CHECK(wait(1, unused, result));
  // Never tried again, whatever the error: the kernel may have dropped what it could not write.
  if (result < 0) return fail(-result, "device: flush failed");
  return {};
}

Result<> Ring::write_synced(int file, Transfer transfer) {
  io_uring_sqe& write = prepare(file, Direction::write, transfer);
  write.flags |= IOSQE_IO_LINK;
  io_uring_sqe_set_data64(&write, 0);
  io_uring_sqe& flush = next_sqe();
  io_uring_prep_fsync(&flush, file, IORING_FSYNC_DATASYNC);
  io_uring_sqe_set_data64(&flush, 1);
  int written = 0, flushed = 0;
  VEXFS_CHECK(wait(2, written, flushed));
  if (written == static_cast<int>(transfer.bytes)) {
    if (flushed < 0) return fail(-flushed, "device: flush failed");
    return {};
  }
  if (written < 0 && written != -EINTR && written != -EAGAIN)
    return fail(-written, "device: transfer failed");
  // A short write breaks the link: the flush was cancelled, so both go on one after the other.
  transfer.moved = written > 0 ? static_cast<std::size_t>(written) : 0;
  VEXFS_CHECK(move(file, Direction::write, std::span(&transfer, 1)));
  return sync(file);
}

}  // namespace vexfs
