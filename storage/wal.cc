// SPDX-License-Identifier: Apache-2.0
#include "storage/wal.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "storage/superblock_format.h"

namespace vexfs {

namespace {

constexpr std::uint64_t kBatchAgeMaxNs = 50'000'000;
constexpr std::uint64_t kUnaskedFlushNs = 1'000'000'000;  // policies fsync and strict
constexpr std::uint32_t kBatchTransactionsMax = 1000;
constexpr std::size_t kClosedBatchesMax = 8;

struct WalMetrics {
  Counter& transactions = metrics::counter("vexfs_log_transactions_total", "Transactions");
  Counter& batches = metrics::counter("vexfs_log_batches_total", "Frames written");
  Counter& bytes = metrics::counter("vexfs_log_written_bytes", "Bytes of frames written");
  Histogram& written =
      metrics::histogram("vexfs_log_write_seconds", "Writing one batch", "flush=\"no\"");
  Histogram& flushed =
      metrics::histogram("vexfs_log_write_seconds", "Writing one batch", "flush=\"yes\"");
  Gauge& used = metrics::gauge("vexfs_log_used_bytes", "Log that no checkpoint covers yet");
};

WalMetrics& wal_metrics() {
  static WalMetrics& the_one = *new WalMetrics;
  return the_one;
}

std::uint64_t round_up(std::uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

void seal(FrameHeader header, std::byte* frame, std::uint64_t seed) {
  std::memcpy(frame, &header, sizeof header);
  header.check = hash64(Bytes(frame, sizeof header + header.body_bytes), seed);
  std::memcpy(frame, &header, sizeof header);
}

}  // namespace

std::uint64_t Wal::Batch::frame_bytes() const {
  return round_up(bytes);
}

Wal::Wal(BlockDevice& device, Health& health, const WalOptions& options)
    : device_(device),
      health_(health),
      options_(options),
      batch_bytes_max_(std::min<std::uint64_t>(kFrameBytesMax, options.ring.bytes / 4)),
      tail_(options.tail),
      position_(options.position),
      cut_position_(options.tail),
      last_lsn_(static_cast<std::uint64_t>(options.last_lsn)),
      written_lsn_(last_lsn_),
      durable_lsn_(last_lsn_),
      flushed_ns_(monotonic_ns()),
      since_cut_(options.position - options.tail) {
  VEXFS_ASSERT(batch_bytes_max_ >= kTransactionBytesMax + sizeof(FrameHeader));
  committer_ = std::thread([this] { run(); });
  pthread_setname_np(committer_.native_handle(), "committer");
}

Wal::~Wal() {
  {
    Lock lock(mutex_);
    ending_ = true;
  }
  work_.notify_all();
  progress_.notify_all();
  committer_.join();
}

// Where a frame of this size goes: behind the last one, or at the next begin of the ring.
std::uint64_t Wal::position_for(std::uint64_t frame_bytes) const {
  const std::uint64_t left = options_.ring.bytes - position_ % options_.ring.bytes;
  return frame_bytes <= left ? position_ : position_ + left;
}

Result<Lsn> Wal::append(Bytes records) {
  bool wake = false;
  Lsn lsn{};
  {
    Lock lock(mutex_);
    VEXFS_CHECK(health_.writable());
    if (open_.transactions >= kBatchTransactionsMax ||
        (open_.transactions > 0 && open_.bytes + records.size() > batch_bytes_max_)) {
      close_open_batch();
      wake = !writing_;
    }
    if (closed_.size() >= kClosedBatchesMax) return fail(EBUSY, "wal: the device is behind");
    const std::uint64_t frame = round_up(open_.bytes + records.size());
    if (position_for(frame) + frame - tail_ > options_.ring.bytes)
      return fail(EAGAIN, "wal: full until a checkpoint");
    const bool is_first = open_.transactions == 0;
    if (is_first) {
      open_.buffer = Buffer::take(kFrameBytesMax);
      open_.first_lsn = last_lsn_ + 1;
      open_.opened_ns = monotonic_ns();
    }
    std::memcpy(open_.buffer.data() + open_.bytes, records.data(), records.size());
    open_.bytes += records.size();
    ++open_.transactions;
    since_cut_.store(position_ + open_.bytes - cut_position_, std::memory_order_relaxed);
    lsn = Lsn{++last_lsn_};
    wake = wake || idle_;
  }
  if (wake) work_.notify_one();
  return lsn;
}

void Wal::wait_for_device() {
  Lock lock(mutex_);
  while (closed_.size() >= kClosedBatchesMax && !ending_ && !health_.read_only())
    progress_.wait(mutex_);
}

void Wal::close_open_batch() {
  const std::uint64_t bytes = open_.frame_bytes();
  open_.position = position_for(bytes);
  open_.skip_at = position_;
  open_.skip_bytes = open_.position - position_;
  position_ = open_.position + bytes;
  closed_.push_back(std::exchange(open_, Batch{}));
  wal_metrics().used.set(static_cast<std::int64_t>(position_ - tail_));
}

Result<> Wal::sync(Lsn lsn) {
  const auto wanted = static_cast<std::uint64_t>(lsn);
  bool more = false;
  {
    Lock lock(mutex_);
    VEXFS_ASSERT(wanted <= last_lsn_);
    while (durable_lsn_ < wanted && !acknowledges_at_once()) {
      if (ending_ || health_.read_only()) return fail(EROFS, "wal: not durable, and never will be");
      if (writing_)
        progress_.wait(mutex_);
      else
        VEXFS_CHECK(write_next(wanted));
    }
    more = !writing_ && has_work(monotonic_ns());
  }
  if (more) work_.notify_one();
  return {};
}

void Wal::sync(Lsn lsn, Volume::Done done) {
  const auto wanted = static_cast<std::uint64_t>(lsn);
  Result<> answer;
  {
    Lock lock(mutex_);
    VEXFS_ASSERT(wanted <= last_lsn_);
    const bool durable = wanted <= durable_lsn_ || acknowledges_at_once();
    if (!durable && !ending_ && !health_.read_only()) {
      waiters_.emplace(wanted, std::move(done));
      done = nullptr;
    } else if (!durable) {
      answer = fail(EROFS, "wal: not durable, and never will be");
    }
  }
  if (done)
    done(answer);
  else
    work_.notify_one();
}

bool Wal::acknowledges_at_once() const {
  return options_.policy == SyncPolicy::interval || options_.policy == SyncPolicy::none;
}

Lsn Wal::last_lsn() const {
  Lock lock(mutex_);
  return Lsn{last_lsn_};
}

Wal::Cut Wal::cut() {
  Lock lock(mutex_);
  if (open_.transactions > 0) close_open_batch();
  cut_position_ = position_;
  since_cut_.store(0, std::memory_order_relaxed);
  return {.lsn = Lsn{last_lsn_}, .position = position_};
}

void Wal::checkpointed(const Cut& cut) {
  std::vector<Volume::Done> ready;
  {
    Lock lock(mutex_);
    tail_ = cut.position;
    durable_lsn_ = std::max(durable_lsn_, static_cast<std::uint64_t>(cut.lsn));
    ready = take_ready(false);
    wal_metrics().used.set(static_cast<std::int64_t>(position_ - tail_));
  }
  for (Volume::Done& done : ready) done({});
}

std::vector<Volume::Done> Wal::take_ready(bool everybody) {
  std::vector<Volume::Done> ready;
  while (!waiters_.empty() && (everybody || waiters_.begin()->first <= durable_lsn_)) {
    ready.push_back(std::move(waiters_.begin()->second));
    waiters_.erase(waiters_.begin());
  }
  return ready;
}

bool Wal::flush_is_due(std::uint64_t last_written, std::uint64_t now) const {
  if (durable_lsn_ >= last_written) return false;
  if (!waiters_.empty() && waiters_.begin()->first <= last_written) return true;
  const std::uint64_t age = now - flushed_ns_;
  switch (options_.policy) {
    case SyncPolicy::strict:
    case SyncPolicy::fsync:
      return age >= kUnaskedFlushNs;
    case SyncPolicy::interval:
      return age >= std::uint64_t{options_.interval_ms} * 1'000'000;
    case SyncPolicy::none:
      return false;
  }
  return false;
}

bool Wal::has_work(std::uint64_t now) const {
  if (!closed_.empty() || flush_is_due(written_lsn_, now)) return true;
  // Somebody else has written what these wait for.
  if (!waiters_.empty() && waiters_.begin()->first <= durable_lsn_) return true;
  return open_.transactions > 0 &&
         (!waiters_.empty() || now - open_.opened_ns >= batch_age_max_ns());
}

std::uint64_t Wal::batch_age_max_ns() const {
  if (options_.policy != SyncPolicy::interval) return kBatchAgeMaxNs;
  return std::min(kBatchAgeMaxNs, std::uint64_t{options_.interval_ms} * 1'000'000);
}

// How long nothing has to be done, unless somebody asks.
std::uint64_t Wal::until_due(std::uint64_t now) const {
  std::uint64_t due = now + batch_age_max_ns();
  if (open_.transactions > 0) due = std::min(due, open_.opened_ns + batch_age_max_ns());
  if (options_.policy == SyncPolicy::interval && written_lsn_ > durable_lsn_)
    due = std::min(due, flushed_ns_ + std::uint64_t{options_.interval_ms} * 1'000'000);
  return due - std::min(due, now);
}

// Until there is something to write, to flush, or to say to somebody.
void Wal::wait_for_work() {
  while (!ending_ && (writing_ || health_.read_only() || !has_work(monotonic_ns()))) {
    if (health_.read_only() && !writing_ && !waiters_.empty()) return;
    // Somebody else ended the writing: nobody will come to what wait_for_device() waits for.
    if (health_.read_only()) progress_.notify_all();
    const bool nothing = open_.transactions == 0 &&
                         (written_lsn_ <= durable_lsn_ || options_.policy == SyncPolicy::none);
    idle_ = nothing || health_.read_only();
    if (idle_ || writing_)
      (writing_ ? progress_ : work_).wait(mutex_);
    else
      work_.wait_for(mutex_, std::chrono::nanoseconds(until_due(monotonic_ns())));
    idle_ = false;
  }
}

void Wal::run() {
  std::vector<Volume::Done> ready;
  Result<> outcome;
  for (;;) {
    {
      Lock lock(mutex_);
      wait_for_work();
      outcome = {};
      if (ending_)
        outcome = fail(ESHUTDOWN, "wal: closed before this was durable");
      else if (health_.read_only())
        outcome = fail(EROFS, "wal: not durable, and never will be");
      else if (waiters_.empty() || waiters_.begin()->first > durable_lsn_)
        outcome = write_next(0);
      ready = take_ready(!outcome);
    }
    progress_.notify_all();
    for (Volume::Done& done : ready) done(outcome);
    ready.clear();
    if (!outcome && outcome.error().code == ESHUTDOWN) return;
  }
}

Result<> Wal::write_next(std::uint64_t wanted) {
  if (closed_.empty() && open_.transactions > 0) close_open_batch();
  const std::uint64_t now = monotonic_ns();
  Batch batch;
  if (!closed_.empty()) {
    batch = std::move(closed_.front());
    closed_.pop_front();
  }
  const std::uint64_t last = batch.transactions > 0 ? batch.last_lsn() : written_lsn_;
  const bool asked = durable_lsn_ < wanted && wanted <= last;
  const bool flush = asked || flush_is_due(last, now);
  const bool nothing = batch.transactions == 0 && !flush;
  if (nothing) return {};  // another has written what some wait for; they are told
  const std::uint64_t durable = durable_lsn_;
  writing_ = true;
  mutex_.unlock();
  Result<> outcome =
      batch.transactions > 0 ? write(batch, durable, flush) : device_.flush(FlushSite::log_written);
  mutex_.lock();
  writing_ = false;
  progress_.notify_all();
  if (!outcome) {
    health_.end_writing(outcome.error());
    return outcome;
  }
  written_lsn_ = last;
  if (flush) {
    durable_lsn_ = std::max(durable_lsn_, last);
    flushed_ns_ = monotonic_ns();
  }
  return {};
}

Result<> Wal::write(Batch& batch, std::uint64_t durable, bool flush) {
  Timed timed(flush ? wal_metrics().flushed : wal_metrics().written);
  FrameHeader header{.magic = kFrameMagic,
                     .kind = static_cast<std::uint16_t>(FrameKind::skip),
                     .reserved = std::uint16_t{0},
                     .position = batch.skip_at,
                     .epoch = options_.epoch,
                     .first_lsn = batch.first_lsn,
                     .durable_lsn = durable,
                     .transactions = 0U,
                     .body_bytes = 0U,
                     .frame_bytes = batch.skip_bytes,
                     .check = std::uint64_t{0}};
  if (batch.skip_bytes > 0) {
    const Buffer skip = Buffer::take(kBlockBytes);
    std::memset(skip.data(), 0, skip.size());
    seal(header, skip.data(), options_.ring.seed);
    VEXFS_CHECK(device_.write(kLogOffset + batch.skip_at % options_.ring.bytes, skip.bytes()));
  }
  const std::uint64_t bytes = batch.frame_bytes();
  header.kind = static_cast<std::uint16_t>(FrameKind::transactions);
  header.position = batch.position;
  header.transactions = batch.transactions;
  header.body_bytes = static_cast<std::uint32_t>(batch.bytes - sizeof header);
  header.frame_bytes = bytes;
  std::memset(batch.buffer.data() + batch.bytes, 0, bytes - batch.bytes);
  seal(header, batch.buffer.data(), options_.ring.seed);
  wal_metrics().transactions.add(batch.transactions);
  wal_metrics().batches.add();
  wal_metrics().bytes.add(bytes);
  const DeviceWrite write{.offset = kLogOffset + batch.position % options_.ring.bytes,
                          .from = batch.buffer.bytes().first(bytes)};
  if (flush) return device_.write_flushed(write, FlushSite::log_batch);
  return device_.write(std::span(&write, 1));
}

}  // namespace vexfs
