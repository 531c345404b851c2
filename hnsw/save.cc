// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "base/hash.h"
#include "base/metrics.h"
#include "hnsw/graph_format.h"
#include "hnsw/graph_impl.h"

namespace vexfs {

namespace {

void append(std::string& to, Bytes bytes) {
  to.append(as_text(bytes));
}

void append_node(std::string& body, const NodeTable& nodes, Slot slot) {
  const NodeState state = nodes.state(slot);
  body.push_back(static_cast<char>(state));
  if (state == NodeState::absent) return;
  const unsigned level = nodes.level(slot);
  body.push_back(static_cast<char>(level));
  for (unsigned l = 0; l <= level; ++l) {
    const LinkList list = nodes.links(slot, l);
    body.push_back(static_cast<char>(list.size()));
    for_each_link(list, [&](Link link) { append(body, bytes_of(le32(link))); });
  }
}

std::string piece_of(PieceHeader header, std::string_view body) {
  std::string table;
  for (std::size_t at = 0; at < body.size(); at += kChecksumSpan)
    append(table, bytes_of(le64(hash64(as_bytes(body.substr(at, kChecksumSpan))))));
  header.body_bytes = body.size();
  header.table_checksum = hash64(as_bytes(table));
  header.header_checksum = hash64(bytes_of(header).first(offsetof(PieceHeader, header_checksum)));
  std::string piece;
  piece.reserve(sizeof header + table.size() + body.size());
  append(piece, bytes_of(header));
  piece += table;
  piece += body;
  return piece;
}

}  // namespace

Result<> Graph::Impl::save(WritePiece write) const {
  static Histogram& took = metrics::histogram("vexfs_graph_save_seconds", "Graphs saved");
  Timed timed(took);
  WriteLock gate(gate_);
  PieceHeader header{};
  header.magic = kPieceMagic;
  header.version = kGraphVersion;
  header.dimension = rows_.dimension();
  header.metric = static_cast<std::uint32_t>(options_.metric);
  header.m = options_.m;
  header.ef_construction = options_.ef_construction;
  header.seed = options_.seed;
  header.edits = edits_.load(std::memory_order_relaxed);
  header.entry = entry_.load(std::memory_order_relaxed).slot;
  {
    Lock lock(edit_);
    header.root = root_;
  }
  const std::uint32_t slots_end = nodes_.slots_end();
  header.slots_end = slots_end;
  const std::uint32_t pieces = std::max(1u, (slots_end + kPieceSlots - 1) / kPieceSlots);
  header.pieces = pieces;
  std::string body;
  for (std::uint32_t piece = 0; piece < pieces; ++piece) {
    header.piece = piece;
    body = piece == 0 && codes() != nullptr ? codes()->quantiser().encoded() : std::string();
    header.quantiser_bytes = static_cast<std::uint32_t>(body.size());
    const Slot end = std::min(slots_end, (piece + 1) * kPieceSlots);
    for (Slot slot = piece * kPieceSlots; slot < end; ++slot) append_node(body, nodes_, slot);
    VEXFS_CHECK(write(piece, as_bytes(piece_of(header, body))));
  }
  return {};
}

}  // namespace vexfs
