// SPDX-License-Identifier: Apache-2.0
#include "fs/mount_memory.h"

#include <malloc.h>

#include <algorithm>

#include "base/buffer_pool.h"
#include "fs/files.h"
#include "search/engine.h"
#include "storage/volume.h"

namespace vexfs {

namespace {

constexpr std::size_t kFloorPart = 8;  // of its share
// Fewer free buffers are not worth the page faults that follow.
constexpr std::size_t kTrimBytesMin = std::size_t{2} << 20;

std::size_t less(std::size_t from, std::size_t bytes) {
  return from - std::min(from, bytes);
}

}  // namespace

MountMemory::MountMemory(Volume& volume, Files& files, const Engine* engine, const Options& options)
    : volume_(volume),
      files_(files),
      engine_(engine),
      governor_(options.budget, [reader = MemoryReader()] { return reader.read(); }) {
  const MemoryShares shares = memory_shares(options.budget);
  // What is written back frees buffers that the next writes take: a page fault less each.
  buffer_pool::keep_at_most(shares.dirty_data / 2);
  governor_.add({.name = "read_ahead",
                 .gives_at = MemoryLevel::shrink,
                 .share = options.read_ahead,
                 .floor = options.read_ahead / kFloorPart,
                 .used = [this] { return files_.read_ahead_bytes(); },
                 .hold_to = [this](std::size_t bytes) { files_.set_read_ahead_max(bytes); }});
  governor_.add({.name = "page_cache",
                 .gives_at = MemoryLevel::shrink,
                 .share = shares.page_cache,
                 .floor = shares.page_cache / kFloorPart,
                 .used = [this] { return volume_.cache_bytes(); },
                 .hold_to =
                     [this](std::size_t bytes) {
                       volume_.set_cache_bytes_max(bytes);
                       if (volume_.cache_bytes() > bytes) volume_.request_checkpoint();
                     }});
  governor_.add({.name = "dirty_data",
                 .gives_at = MemoryLevel::hold,
                 .share = shares.dirty_data,
                 .floor = shares.dirty_data / kFloorPart,
                 .used = [this] { return files_.dirty_bytes(); },
                 .hold_to = [this](std::size_t bytes) { files_.set_dirty_bytes_max(bytes); }});
  governor_.add({.name = "buffers",
                 .gives_at = MemoryLevel::trim,
                 .share = options.budget,
                 .used = [this] { return buffers(); },
                 .hold_to =
                     [](std::size_t) {
                       if (buffer_pool::usage().free_bytes >= kTrimBytesMin) buffer_pool::trim();
                     }});
  governor_.add({.name = "index", .used = [this] { return index(); }});
  governor_.add(
      {.name = "rest",
       .gives_at = MemoryLevel::trim,
       .share = options.budget,
       .used = [this] { return less(anonymous_bytes(), in_pool() + buffers() + index()); },
       .hold_to = [this](std::size_t) { trim_heap(); }});
  governor_.start();
}

// What lies in the pool's buffers, too, and is counted by a name of its own.
std::size_t MountMemory::in_pool() const {
  return volume_.cache_bytes() + files_.dirty_bytes() + files_.read_ahead_bytes();
}

// What devices have pinned stays whatever is asked, so it counts as the rest.
std::size_t MountMemory::buffers() const {
  return less(buffer_pool::usage().held_bytes, in_pool() + Buffer::arena().size());
}

std::size_t MountMemory::index() const {
  return engine_ != nullptr ? engine_->memory_bytes() : 0;
}

// Only where much has become free since: it holds up who allocates.
void MountMemory::trim_heap() {
  const std::size_t free = ::mallinfo2().fordblks;
  heap_free_ = std::min(heap_free_, free);
  if (free < heap_free_ + kTrimBytesMin) return;
  ::malloc_trim(0);
  heap_free_ = ::mallinfo2().fordblks;  // what was given back is free all the same
}

}  // namespace vexfs
