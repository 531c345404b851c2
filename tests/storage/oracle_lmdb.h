// SPDX-License-Identifier: Apache-2.0
// LmdbOracle: the pairs of a volume once more, in an LMDB environment of its own. Where LMDB is
// not installed it takes everything and compares nothing.
// Threads: one.
#pragma once
#include <optional>
#include <span>
#include <string>

#include "storage/volume.h"

namespace vexfs {

class LmdbOracle {
 public:
  LmdbOracle();
  ~LmdbOracle();
  LmdbOracle(const LmdbOracle&) = delete;
  LmdbOracle& operator=(const LmdbOracle&) = delete;
  static bool is_here();

  void begin();
  void write(Tree tree, const std::string& key, const std::optional<std::string>& value);
  void commit();
  // The first place where the volume is not the same; empty: none.
  std::string difference(Volume& volume, std::span<const Tree> trees);

 private:
  struct State;
  State* const state_;
};

}  // namespace vexfs
