// SPDX-License-Identifier: Apache-2.0
// Search: a beam over the coarse plane of the codes; both planes of what it found; then the float
// rows of the nearest few.
//
// How many go from stage to stage follows from the size of the codes' error: the walk over what
// the stage before answered, nearest first, ends where nothing so far away can be near enough.
// A filter that refuses many makes the beam wider in proportion, up to where a scan of the rows
// that pass costs less; so k are answered whenever k pass. Dead nodes count as refused. A query
// that does not fit the codes walks over the rows themselves: slower, never a worse answer.
#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "base/metrics.h"
#include "hnsw/graph_impl.h"
#include "hnsw/walk.h"
#include "vector/distance.h"
#include "vector/float_mode.h"

namespace vexfs {

namespace {

// Part of a query's components that may lie beyond the codes' range.
constexpr std::uint32_t kClippedOneIn = 25;
// With fewer passing than this part of those looked at, a beam was too narrow.
constexpr double kPassingEnough = 0.8;
constexpr std::size_t kRefineBatch = 4, kShortlistBatch = 8;
constexpr std::uint32_t kFilterSample = 256;
// What the choice between a wider beam and a scan goes by; measured at 128 components.
constexpr double kBeamStepNs = 150, kPoolMoveNs = 0.15, kFilterNs = 8, kRowNs = 60;

}  // namespace

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
  const std::shared_ptr<const CodeSet> in_force = codes();
  const ScratchPool::Lease scratch = scratch_.take();
  std::vector<Neighbour> found =
      search_codes(*in_force, entry, query, k, std::max(k, ef), accept, *scratch);
  const SearchStats all{.distances = scratch->stats.distances + scratch->beam.distances,
                        .hops = scratch->stats.hops + scratch->beam.hops};
  distance_count.add(all.distances);
  hop_count.add(all.hops);
  if (stats != nullptr) *stats = all;
  return found;
}

std::vector<Neighbour> Graph::Impl::search_codes(const CodeSet& codes, Entry entry,
                                                 std::span<const float> query, std::uint32_t k,
                                                 std::uint32_t ef, Accept accept,
                                                 Scratch& scratch) const {
  static Counter& unfit =
      metrics::counter("vexfs_graph_unfit_queries_total", "Queries outside the range of the codes");
  static Counter& widened = metrics::counter("vexfs_graph_widened_beams_total",
                                             "Beams repeated wider because a filter refused many");
  static Counter& scanned =
      metrics::counter("vexfs_graph_exact_scans_total",
                       "Searches whose filter passes so few that a scan is cheaper");
  const Quantiser& quantiser = codes.quantiser();
  const std::span code = scratch.cell_of(quantiser.cell_bytes());
  const Quantiser::Question question = quantiser.encode_question(query, code);
  if (question.fit.clipped * kClippedOneIn > quantiser.code_bytes()) {
    unfit.add();
    return search_rows(entry, query, k, ef, accept, scratch);
  }
  const CodedGraph graph = coded(codes);
  Slot from = entry.slot;
  if (entry.level > 0) from = descend(graph, code.data(), from, entry.level, 1, scratch.beam);
  for (std::uint32_t width = ef;;) {
    beam(graph, code.data(), from, 0, width, scratch.beam, scratch.near);
    Looked looked;
    if (graph.walks_fine) {
      std::swap(scratch.shortlist, scratch.near);
    } else {
      looked = make_shortlist(graph, code.data(), quantiser, k, accept, scratch);
    }
    std::vector<Neighbour> nearest = refine(query, question, quantiser, k, scratch, [&](Slot slot) {
      if (!graph.walks_fine) return true;  // asked already
      const bool passes = nodes_.is_live(slot) && accept(slot);
      ++looked.at;
      looked.refused += !passes;
      return passes;
    });
    const double passing = (looked.at - looked.refused + 1.0) / (looked.at + 1.0);
    const auto wanted = static_cast<std::uint32_t>(std::min(ef / passing, 4e9));
    if (passing >= kPassingEnough || (width > ef && wanted <= 2 * width))
      if (nearest.size() == k || width >= live()) return nearest;
    const std::uint32_t next = std::max(wanted, 2 * width);
    if (next >= graph.slots_end || is_scan_cheaper(accept, next)) break;
    widened.add();
    width = next;
  }
  scanned.add();
  return exact_search(rows_, options_.metric, query, k,
                      [&](Slot slot) { return nodes_.is_live(slot) && accept(slot); });
}

// Part of the slots that a filter takes, by a sample spread over all of them.
double Graph::Impl::passing_anywhere(Accept accept) const {
  const std::uint32_t end = nodes_.slots_end(), count = std::min(end, kFilterSample);
  std::uint32_t passing = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    // By the golden ratio: even, and in step with no pattern that a filter may have.
    const auto slot = static_cast<Slot>((std::uint64_t{i * 0x9e3779b1u} * end) >> 32);
    passing += nodes_.is_live(slot) && accept(slot);
  }
  // One more than was seen: a sample without any does not prove that there is none.
  return (passing + 1.0) / count;
}

