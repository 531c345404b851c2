// SPDX-License-Identifier: Apache-2.0
// ReadAhead: file content that is read before anybody asks, for readers with a ReadPattern.
//
//   chunk     a run of one file's blocks, at most 1 MiB
//   queued    a worker will read it, in the background; a reader of its blocks does so at once
//   loading   it is being read; a reader of its blocks waits for it
//   ready     copied out by readers; gone when its last block was, or as the oldest when the
//             budget is used up
//
// Always: a chunk is what the disk holds of the blocks at one content generation, with no page of
// the file in memory over them; it is given out for that generation only. So whatever changes the
// content needs to tell nobody.
// Threads: any. prefetch() and copy() with the node's lock held, shared is enough. A worker only
// tries that lock, so who waits for a chunk may hold it.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>

#include "base/buffer_pool.h"
#include "base/workers.h"
#include "fs/node_table.h"
#include "fs/read_pattern.h"
#include "storage/volume.h"

namespace vexfs {

class ReadAhead {
 public:
  // `bytes_max`: of all chunks; 0: nothing is read ahead.
  ReadAhead(Volume& volume, std::size_t bytes_max);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  // Ends the workers; nothing is read ahead any more. Twice is fine.
  void stop();

  // Somebody reads these blocks: what follows is read in the background.
  void note_read(const NodeRef& node, std::uint64_t first, std::uint32_t blocks);
  // Fills `into` with the file from `offset` on, as far as one chunk goes; how many bytes. 0: none
  // is here. EAGAIN: it is being read, and `wait` is never.
  Result<std::size_t> copy(const Node& node, std::uint64_t offset, MutableBytes into, Wait wait);
  // What its chunks hold, and how much they may; less at once, but for what is being read. Any
  // time; one that was made with 0 stays so.
  std::size_t held_bytes() const;
  void set_bytes_max(std::size_t bytes);
  // Nobody has the file open any more.
  void forget(Ino ino);

 private:
  struct Chunk;
  using ChunkRef = std::shared_ptr<Chunk>;  // the table's, its worker's and its readers'
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // inode number, last block
  void load(const NodeRef& node, const ChunkRef& chunk);
  bool fill(const Node& node, const ChunkRef& chunk);
  void end_loading(const ChunkRef& chunk, bool done);
  Result<ChunkRef> find(const Node& node, std::uint64_t block, Wait wait);
  void start(const NodeRef& node, ReadPattern::Range range);
  bool add(const ChunkRef& chunk, std::uint64_t content);
  bool make_room(std::size_t bytes) REQUIRES(mutex_);
  void take_out(const ChunkRef& chunk) REQUIRES(mutex_);

  Volume& volume_;
  const bool on_;
  mutable Mutex mutex_;  // a leaf
  std::size_t bytes_max_ GUARDED_BY(mutex_);
  CondVar loaded_;
  std::map<Key, ChunkRef> chunks_ GUARDED_BY(mutex_);
  std::list<ChunkRef> by_age_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, ReadPattern> patterns_ GUARDED_BY(mutex_);  // by inode number
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
  std::optional<Workers> workers_;
};

}  // namespace vexfs
