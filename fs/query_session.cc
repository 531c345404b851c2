// SPDX-License-Identifier: Apache-2.0
#include "fs/query_session.h"

#include <algorithm>
#include <cstring>

namespace vexfs {

namespace {
constexpr std::string_view kHelp =
    "{\"help\":\"write one JSON object and a newline, then read: "
    "{\\\"text\\\":\\\"rotate the keys\\\",\\\"k\\\":5} or "
    "{\\\"vector\\\":[0.1,0.2],\\\"k\\\":5}\"}\n";
}

Result<std::size_t> QuerySession::write(Bytes from) {
  Lock lock(mutex_);
  const std::string_view text = as_text(from);
  if (questions_.size() + static_cast<std::size_t>(std::ranges::count(text, '\n')) >
      kQuestionsQueuedMax)
    return fail(ENOBUFS, "query: too many questions queued, read their answers first");
  partial_.append(text);
  std::size_t start = 0;
  for (std::size_t end; (end = partial_.find('\n', start)) != partial_.npos; start = end + 1)
    if (end > start) questions_.push_back(partial_.substr(start, end - start));
  partial_.erase(0, start);
  if (partial_.size() > kQuestionBytesMax) {
    partial_.clear();
    return fail(EMSGSIZE, "query: a question is at most 1 MiB");
  }
  return from.size();
}

std::size_t QuerySession::take(MutableBytes into) {
  const std::size_t bytes = std::min(into.size(), answer_.size() - taken_);
  std::memcpy(into.data(), answer_.data() + taken_, bytes);
  taken_ += bytes;
  if (bytes == 0 && !into.empty()) {  // that was the end of this answer
    answering_ = false;
    answer_.clear();
    taken_ = 0;
  }
  return bytes;
}

Result<std::size_t> QuerySession::read(MutableBytes into, Wait wait, Ask ask) {
  std::string question;
  {
    Lock lock(mutex_);
    if (running_ && wait == Wait::never) return fail(EAGAIN, "query: a search runs");
    while (running_) answered_.wait(mutex_);
    if (answering_) return take(into);
    if (questions_.empty()) {
      answer_ = kHelp;
      answering_ = true;
      return take(into);
    }
    if (wait == Wait::never) return fail(EAGAIN, "query: a search has to run");
    question = std::move(questions_.front());
    questions_.pop_front();
    running_ = true;
  }
  std::string answer = ask(question);
  Lock lock(mutex_);
  running_ = false;
  answered_.notify_all();
  answer_ = std::move(answer);
  taken_ = 0;
  answering_ = true;
  return take(into);
}

}  // namespace vexfs
