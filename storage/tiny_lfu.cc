// SPDX-License-Identifier: Apache-2.0
#include "storage/tiny_lfu.h"

#include <algorithm>

#include "base/assert.h"

namespace vexfs {

TinyLfu::TinyLfu(std::size_t capacity) : capacity_(capacity), sketch_(capacity) {}

void TinyLfu::push(Node& node, Segment segment) {
  List& to = list(segment);
  node.segment = segment;
  node.newer = &to.ends;
  node.older = to.ends.older;
  node.older->newer = &node;
  to.ends.older = &node;
  ++to.size;
}

void TinyLfu::unlink(Node& node) {
  node.older->newer = node.newer;
  node.newer->older = node.older;
  --list(node.segment).size;
  node.segment = Segment::none;
}

void TinyLfu::move(Node& node, Segment segment) {
  unlink(node);
  push(node, segment);
}

std::size_t TinyLfu::size() const {
  return lists_[0].size + lists_[1].size + lists_[2].size + lists_[3].size;
}

std::size_t TinyLfu::window_max() const {
  const std::size_t upper = size_of(Segment::upper);
  const std::size_t rest = capacity_ > upper ? capacity_ - upper : 0;
  return std::max<std::size_t>(1, rest * window_share_ / kShareAll);
}

std::size_t TinyLfu::guarded_max() const {
  const std::size_t others = size_of(Segment::upper) + window_max();
  return capacity_ > others ? (capacity_ - others) * 4 / 5 : 0;
}

void TinyLfu::insert(Node& node, bool upper) {
  VEXFS_ASSERT(node.segment == Segment::none);
  sketch_.add(node.hash);
  node.asked.store(0, std::memory_order_relaxed);
  push(node, upper ? Segment::upper : Segment::window);
  shrink(Segment::upper, capacity_ / 2);
  // Room there is: what leaves the window need not ask.
  List& window = list(Segment::window);
  if (!over() && window.size > window_max()) move(*window.oldest(), Segment::probation);
}

void TinyLfu::erase(Node& node) {
  unlink(node);
}

// Whether it was asked for since this was called last.
bool TinyLfu::take_asked(Node& node) {
  const unsigned asked = node.asked.exchange(1, std::memory_order_relaxed);
  for (unsigned i = 1; i < asked; ++i) sketch_.add(node.hash);
  return asked > 1;
}

// Some steps towards it: the rest comes with later calls.
void TinyLfu::shrink(Segment segment, std::size_t max) {
  List& from = list(segment);
  for (unsigned steps = 0; steps < 8 && from.size > max; ++steps) {
    Node& oldest = *from.oldest();
    move(oldest, take_asked(oldest) ? segment : Segment::probation);
  }
}

// Who wants to be admitted, or null while the window is not too large. A window that was made
// smaller gets so in a few steps: all but the last of what leaves it need not ask.
TinyLfu::Node* TinyLfu::candidate(bool ask) {
  List& window = list(Segment::window);
  const std::size_t max = window_max();
  for (unsigned steps = 0; steps < 8 && window.size > max + 1; ++steps)
    move(*window.oldest(), Segment::probation);
  for (unsigned steps = 0; ask && steps < 8 && window.size > max; ++steps) {
    Node& oldest = *window.oldest();
    if (!take_asked(oldest)) break;
    move(oldest, Segment::window);
  }
  return window.size > max ? window.oldest() : nullptr;
}

// Whose place it would get.
TinyLfu::Node* TinyLfu::oldest_admitted(bool ask) {
  List& probation = list(Segment::probation);
  for (unsigned steps = 0; ask && steps < 8 && probation.size > 0; ++steps) {
    Node& oldest = *probation.oldest();
    if (!take_asked(oldest)) break;
    move(oldest, Segment::guarded);
    shrink(Segment::guarded, guarded_max());
  }
  for (const Segment segment :
       {Segment::probation, Segment::guarded, Segment::window, Segment::upper})
    if (Node* const oldest = list(segment).oldest()) return oldest;
  return nullptr;
}

TinyLfu::Node* TinyLfu::victim(FunctionRef<bool(Node&)> may_go) {
  constexpr unsigned kTries = 64;
  for (unsigned tries = 0; tries < kTries; ++tries) {
    // Where all are asked for all the time, somebody goes all the same.
    const bool ask = tries < kTries / 2;
    shrink(Segment::upper, capacity_ / 2);
    Node* const wants = candidate(ask);
    Node* const oldest = oldest_admitted(ask);
    if (oldest == nullptr) return nullptr;
    const bool admitted = wants == nullptr || frequency(*wants) > frequency(*oldest);
    Node& loser = admitted ? *oldest : *wants;
    if (!may_go(loser)) {
      move(loser, loser.segment == Segment::upper ? Segment::upper : Segment::probation);
      continue;
    }
    if (wants != nullptr && admitted) {
      ++admissions_;
      if (wants != oldest) move(*wants, Segment::probation);
    } else if (wants != nullptr) {
      ++rejections_;
    }
    return &loser;
  }
  return nullptr;
}

unsigned TinyLfu::heat(const Node& node) const {
  constexpr unsigned kUpper = 1000;
  const unsigned lately = node.asked.load(std::memory_order_relaxed);
  return frequency(node) + lately + (node.segment == Segment::upper ? kUpper : 0);
}

void TinyLfu::resize(std::size_t capacity) {
  capacity_ = capacity;
  sketch_.resize(capacity);
}

void TinyLfu::visit(FunctionRef<bool(Node&)> visit) {
  for (const Segment segment :
       {Segment::upper, Segment::guarded, Segment::probation, Segment::window}) {
    Node* const end = &list(segment).ends;
    for (Node* node = end->older; node != end; node = node->older)
      if (!visit(*node)) return;
  }
}

}  // namespace vexfs