// A beam's cost grows with its width, and once more with moving the entries of its pool; the
// scan asks the filter for every slot and measures the rows that pass.
bool Graph::Impl::is_scan_cheaper(Accept accept, std::uint32_t width) const {
  const double beam_ns = width * (kBeamStepNs + kPoolMoveNs * width);
  const double scan_ns = nodes_.slots_end() * (kFilterNs + kRowNs * passing_anywhere(accept));
  return scan_ns < beam_ns;
}

// Those of the beam's answer that pass and may, by the coarse plane's error, be among the k
// nearest by both planes: with those distances, nearest first.
Graph::Impl::Looked Graph::Impl::make_shortlist(const CodedGraph& graph, const std::uint8_t* code,
                                                const Quantiser& quantiser, std::uint32_t k,
                                                Accept accept, Scratch& scratch) const {
  Looked looked;
  std::vector<CodeNeighbour>& list = scratch.shortlist;
  std::vector<std::uint32_t>& best = scratch.best;  // a heap, the k-th on top
  list.clear();
  best.clear();
  float limit = std::numeric_limits<float>::infinity();
  for (std::size_t next = 0; next < scratch.near.size();) {
    const std::size_t begin = list.size();
    const std::size_t batch = best.size() < k ? k - best.size() : kShortlistBatch;
    for (; next < scratch.near.size() && list.size() - begin < batch; ++next) {
      if (static_cast<float>(scratch.near[next].distance) > limit) {
        next = scratch.near.size();
        break;
      }
      const Slot slot = scratch.near[next].slot();
      ++looked.at;
      if (nodes_.is_live(slot) && accept(slot))
        list.push_back(scratch.near[next]);
      else
        ++looked.refused;
    }
    measure(graph, code, std::span(list).subspan(begin), scratch.beam);
    for (std::size_t i = begin; i < list.size(); ++i) {
      if (best.size() == k && list[i].distance >= best.front()) continue;
      if (best.size() == k) {
        std::ranges::pop_heap(best);
        best.pop_back();
      }
      best.push_back(list[i].distance);
      std::ranges::push_heap(best);
    }
    if (best.size() == k) limit = quantiser.coarse_distance_limit(static_cast<float>(best.front()));
  }
  std::ranges::sort(list, {}, &CodeNeighbour::distance);
  return looked;
}

// The k nearest of the shortlist's rows that `accept` takes, by their floats.
std::vector<Neighbour> Graph::Impl::refine(std::span<const float> query,
                                           const Quantiser::Question& question,
                                           const Quantiser& quantiser, std::uint32_t k,
                                           Scratch& scratch, Accept accept) const {
  std::vector<Neighbour> nearest;
  nearest.reserve(k + 1);
  std::size_t next = 0;
  for (bool enough = false; !enough;) {
    scratch.slots.clear();
    scratch.rows.clear();
    // The first batch is k rows, for before that there is no limit.
    const std::size_t batch = nearest.size() < k ? k - nearest.size() : kRefineBatch;
    float limit = 0;
    if (nearest.size() == k)
      limit =
          quantiser.code_distance_limit(question.base + question.scale * nearest.back().distance);
    while (scratch.slots.size() < batch) {
      if (next == scratch.shortlist.size() ||
          (nearest.size() == k && static_cast<float>(scratch.shortlist[next].distance) > limit)) {
        enough = true;
        break;
      }
      const Slot slot = scratch.shortlist[next++].slot();
      if (!accept(slot)) continue;
      scratch.slots.push_back(slot);
      scratch.rows.push_back(rows_.row(slot));
    }
    scratch.distances.resize(scratch.slots.size());
    distances(options_.metric, query, scratch.rows, scratch.distances);
    scratch.stats.distances += scratch.slots.size();
    for (std::size_t i = 0; i < scratch.slots.size(); ++i) {
      const Neighbour seen{.distance = scratch.distances[i], .slot = scratch.slots[i]};
      if (nearest.size() == k && seen >= nearest.back()) continue;
      if (nearest.size() == k) nearest.pop_back();
      nearest.insert(std::ranges::upper_bound(nearest, seen), seen);
    }
  }
  return nearest;
}

std::vector<Neighbour> Graph::Impl::search_rows(Entry entry, std::span<const float> query,
                                                std::uint32_t k, std::uint32_t ef, Accept accept,
                                                Scratch& scratch) const {
  Walk walk(nodes_, rows_, options_.metric, query, scratch);
  Slot from = entry.slot;
  if (entry.level > 0) from = walk.descend(from, entry.level, 1).slot;
  walk.beam(from, 0, ef, [&](Slot slot) { return nodes_.is_live(slot) && accept(slot); });
  const std::size_t count = std::min<std::size_t>(k, scratch.found.size());
  return {scratch.found.begin(), scratch.found.begin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace vexfs
