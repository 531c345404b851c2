// SPDX-License-Identifier: Apache-2.0
// Painted stacks: how deep threads go. A program that links this has its pthread_create()
// replaced: every thread, of libraries too, runs on a stack that can be painted while it sleeps
// (by a signal handled on a stack of its own) and looked at later.
//
// Threads: paint_threads() and deepest() on one; StackProbe on the thread that it measures.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace vexfs {

// Overwrites what lies below the present frame of every thread made so far.
void paint_threads();

struct ThreadDepth {
  std::string name;
  std::size_t bytes = 0;  // from the thread's first function to the deepest word touched
};
std::vector<ThreadDepth> thread_depths();

// Paints below the caller's frame when made; used() tells how deep calls made since then went.
class StackProbe {
 public:
  StackProbe();
  std::size_t used() const;

 private:
  const char* top_;
};

}  // namespace vexfs
