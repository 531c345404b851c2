// SPDX-License-Identifier: Apache-2.0
// AnnEngine: what the bench asks of each engine, ours and the peers.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/ann/data.h"
#include "hnsw/graph.h"

namespace vexfs::bench {

struct BuildOptions {
  std::uint32_t m = 16, ef_construction = 200, threads = 1;
};

class AnnEngine {
 public:
  virtual ~AnnEngine() = default;
  virtual std::string name() const = 0;
  // Row by row, on one thread where the engine is not ours.
  virtual void build(const DataSet& data, BuildOptions options) = 0;
  // At most answer.size() nearest slots that `accept` takes (peers take all); how many.
  virtual std::size_t search(std::span<const float> query, std::uint32_t ef, std::span<Slot> answer,
                             Graph::Accept accept) = 0;
  // All that would be on disk, rows included.
  virtual std::uint64_t disk_bytes() = 0;
};

std::unique_ptr<AnnEngine> make_graph_engine();
#if defined(VEXFS_HAVE_HNSWLIB)
// Of Debian's libhnswlib-dev, compiled with -O3 -march=native. For cosine it is asked by inner
// product over the same normalised rows.
std::unique_ptr<AnnEngine> make_hnswlib_engine();
#endif
#if defined(VEXFS_HAVE_FAISS)
// Of Debian's libfaiss-dev, as Debian compiled it (for any x86-64). HNSWFlat and HNSWSQ8.
std::unique_ptr<AnnEngine> make_faiss_flat_engine();
std::unique_ptr<AnnEngine> make_faiss_sq8_engine();
#endif

}  // namespace vexfs::bench
