// SPDX-License-Identifier: Apache-2.0
// Load: believes nothing. Checksums catch what the disk did; then every number is held to the
// options, the rows and the other nodes, so that no walk can leave the graph.
#include <cstring>
#include <optional>

#include "base/hash.h"
#include "base/metrics.h"
#include "hnsw/graph_format.h"
#include "hnsw/graph_impl.h"
#include "hnsw/level.h"

namespace vexfs {

namespace {

std::unexpected<Error> damaged() {
  return fail(EUCLEAN, "hnsw: a piece of a graph does not check");
}

// Takes numbers off the front of a body; too few bytes set failed().
class BodyReader {
 public:
  explicit BodyReader(Bytes body) : rest_(body) {}
  std::uint8_t u8() {
    const Bytes one = take(1);
    return one.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(one[0]);
  }
  std::uint32_t u32() {
    le32 value;
    if (const Bytes four = take(sizeof value); !four.empty())
      std::memcpy(&value, four.data(), sizeof value);
    return value;
  }
  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

 private:
  Bytes take(std::size_t bytes) {
    if (failed_ || rest_.size() < bytes) {
      failed_ = true;
      return {};
    }
    const Bytes taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }
  Bytes rest_;
  bool failed_ = false;
};

Result<PieceHeader> header_of(Bytes piece) {
  PieceHeader header;
  if (piece.size() < sizeof header) return damaged();
  std::memcpy(&header, piece.data(), sizeof header);
  const Bytes covered = piece.first(offsetof(PieceHeader, header_checksum));
  if (header.magic != kPieceMagic || header.header_checksum != hash64(covered)) return damaged();
  if (header.version != kGraphVersion || header.reserved != 0) return damaged();
  return header;
}

// The body, once header, table and every MiB have checked.
Result<Bytes> body_of(Bytes piece, const PieceHeader& header) {
  const Bytes rest = piece.subspan(sizeof header);
  if (header.body_bytes > rest.size()) return damaged();
  const std::size_t table_bytes = spans_of(header.body_bytes) * sizeof(le64);
  if (rest.size() != table_bytes + header.body_bytes) return damaged();
  const Bytes table = rest.first(table_bytes);
  if (hash64(table) != header.table_checksum) return damaged();
  const Bytes body = rest.subspan(table_bytes);
  for (std::size_t i = 0; i * kChecksumSpan < body.size(); ++i) {
    le64 checksum;
    std::memcpy(&checksum, table.data() + i * sizeof checksum, sizeof checksum);
    const std::size_t at = i * kChecksumSpan;
    if (hash64(body.subspan(at, std::min(kChecksumSpan, body.size() - at))) != checksum)
      return damaged();
  }
  return body;
}

// One node into the table; ENOMEM or EUCLEAN. Says whether it is live.
Result<bool> load_node(BodyReader& body, NodeTable& nodes, Slot slot, std::uint32_t slots_end) {
  const std::uint8_t raw_state = body.u8();
  if (raw_state == static_cast<std::uint8_t>(NodeState::absent)) return false;
  const bool is_live = raw_state == static_cast<std::uint8_t>(NodeState::live);
  if (!is_live && raw_state != static_cast<std::uint8_t>(NodeState::dead)) return damaged();
  const unsigned level = body.u8();
  if (level > kLevelMax) return damaged();
  VEXFS_CHECK(nodes.add(slot, level));
  for (unsigned l = 0; l <= level; ++l) {
    const LinkList list = nodes.links(slot, l);
    const std::uint32_t count = body.u8();
    if (count > list.capacity()) return damaged();
    for (std::uint32_t i = 0; i < count; ++i) {
      const Link link = body.u32();
      const Slot to = slot_of(link);
      if (body.failed() || to >= slots_end || to == slot) return damaged();
      if (is_tree_link(link) && (l != 0 || (link & kTreeBits) == kTreeBits)) return damaged();
      list.store(i, link);
    }
  }
  nodes.set_state(slot, static_cast<NodeState>(raw_state));
  return is_live;
}

// Every link leads to a node that has a list on that level.
bool links_lead_to_nodes(const NodeTable& nodes, std::uint32_t slots_end) {
  bool good = true;
  for (Slot slot = 0; slot < slots_end; ++slot) {
    if (nodes.state(slot) == NodeState::absent) continue;
    for (unsigned l = 0; l <= nodes.level(slot); ++l)
      for_each_link(nodes.links(slot, l), [&](Link link) {
        const Slot to = slot_of(link);
        good = good && nodes.state(to) != NodeState::absent && nodes.level(to) >= l;
      });
  }
  return good;
}

}  // namespace

Result<> Graph::Impl::load(ReadPiece read) {
  static Histogram& took = metrics::histogram("vexfs_graph_load_seconds", "Graphs loaded");
  Timed timed(took);
  WriteLock gate(gate_);
  Lock lock(edit_);
  VEXFS_ASSERT(nodes_.slots_end() == 0);
  Result<> loaded = load_pieces(read);
  if (!loaded) {
    nodes_.clear();
    live_.store(0, std::memory_order_relaxed);
  }
  return loaded;
}

Result<> Graph::Impl::load_pieces(ReadPiece read) {
  std::optional<PieceHeader> first;
  std::shared_ptr<CodeSet> codes;
  std::uint32_t live = 0;
  for (std::uint32_t piece = 0; piece < (first ? std::uint32_t{first->pieces} : 1); ++piece) {
    VEXFS_TRY(const std::string bytes, read(piece));
    VEXFS_TRY(const PieceHeader header, header_of(as_bytes(bytes)));
    if (!first) first = header;
    const std::uint32_t slots_end = header.slots_end;
    if (header.piece != piece || header.edits != first->edits || header.pieces != first->pieces ||
        slots_end != first->slots_end || header.dimension != rows_.dimension() ||
        header.m != options_.m || header.metric != static_cast<std::uint32_t>(options_.metric) ||
        header.ef_construction != options_.ef_construction || header.seed != options_.seed ||
        slots_end > rows_.size() ||
        header.pieces != std::max(1u, (slots_end + kPieceSlots - 1) / kPieceSlots))
      return damaged();
    VEXFS_TRY(const Bytes content, body_of(as_bytes(bytes), header));
    const std::uint32_t quantiser_bytes = header.quantiser_bytes;
    if (quantiser_bytes > content.size() || (piece > 0 && quantiser_bytes > 0)) return damaged();
    if (quantiser_bytes > 0) {
      VEXFS_TRY(Quantiser quantiser, Quantiser::decode(options_.metric, rows_.dimension(),
                                                       as_text(content.first(quantiser_bytes))));
      codes = std::make_shared<CodeSet>(std::move(quantiser));
    }
    BodyReader body(content.subspan(quantiser_bytes));
    const Slot end = std::min(slots_end, (piece + 1) * kPieceSlots);
    for (Slot slot = piece * kPieceSlots; slot < end; ++slot) {
      VEXFS_TRY(const bool is_live, load_node(body, nodes_, slot, slots_end));
      live += is_live;
    }
    if (body.failed() || !body.at_end()) return damaged();
  }
  const Slot entry = first->entry, root = first->root;
  const bool is_empty = nodes_.slots_end() == 0;
  if (is_empty != (entry == kNoSlot) || is_empty != (root == kNoSlot)) return damaged();
  if (!is_empty &&
      (nodes_.state(entry) == NodeState::absent || nodes_.state(root) == NodeState::absent))
    return damaged();
  if (!links_lead_to_nodes(nodes_, first->slots_end)) return damaged();
  if (!is_empty) {
    if (codes == nullptr) return damaged();
    VEXFS_CHECK(encode_all(*codes));
    set_codes(std::move(codes));
    trained_at_.store(std::max(1u, live), std::memory_order_relaxed);
  }
  live_.store(live, std::memory_order_relaxed);
  edits_.store(first->edits, std::memory_order_relaxed);
  root_ = root;
  const unsigned level = is_empty ? 0 : nodes_.level(entry);
  entry_.store({.slot = entry, .level = level}, std::memory_order_release);
  return {};
}

}  // namespace vexfs
