// SPDX-License-Identifier: Apache-2.0
// The sets of the bench, by name:
//
//   h128_30k    30,000 × 128, latent 48, l2        s768_100k   100,000 × 768, cosine
//   s128_100k   100,000 × 128, latent 24, l2       s128_1m     1,000,000 × 128, latent 24, l2
//   text768     up to 30,000 chunks of the texts below a folder (/usr/share), embedded by a
//               trained local embedder; cosine
//   NAME.npy    the rows of a file; its last rows are the questions
//
// With a folder to keep them in, a set is generated once. Questions are of the same law as the
// rows and none of them.
#pragma once
#include <memory>
#include <string>

#include "bench/ann/data.h"

namespace vexfs::bench {

struct SetOptions {
  std::string keep = {};  // folder; empty: nothing is kept
  std::string texts = "/usr/share";
  std::string metric = {};  // empty: the set's own
  std::uint32_t questions = 1000;
  std::uint64_t seed = 1;
};

// With the exact k nearest of each question. Null: no such set.
std::unique_ptr<DataSet> make_set(const std::string& name, std::uint32_t k,
                                  const SetOptions& options);

// Unit rows of kLocalDimension floats: the chunks of the texts below `folder`, at most `rows_max`,
// spread over all of them.
std::vector<float> text_rows(const std::string& folder, std::size_t rows_max);

}  // namespace vexfs::bench
