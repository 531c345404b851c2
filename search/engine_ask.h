// SPDX-License-Identifier: Apache-2.0
// Ask: one question on its way to its answer.
//
//   collections in scope ──> each gives a ranked list ──> merged by rank ──> hits, read anew
//   (one: its own scores)    (vectors, words or both)
//
// Always: a row counts only while its owner's content is what it was made of, and the caller may
// reach and read that file; a list goes deeper until k pass or none are left.
// Threads: one. Calls FileView, so no lock of search is held.
#pragma once
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "search/engine_noise.h"
#include "search/engine_records.h"
#include "search/engine_state.h"
#include "search/planner.h"
#include "search/scope_filter.h"

namespace vexfs {

class Ask {
 public:
  Ask(EngineState& state, FileRecords& records, NoiseLevels& noise, const Question& question);

  // Both in this order; apart, so that neither lies on the stack of the other.
  Result<> rank();
  Answer answer();

 private:
  struct Ranked {
    Ino ino{};
    std::shared_ptr<Space> space;
    Slot slot = kNoSlot;
    float score = 0;
    std::optional<float> cosine = {}, bm25 = {}, distance = {};
  };
  using List = std::vector<Ranked>;

  // --- what may be answered
  bool usable(const Space& space, Slot slot);
  bool chunk_unchanged(const Space& space, Slot slot);
  bool replaced_by_own(const Collection& collection, const Space& space, Slot slot) const;
  // Best first; one per file, or per row of a file of vectors, or (chunks=1) every one.
  List distinct(List list) const;

  // --- vectors
  struct Looking {
    std::uint32_t k = 0;
    bool distinct = true;
    Ino except{};  // similar: not the file itself
  };
  List nearest(const Collection& collection, const std::shared_ptr<Space>& space,
               std::span<const float> query, const Looking& looking);
  Plan plan_of(const Space& space, std::uint32_t k, Graph::Accept accept);
  Ranked ranked(const std::shared_ptr<Space>& space, const Neighbour& neighbour) const;
  List ask_vector(const Collection& collection);
  Result<List> ask_similar();
  std::vector<std::vector<float>> vectors_of(Ino ino, std::shared_ptr<Space>& space,
                                             std::shared_ptr<Collection>& collection);

  // --- words
  Result<List> ask_text(const Collection& collection);

  // --- the answer
  void read_terms();
  Result<> lists();  // into lists_
  std::vector<std::shared_ptr<Collection>> collections_in_scope();
  void merge();  // lists_ into ranked_
  // False: it has gone or changed since it was ranked.
  bool fill(const Ranked& ranked, Hit& hit);
  bool fill_row(const Ranked& ranked, Hit& hit);
  bool fill_chunk(const Ranked& ranked, Hit& hit);
  bool same_content(const Ranked& ranked);
  void count_pending(Answer& answer);

  EngineState& state_;
  FileRecords& records_;
  NoiseLevels& noise_;
  const Question& question_;
  const QuestionOptions& options_;
  ScopeFilter filter_;
  TermBag terms_;  // of the question, for snippets
  std::vector<List> lists_;
  List ranked_;
  std::uint64_t left_out_ = 0;
  bool no_direction_ = false;  // a zero vector came to a collection of directions
  std::unordered_map<std::uint64_t, bool> unchanged_;  // by space and slot, for this question
};

}  // namespace vexfs
