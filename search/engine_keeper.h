// SPDX-License-Identifier: Apache-2.0
// IndexKeeper: memory and volume of the index kept together. Loads what was saved, once; saves
// what is new from time to time; takes new rows into the graphs.
//
// A load builds on the records in the trees: a slot is alive when its owner's record names it, so
// a crash between two saves costs the slots that were not saved, whose owners are run again.
// Threads: one, but is_due() any.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "search/engine_state.h"

namespace vexfs {

class IndexKeeper {
 public:
  explicit IndexKeeper(EngineState& state) : state_(state) {}

  // Everything saved into memory. What is lost is owed to its files; a damaged piece is no error.
  void load();
  // Saves when much or long since; a graph is saved when it has grown by a quarter.
  void save_if_due();
  // Everything, the graphs too (at stop).
  void save_all();
  // A slice of a graph's tail; false when all graphs are up to date.
  bool grow_graphs();
  // Samples how wide a beam one space needs; false when all are known.
  bool sample_recall();

 private:
  void load_spaces();
  void read_files();
  void revive_runs();
  void kill_words();
  Result<> save(bool graphs);

  struct Indexed {
    std::uint64_t generation = 0;
    Ino collection{};
    std::uint32_t parts = 0;   // not found yet
    std::size_t first = 0;     // of its chunks in hashes_,
    std::uint32_t chunks = 0;  // of which there are so many
    bool rows = false;
  };
  std::optional<std::uint64_t> check_of(const Indexed& file, std::uint32_t part) const;
  EngineState& state_;
  // While loading: a scan of a tree takes no lock above the volume's.
  std::unordered_map<Ino, Indexed> files_;
  std::vector<std::uint64_t> hashes_;
  std::unordered_map<std::uint32_t, std::shared_ptr<Space>> spaces_;
  std::uint64_t saved_ns_ = 0;
};

}  // namespace vexfs
