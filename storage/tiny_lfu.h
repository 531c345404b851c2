// SPDX-License-Identifier: Apache-2.0
// TinyLfu: which entry of a cache goes when a new one comes. W-TinyLFU: a small window of newly
// come entries in front of a segmented queue that admits by frequency.
//
//   segment    who is in it                              the oldest of it, when room is needed
//   window     came last                                 asked meanwhile: youngest again;
//                                                        else: wants to be admitted
//   probation  admitted                                  asked meanwhile: to guarded;
//                                                        else: goes when another is admitted
//   guarded    was asked for in probation                asked meanwhile: youngest again;
//                                                        else: to probation
//   upper      favoured by the owner, up to half of all  beyond that: the same, to probation
//
// An entry that leaves the window is admitted when it was asked for more often lately than the
// oldest in probation, else it goes itself: a scan passes through the window and takes nothing
// else along. How large the window is, is the owner's to say (WindowClimber).
//
// A hit is one byte in the entry (Node::hit), written without a lock and only while it is small:
// readers of a hot entry share its cache line. The policy looks at it when the entry's turn comes.
//
// Always: every entry is in one segment; all steps are O(1) and allocate nothing. What victim()
// may not take moves on to probation as the youngest.
// Threads: Node::hit() any, the rest one, or the owner's lock. (Einziger, Eytan, Friedman, Manes,
// "Adaptive Software Cache Management", 2018; hits that move nothing: Yang, Zhang, Qiu, Yue,
// Rashmi, "FIFO Queues are All You Need for Cache Eviction", 2023.)
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/function_ref.h"
#include "storage/frequency_sketch.h"

namespace vexfs {

class TinyLfu {
 public:
  enum class Segment : std::uint8_t { none, window, probation, guarded, upper };

  // Part of each entry; belongs to the policy while the entry is in the cache.
  struct Node {
    Node* older = nullptr;
    Node* newer = nullptr;
    std::uint64_t hash = 0;  // of the key, well mixed; set before insert()
    // Hits since the policy looked, and one more; 0: nobody has used it yet. The first use is by
    // who brought it and has been counted then. A lost update does no harm.
    std::atomic<std::uint8_t> asked{0};
    Segment segment = Segment::none;

    void hit() {
      const std::uint8_t before = asked.load(std::memory_order_relaxed);
      if (before <= kAskedMax)
        asked.store(static_cast<std::uint8_t>(before + 1), std::memory_order_relaxed);
    }
  };
  static constexpr std::uint8_t kAskedMax = 3;

  explicit TinyLfu(std::size_t capacity);
  TinyLfu(const TinyLfu&) = delete;
  TinyLfu& operator=(const TinyLfu&) = delete;

  // Somebody asked for what was not here.
  void insert(Node& node, bool upper);
  void erase(Node& node);

  std::size_t size() const;
  bool over() const { return size() > capacity_; }
  // While over(): the entry to go, still in its segment; the caller erases it. `may_go` says
  // whether it can be spared. nullptr when some tries have found none.
  Node* victim(FunctionRef<bool(Node&)> may_go);

  std::size_t capacity() const { return capacity_; }
  void resize(std::size_t capacity);
  // The window's share of what is not upper, in parts of kShareAll.
  static constexpr unsigned kShareAll = 1024;
  void set_window(unsigned share) { window_share_ = share; }
  std::size_t window_max() const;
  std::size_t size_of(Segment segment) const { return list(segment).size; }
  // How much it is wanted, for comparison only: upper ones most, then by frequency.
  unsigned heat(const Node& node) const;
  unsigned frequency(const Node& node) const { return sketch_.estimate(node.hash); }

  // Since it was made.
  std::uint64_t admissions() const { return admissions_; }
  std::uint64_t rejections() const { return rejections_; }

  // Youngest first, segment by segment: upper, guarded, probation, window.
  void visit(FunctionRef<bool(Node&)> visit);

 private:
  struct List {
    Node ends;  // older: the youngest; newer: the oldest
    std::size_t size = 0;
    List() { ends.older = ends.newer = &ends; }
    Node* oldest() { return size == 0 ? nullptr : ends.newer; }
  };
  List& list(Segment segment) { return lists_[static_cast<unsigned>(segment) - 1]; }
  const List& list(Segment segment) const { return lists_[static_cast<unsigned>(segment) - 1]; }
  void push(Node& node, Segment segment);
  void unlink(Node& node);
  void move(Node& node, Segment segment);
  std::size_t guarded_max() const;
  bool take_asked(Node& node);
  void shrink(Segment segment, std::size_t max);
  Node* candidate(bool ask);
  Node* oldest_admitted(bool ask);

  std::size_t capacity_;
  unsigned window_share_ = kShareAll / 100;
  std::uint64_t admissions_ = 0, rejections_ = 0;
  List lists_[4];
  FrequencySketch sketch_;
};

}  // namespace vexfs
