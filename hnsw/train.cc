// SPDX-License-Identifier: Apache-2.0
// Training: which quantiser the codes come from, and when it is time for another.
//
// The first row makes the first quantiser, so there is no state without codes. It is trained
// again at 16, 64, 256, … nodes until the sample is as large as it gets, and later when the rows
// that come fit badly: many components beyond the range, or a spread unlike the one it knew.
#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "base/metrics.h"
#include "hnsw/graph_impl.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kSampleRowsMax = 4096;
constexpr std::uint32_t kFirstRetraining = 16;
constexpr std::uint32_t kGrowth = 4;
constexpr std::uint64_t kDriftRowsMin = 1024;  // fewer rows say nothing
constexpr std::uint32_t kDriftRowsOneIn = 8;   // of all nodes: encoding all again must pay
constexpr double kClippedMost = 0.01;
// Of fewer components, spread over 128, the nibbles' errors are not independent.
constexpr std::uint32_t kCoarseDimensionMin = 96;
constexpr double kSpreadRatioMost = 2.5;

}  // namespace

Graph::Impl::Impl(const Rows& rows, GraphOptions options)
    : rows_(rows), options_(options), nodes_(options.m) {
  VEXFS_ASSERT(options.m >= 2 && 2 * options.m <= kLinksMax && options.ef_construction >= 1);
}

CodedGraph Graph::Impl::coded(const CodeSet& codes) const {
  return {.components = codes.quantiser().code_bytes(),
          .coarse = codes.coarse(),
          .fine = codes.fine(),
          .walks_fine = rows_.dimension() < kCoarseDimensionMin,
          .has_extra = codes.quantiser().has_extra(),
          .lists = nodes_.lists0(),
          .links_max = nodes_.links_max(0),
          .upper_lists = nodes_.upper_lists(),
          .upper_links_max = nodes_.links_max(1),
          .slots_end = nodes_.slots_end()};
}

std::size_t Graph::Impl::memory_bytes() const {
  const std::shared_ptr<const CodeSet> now = codes();
  const std::size_t code = now != nullptr ? now->bytes_a_slot() : 0;
  return nodes_.memory_bytes() + nodes_.slots_end() * code;
}

std::shared_ptr<CodeSet> Graph::Impl::codes() const {
  Lock lock(codes_mutex_);
  return codes_;
}

void Graph::Impl::set_codes(std::shared_ptr<CodeSet> codes) {
  std::erase_if(codes_before_, [](const auto& before) { return before.expired(); });
  Lock lock(codes_mutex_);
  if (codes_ != nullptr) codes_before_.push_back(codes_);
  codes_ = std::move(codes);
}

bool Graph::Impl::is_training_due(Slot next) const {
  const std::uint32_t nodes = live(), trained_at = trained_at_.load(std::memory_order_relaxed);
  if (trained_at == 0) return true;
  if (nodes >= kFirstRetraining && trained_at < kGrowth * kSampleRowsMax &&
      nodes >= kGrowth * std::max(trained_at, kFirstRetraining / kGrowth))
    return true;
  const std::shared_ptr<const CodeSet> now = codes();
  return !now->quantiser().takes({rows_.row(next), rows_.dimension()}) || has_drifted(*now);
}

bool Graph::Impl::has_drifted(const CodeSet& codes) const {
  const CodeSet::Drift drift = codes.drift();
  if (drift.rows < kDriftRowsMin || drift.rows < live() / kDriftRowsOneIn) return false;
  return drift.clipped > kClippedMost || drift.spread > kSpreadRatioMost * codes.spread_trained() ||
         drift.spread < codes.spread_trained() / kSpreadRatioMost;
}

float Graph::Impl::norm_of(Slot slot) const {
  const std::span row(rows_.row(slot), rows_.dimension());
  return std::sqrt(std::max(-distance(Metric::ip, row, row), 0.0f));
}

// Inserts and erases wait meanwhile; searches go on with the codes they have.
Result<> Graph::Impl::train(Slot next) {
  static Histogram& took =
      metrics::histogram("vexfs_graph_train_seconds", "Quantisers trained, all rows encoded");
  WriteLock gate(gate_);
  if (!is_training_due(next)) return {};  // another insert was first
  const bool drifted = trained_at_.load() != 0 && has_drifted(*codes());
  Timed timed(took);
  std::vector<Slot> slots;
  for (Slot slot = 0; slot < nodes_.slots_end(); ++slot)
    if (nodes_.is_live(slot)) slots.push_back(slot);
  if (slots.empty()) slots.push_back(next);
  const std::size_t count = std::min<std::size_t>(slots.size(), kSampleRowsMax);
  std::vector<const float*> sample;
  for (std::size_t i = 0; i < count; ++i)
    sample.push_back(rows_.row(slots[i * slots.size() / count]));
  float longest = 0;
  if (options_.metric == Metric::ip) {
    longest = norm_of(next);
    for (Slot slot : slots) longest = std::max(longest, norm_of(slot));
  }
  auto trained = std::make_shared<CodeSet>(
      Quantiser::train(options_.metric, rows_.dimension(), sample, longest));
  VEXFS_CHECK(encode_all(*trained));
  trained_at_.store(std::max(1u, live()), std::memory_order_relaxed);
  set_codes(std::move(trained));
  if (drifted)
    log(Level::info, "hnsw", "codes trained again, rows had drifted",
        {{"rows", live()}, {"sample", count}});
  return {};
}

Result<> Graph::Impl::encode_all(CodeSet& codes) const {
  for (Slot slot = 0; slot < nodes_.slots_end(); ++slot) {
    if (nodes_.state(slot) == NodeState::absent) continue;
    VEXFS_CHECK(codes.reserve(slot));
    codes.encode(slot, {rows_.row(slot), rows_.dimension()});
  }
  const CodeSet::Drift fit = codes.drift();
  codes.start_drift(fit.rows == 0 ? Quantiser::kSpreadTrained : fit.spread);
  return {};
}

}  // namespace vexfs
