// SPDX-License-Identifier: Apache-2.0
#include "storage/transaction.h"

#include "base/assert.h"
#include "base/key.h"
#include "storage/transaction_format.h"

namespace vexfs {

using Kind = TransactionReader::Kind;

namespace {

void append(std::vector<std::byte>& log, Bytes bytes) {
  log.insert(log.end(), bytes.begin(), bytes.end());
}

void append_extent(std::vector<std::byte>& log, Kind kind, Extent extent) {
  append(log, bytes_of(ExtentRecord{.kind = static_cast<std::uint8_t>(kind),
                                    .reserved = {},
                                    .blocks = extent.blocks,
                                    .first = static_cast<std::uint64_t>(extent.first),
                                    .birth = extent.birth}));
}

}  // namespace

void Transaction::put(Tree tree, Bytes key, Bytes value) {
  VEXFS_ASSERT(!key.empty() && key.size() <= kKeyBytesMax && value.size() <= kValueBytesMax);
  append(log_, bytes_of(PairRecord{.kind = static_cast<std::uint8_t>(Kind::put),
                                   .tree = static_cast<std::uint8_t>(tree),
                                   .key_bytes = static_cast<std::uint16_t>(key.size()),
                                   .value_bytes = static_cast<std::uint16_t>(value.size())}));
  append(log_, key);
  append(log_, value);
  ++records_;
}

void Transaction::erase(Tree tree, Bytes key) {
  VEXFS_ASSERT(!key.empty() && key.size() <= kKeyBytesMax);
  append(log_, bytes_of(PairRecord{.kind = static_cast<std::uint8_t>(Kind::erase),
                                   .tree = static_cast<std::uint8_t>(tree),
                                   .key_bytes = static_cast<std::uint16_t>(key.size()),
                                   .value_bytes = std::uint16_t{0}}));
  append(log_, key);
  ++records_;
}

void Transaction::adopt(Extent extent) {
  append_extent(log_, Kind::adopt, extent);
  ++records_;
}

void Transaction::free(Extent extent) {
  append_extent(log_, Kind::free, extent);
  ++records_;
}

void Transaction::clear() {
  log_.clear();
  records_ = 0;
}

bool TransactionReader::next(Record& record) {
  if (rest_.empty() || failed_) return false;
  const auto take = [&](auto& format) {
    if (rest_.size() < sizeof format) return false;
    std::memcpy(&format, rest_.data(), sizeof format);
    rest_ = rest_.subspan(sizeof format);
    return true;
  };
  failed_ = true;
  record = {};
  record.kind = static_cast<Kind>(rest_.front());
  if (record.kind == Kind::put || record.kind == Kind::erase) {
    PairRecord pair;
    if (!take(pair)) return false;
    const std::size_t key_bytes = pair.key_bytes, value_bytes = pair.value_bytes;
    if (pair.tree >= kTreeCount || key_bytes == 0 || key_bytes > kKeyBytesMax) return false;
    if (value_bytes > kValueBytesMax || rest_.size() < key_bytes + value_bytes) return false;
    if (record.kind == Kind::erase && value_bytes != 0) return false;
    record.tree = static_cast<Tree>(pair.tree);
    record.key = rest_.first(key_bytes);
    record.value = rest_.subspan(key_bytes, value_bytes);
    rest_ = rest_.subspan(key_bytes + value_bytes);
  } else if (record.kind == Kind::adopt || record.kind == Kind::free) {
    ExtentRecord extent;
    if (!take(extent)) return false;
    if (extent.blocks == 0 || extent.reserved != std::array<std::uint8_t, 3>{}) return false;
    const std::uint64_t first = extent.first;
    record.extent = {.first = BlockNo{first}, .blocks = extent.blocks, .birth = extent.birth};
  } else {
    return false;
  }
  failed_ = false;
  return true;
}

}  // namespace vexfs
