// SPDX-License-Identifier: Apache-2.0
#include "hnsw/graph.h"

#include <algorithm>

#include "base/assert.h"
#include "base/metrics.h"
#include "hnsw/graph_impl.h"
#include "vector/float_mode.h"

namespace vexfs {

Graph::Impl::Impl(const Rows& rows, GraphOptions options)
    : rows_(rows), options_(options), nodes_(options.m), linker_(nodes_, rows, options.metric) {}

std::vector<Neighbour> Graph::Impl::search(std::span<const float> query, std::uint32_t k,
                                           std::uint32_t ef, Accept accept,
                                           SearchStats* stats) const {
  static Histogram& took = metrics::histogram("vexfs_graph_search_seconds", "Searches of a graph");
  static Counter& distance_count =
      metrics::counter("vexfs_graph_distances_total", "Distances computed by searches");
  static Counter& hop_count =
      metrics::counter("vexfs_graph_hops_total", "Nodes whose links searches followed");
  Timed timed(took);
  FlushDenormals flush;
  VEXFS_ASSERT(query.size() == rows_.dimension());
  const Entry entry = entry_.load(std::memory_order_acquire);
  if (entry.slot == kNoSlot || k == 0) return {};
  const ScratchPool::Lease scratch = scratch_.take();
  Walk walk(nodes_, rows_, options_.metric, query, *scratch);
  Slot from = entry.slot;
  if (entry.level > 0) from = walk.descend(from, entry.level, 1).slot;
  walk.beam(from, 0, std::max(k, ef),
            [&](Slot slot) { return nodes_.is_live(slot) && accept(slot); });
  distance_count.add(scratch->stats.distances);
  hop_count.add(scratch->stats.hops);
  if (stats != nullptr) *stats = scratch->stats;
  const std::size_t count = std::min<std::size_t>(k, scratch->found.size());
  return {scratch->found.begin(), scratch->found.begin() + static_cast<std::ptrdiff_t>(count)};
}

Graph::Graph(const Rows& rows, GraphOptions options)
    : impl_(std::make_unique<Impl>(rows, options)) {}

Graph::~Graph() = default;

Result<> Graph::insert(Slot slot) {
  return impl_->insert(slot);
}
void Graph::erase(Slot slot) {
  impl_->erase(slot);
}
bool Graph::contains(Slot slot) const {
  return impl_->contains(slot);
}
std::uint32_t Graph::live() const {
  return impl_->live();
}
std::vector<Neighbour> Graph::search(std::span<const float> query, std::uint32_t k,
                                     std::uint32_t ef, Accept accept, SearchStats* stats) const {
  return impl_->search(query, k, ef, accept, stats);
}
Result<> Graph::save(WritePiece write) const {
  return impl_->save(write);
}
Result<> Graph::load(ReadPiece read) {
  return impl_->load(read);
}

}  // namespace vexfs
