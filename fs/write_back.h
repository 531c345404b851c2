// SPDX-License-Identifier: Apache-2.0
// WriteBack: brings content and attributes that are in memory only into the log and to the disk.
//
// Two ways (fs/file_pages.h has the states of a page):
//   log_pages()   little content goes into the log as riders: one log write, for an fsync
//   write_back()  content is placed: blocks are written, the device is flushed, then one or more
//                 transactions log extents, erase riders, and log a size that covers no block
//                 before it is on the disk
// Where the file has a block already that nobody else can see (unwritten, or preallocated and
// now full of riders that a checkpoint has saved) it is written in place.
// A file that is written back waits for another file's data only where both are small: those
// share a flush.
// Threads: any. Node::write_back and Node::lock are taken here unless noted; call without them.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "base/function_ref.h"
#include "base/workers.h"
#include "fs/content_clock.h"
#include "fs/node_hold.h"
#include "fs/node_table.h"
#include "fs/place_pages.h"
#include "search/content_index.h"
#include "storage/compression.h"
#include "storage/volume.h"

namespace vexfs {

struct WriteBackOptions {
  unsigned commit_seconds = 5;
  std::size_t dirty_bytes_max = std::size_t{64} << 20;  // of all files
  std::size_t file_bytes_max = std::size_t{8} << 20;    // a file with more is written back
  Compression compression;
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
  // These pages have left memory.
  void let_go(FilePages::Gone gone);

  Result<> write_back(Node& node);
  // The same with Node::write_back held by the caller.
  Result<> write_back_held(Node& node);
  // Writes anew what is left of these compressed extents of the file, where that wins space. With
  // Node::write_back held, not the file's lock. What fails stays as it is.
  void rewrite(Node& node, std::span<const FileExtentGroup> groups);
  // All that is dirty at this call; goes on after a failure and returns the first one.
  Result<> write_back_all();
  // Puts all that a crash would take into the log, without a word to the device, if it is
  // little. False: write it back. With the file's lock held for writing.
  Result<bool> log_pages(Node& node, Wait wait);
  // Riders that a crash has left, into memory. Before anything else.
  Result<> load_riders(LiveNodes& nodes);
  // Before `bytes` more are taken into `node`: waits for memory. Wait::never: EAGAIN.
  Result<> make_room(Node& node, std::size_t bytes, Wait wait);
  // Writes back in the background when the file has much.
  void write_back_if_large(const NodeRef& node, std::size_t dirty_blocks);
  void write_back_soon(const NodeRef& node);
  // Writes back in the background what would soon be too many riders.
  void write_back_if_many_riders(const NodeRef& node, std::size_t riders);
  // What is dirty, and from when on who writes more waits for the disk; at any time.
  std::size_t dirty_bytes() const;
  void set_dirty_bytes_max(std::size_t bytes) {
    dirty_bytes_max_.store(bytes, std::memory_order_relaxed);
  }
  // For what sleeps and must not on the caller's thread.
  void submit(Workers::Job job) { workers_->submit(std::move(job)); }
  // The same at the next round of the timer; not at all when stop() comes first.
  void submit_later(Workers::Job job);

 private:
  struct Batch;
  Result<> begin(Placing& placing, bool& anything);
  Result<> write(Placing& placing);
  Result<> flush();  // between write() and end()
  Result<> end(Placing& placing, Result<> written);
  Result<> add_to(Batch& batch, NodeRef& node);
  void finish(Batch& batch, FunctionRef<void(NodeRef&, Result<>)> note);
  Result<> log_record(Node& node, Wait wait);
  Result<> log_in_place(Placing& placing);
  Result<bool> log_inline(Node& node, Wait wait);
  Result<bool> log_riders(Node& node, Wait wait);
  Result<> commit_placed(Placing& placing);
  // Adds to `sparse` what ExtentEdit::sparse() says.
  Result<std::size_t> commit_some(Node& node, std::span<const PlacedExtent> extents,
                                  std::vector<FileExtentGroup>& sparse, Wait wait);
  Result<> rewrite(Node& node, FileExtentGroup group);
  Result<> put_rewritten(Node& node, const std::vector<FileExtent>& extents);
  void give_up(Placing& placing, Error error);
  void drop_removed(Node& node);
  void remove_clean(Node& node);
  Result<> load_riders(const NodeRef& node);
  std::optional<NodeRef> any_dirty();
  void run_timer();

  Volume& volume_;
  ContentIndex& index_;
  ContentClock& clock_;
  const WriteBackOptions options_;
  std::atomic<std::int64_t> dirty_blocks_{0};
  std::atomic<std::size_t> dirty_bytes_max_;

  Mutex dirty_mutex_;  // a leaf; references are let go of after it
  std::map<std::uint64_t, NodeRef> dirty_ GUARDED_BY(dirty_mutex_);

  Mutex timer_mutex_;
  CondVar timer_wake_;
  bool stopping_ GUARDED_BY(timer_mutex_) = false;
  std::vector<Workers::Job> later_ GUARDED_BY(timer_mutex_);
  std::thread timer_;
  std::optional<Workers> workers_;
};

}  // namespace vexfs
