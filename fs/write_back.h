// SPDX-License-Identifier: Apache-2.0
// WriteBack: brings content and attributes that are in memory only to the disk and into the log.
//
// Always, for one file: blocks are written, the device is flushed, then one or more transactions
// log extents and a size that covers no block before it is on the disk.
// A file that is written back never waits for another file's data.
// Threads: any. Node::write_back and Node::lock are taken here; call without them.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "base/workers.h"
#include "fs/content_clock.h"
#include "fs/node_table.h"
#include "search/content_index.h"
#include "storage/file_extent.h"
#include "storage/volume.h"

namespace vexfs {

struct WriteBackOptions {
  unsigned commit_seconds = 5;
  std::size_t dirty_bytes_max = std::size_t{64} << 20;  // of all files
  std::size_t file_bytes_max = std::size_t{8} << 20;    // a file with more is written back
};

class WriteBack {
 public:
  WriteBack(Volume& volume, ContentIndex& index, ContentClock& clock, WriteBackOptions options);
  ~WriteBack();
  // Begins to write back all every commit_seconds.
  void start();
  // Ends the timer and runs the jobs that wait; what is dirty stays so. Twice is fine.
  void stop();

  // The file has content or attributes that are not logged. With its lock held.
  void add(NodeRef node);
  // `blocks` more (or fewer) dirty blocks are in memory; the caller has reserved (unreserves).
  void count_dirty(std::int64_t blocks);

  Result<> write_back(Node& node);
  // All that is dirty at this call; goes on after a failure and returns the first one.
  Result<> write_back_all();
  // Before `bytes` more are taken into `node`: waits for memory. Wait::never: EAGAIN.
  Result<> make_room(Node& node, std::size_t bytes, Wait wait);
  // Writes back in the background when the file has much.
  void write_back_if_large(const NodeRef& node, std::size_t dirty_blocks);
  // For what sleeps and must not on the caller's thread.
  void submit(Workers::Job job) { workers_->submit(std::move(job)); }

 private:
  using Extents = std::vector<FileExtent>;
  Result<> write_serially(Node& node);
  Result<> commit_record(Node& node);
  Result<> write_pages(const Node& node, bool small, Extents& extents);
  Result<> commit_extents(Node& node, const Extents& extents, std::size_t& done);
  Result<std::size_t> commit_some(Node& node, std::span<const FileExtent> extents);
  void give_up(Node& node, const Extents& extents, std::size_t done, Error error);
  void drop_removed(Node& node);
  void remove_clean(Node& node);
  std::optional<NodeRef> any_dirty();
  void run_timer();

  Volume& volume_;
  ContentIndex& index_;
  ContentClock& clock_;
  const WriteBackOptions options_;
  std::atomic<std::int64_t> dirty_blocks_{0};

  Mutex dirty_mutex_;  // a leaf; references are let go of after it
  std::map<std::uint64_t, NodeRef> dirty_ GUARDED_BY(dirty_mutex_);

  Mutex timer_mutex_;
  CondVar timer_wake_;
  bool stopping_ GUARDED_BY(timer_mutex_) = false;
  std::thread timer_;
  std::optional<Workers> workers_;
};

}  // namespace vexfs
