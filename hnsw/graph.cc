// SPDX-License-Identifier: Apache-2.0
#include "hnsw/graph.h"

#include "hnsw/graph_impl.h"

namespace vexfs {

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
std::size_t Graph::memory_bytes() const {
  return impl_->memory_bytes();
}
std::vector<Neighbour> Graph::search(std::span<const float> query, std::uint32_t k,
                                     std::uint32_t ef, Accept accept, SearchStats* stats) const {
  return impl_->search(query, k, ef, accept, stats);
}
double Graph::sample_recall(std::uint32_t questions, std::uint32_t k, std::uint32_t ef,
                            std::uint64_t seed) const {
  return impl_->sample_recall(questions, k, ef, seed);
}
Graph::Width Graph::width_for(double target, std::uint32_t questions, std::uint32_t k,
                              std::uint64_t seed) const {
  return impl_->width_for(target, questions, k, seed);
}
Result<> Graph::save(WritePiece write) const {
  return impl_->save(write);
}
Result<> Graph::load(ReadPiece read) {
  return impl_->load(read);
}

}  // namespace vexfs
