// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <thread>

#include "base/assert.h"
#include "bench/ann/engine.h"
#include "hnsw/graph.h"

namespace vexfs::bench {

namespace {

class GraphEngine : public AnnEngine {
 public:
  std::string name() const override { return "vexfs"; }
  void build(const DataSet& data, BuildOptions options) override {
    rows_ = &data.rows;
    graph_ = std::make_unique<Graph>(
        data.rows,
        GraphOptions{
            .metric = data.metric, .m = options.m, .ef_construction = options.ef_construction});
    std::atomic<Slot> next = 0;
    const auto work = [&] {
      for (Slot slot; (slot = next.fetch_add(1)) < data.rows.size();)
        VEXFS_ASSERT(graph_->insert(slot));
    };
    std::vector<std::thread> threads;
    for (std::uint32_t t = 1; t < options.threads; ++t) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();
  }
  std::size_t search(std::span<const float> query, std::uint32_t ef, std::span<Slot> answer,
                     Graph::Accept accept) override {
    const auto k = static_cast<std::uint32_t>(answer.size());
    const auto found = graph_->search(query, k, ef, accept);
    std::ranges::transform(found, answer.begin(), &Neighbour::slot);
    return found.size();
  }
  std::uint64_t disk_bytes() override {
    std::uint64_t bytes = std::uint64_t{rows_->size()} * rows_->dimension() * sizeof(float);
    VEXFS_ASSERT(graph_->save([&](std::uint32_t, Bytes piece) -> Result<> {
      bytes += piece.size();
      return {};
    }));
    return bytes;
  }

 private:
  const Rows* rows_ = nullptr;
  std::unique_ptr<Graph> graph_;
};

}  // namespace

std::unique_ptr<AnnEngine> make_graph_engine() {
  return std::make_unique<GraphEngine>();
}

}  // namespace vexfs::bench
