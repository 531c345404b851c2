// SPDX-License-Identifier: Apache-2.0
// QuerySession: one open `.vexfs/query`. Questions are written, answers are read.
//
//   write: bytes gather; each newline ends a question, which queues.       (never waits)
//   read:  the answer of the oldest question, then 0 bytes once, then the next answer;
//          with no question queued, one line of help and then 0 bytes.     (waits for the search)
//
// Offsets are ignored: a session is a conversation, not a file. Threads: any.
#pragma once
#include <deque>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "base/wait.h"
#include "fs/types.h"

namespace vexfs {

inline constexpr std::size_t kQuestionBytesMax = 1 << 20;  // one line
inline constexpr std::size_t kQuestionsQueuedMax = 1024;   // on one descriptor

class QuerySession {
 public:
  // Runs one question line to its answer (JSON lines). Never fails: an error is an answer too.
  using Ask = FunctionRef<std::string(const std::string& line)>;

  // EMSGSIZE for a line over kQuestionBytesMax, EAGAIN-free: ENOBUFS when too many are queued.
  Result<std::size_t> write(Bytes from);
  // EAGAIN (Wait::never) when a search has to run first.
  Result<std::size_t> read(MutableBytes into, Wait wait, Ask ask);

 private:
  std::size_t take(MutableBytes into) REQUIRES(mutex_);
  Mutex mutex_{Rank::hidden};
  CondVar answered_;
  std::string partial_ GUARDED_BY(mutex_);  // a line without its newline yet
  std::deque<std::string> questions_ GUARDED_BY(mutex_);
  std::string answer_ GUARDED_BY(mutex_);
  std::size_t taken_ GUARDED_BY(mutex_) = 0;   // of answer_
  bool answering_ GUARDED_BY(mutex_) = false;  // answer_ is being read
  bool running_ GUARDED_BY(mutex_) = false;    // a search runs for this session
};

}  // namespace vexfs
