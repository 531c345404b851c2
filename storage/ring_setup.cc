// SPDX-License-Identifier: Apache-2.0
// How a ring comes to be: each feature is tried, what is refused is done without.
#include <atomic>
#include <memory>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "base/metrics.h"
#include "storage/ring.h"

namespace vexfs {

namespace {

// Rings that live, by what they use.
Gauge& rings_with(unsigned feature) {
  static const std::array<Gauge*, 5> gauges = [] {
    constexpr std::array kNames = {"feature=\"uring\"", "feature=\"defer_taskrun\"",
                                   "feature=\"registered_ring\"", "feature=\"registered_files\"",
                                   "feature=\"registered_buffers\""};
    std::array<Gauge*, 5> made{};
    for (std::size_t i = 0; i < made.size(); ++i)
      made[i] = &metrics::gauge("vexfs_ring_features", "Rings that use a feature", kNames[i]);
    return made;
  }();
  return *gauges[feature];
}
constexpr unsigned kUring = 0, kDefer = 1, kRing = 2, kFiles = 3, kBuffers = 4;

void warn_once(int code) {
  static std::atomic<bool> warned = false;
  if (!warned.exchange(true))
    log(Level::warn, "ring", "the host refuses io_uring; reads and writes go one by one",
        {{"errno", static_cast<std::uint64_t>(code)}});
}

}  // namespace

Ring& Ring::mine(RingOptions options) {
  thread_local std::array<std::unique_ptr<Ring>, RingOptions::kCombinations> rings;
  std::unique_ptr<Ring>& ring = rings[options.bits()];
  if (ring == nullptr) {
    ring.reset(new Ring(options));
    ring->init();
  }
  return *ring;
}

bool Ring::init_flags(unsigned flags) {
  const int result = io_uring_queue_init(kEntries, &ring_, flags);
  ready_ = result == 0;
  // EINVAL: an older kernel; anything else will not change with other flags.
  if (!ready_ && result != -EINVAL) {
    warn_once(-result);
    options_.uring = false;
  }
  return ready_ || !options_.uring;
}

void Ring::init() {
  const RingOptions wanted = options_;
  options_.defer_taskrun = wanted.single_issuer && wanted.defer_taskrun;
  const unsigned single = wanted.single_issuer ? IORING_SETUP_SINGLE_ISSUER : 0U;
  bool tried = !options_.uring;
  if (!tried && options_.defer_taskrun) tried = init_flags(single | IORING_SETUP_DEFER_TASKRUN);
  if (!tried) {
    options_.defer_taskrun = false;
    tried = init_flags(single);
  }
  if (!tried && single != 0) tried = init_flags(0);
  options_.uring = ready_;
  if (ready_) init_registers();
}

void Ring::init_registers() {
  options_.registered_ring = options_.registered_ring && io_uring_register_ring_fd(&ring_) == 1;
  options_.registered_files =
      options_.registered_files && io_uring_register_files_sparse(&ring_, kFileSlots) == 0;
  rings_with(kUring).add(1);
  if (options_.defer_taskrun) rings_with(kDefer).add(1);
  if (options_.registered_ring) rings_with(kRing).add(1);
  if (options_.registered_files) rings_with(kFiles).add(1);
}

Ring::~Ring() {
  if (!ready_) return;
  rings_with(kUring).add(-1);
  if (options_.defer_taskrun) rings_with(kDefer).add(-1);
  if (options_.registered_ring) rings_with(kRing).add(-1);
  if (options_.registered_files) rings_with(kFiles).add(-1);
  if (pinned_) rings_with(kBuffers).add(-1);
  io_uring_queue_exit(&ring_);
}

// A slot keeps its file open until another takes it or the thread ends: whoever closes a file
// gives its locks back before.
int Ring::slot_of(const RingFile& file) {
  if (!options_.registered_files) return -1;
  for (unsigned slot = 0; slot < kFileSlots; ++slot)
    if (slots_[slot] == file.serial) return static_cast<int>(slot);
  const unsigned slot = next_slot_++ % kFileSlots;
  int descriptor = file.descriptor;
  if (io_uring_register_files_update(&ring_, slot, &descriptor, 1) != 1) return -1;
  slots_[slot] = file.serial;
  return static_cast<int>(slot);
}

bool Ring::is_pinned(const std::byte* memory, std::size_t bytes) {
  const Bytes arena = Buffer::arena();
  if (memory < arena.data() || memory + bytes > arena.data() + arena.size()) return false;
  if (pinned_ || !options_.registered_buffers) return pinned_;
  const iovec whole{.iov_base = const_cast<std::byte*>(arena.data()), .iov_len = arena.size()};
  pinned_ = io_uring_register_buffers(&ring_, &whole, 1) == 0;
  options_.registered_buffers = pinned_;  // not asked again
  if (pinned_) rings_with(kBuffers).add(1);
  return pinned_;
}

}  // namespace vexfs
