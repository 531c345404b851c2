// SPDX-License-Identifier: Apache-2.0
// MountMemory: one budget for all that a mount holds in memory, and who of it gives what back.
//
//   consumer    gives from   what it is
//   buffers     trim         of requests and transfers; gives back the free ones
//   rest        trim         what else the process has: inodes, names, queues, the log's buffers;
//                            gives back what is free of the heap
//   read_ahead  shrink       file content that nobody has asked for yet
//   page_cache  shrink       tree pages; changed ones go after a checkpoint
//   dirty_data  hold         content that is not on the disk yet; writers wait for it
//   index       never        vectors, codes, graphs, words of the search index
//
// Governed from construction to destruction, which comes before the end of what it was made of.
#pragma once
#include <cstddef>

#include "base/memory_governor.h"

namespace vexfs {

class Engine;
class Files;
class Volume;

class MountMemory {
 public:
  struct Options {
    std::size_t budget = 0;
    std::size_t read_ahead = 0;  // what Files may hold of it when nothing is short
  };
  // `engine`: null for a mount without an index.
  MountMemory(Volume& volume, Files& files, const Engine* engine, const Options& options);

 private:
  std::size_t in_pool() const;
  std::size_t buffers() const;
  std::size_t index() const;
  void trim_heap();

  Volume& volume_;
  Files& files_;
  const Engine* const engine_;
  std::size_t heap_free_ = 0;  // after the last trim or less; the governor's thread
  MemoryGovernor governor_;    // last: its thread uses the others
};

}  // namespace vexfs
