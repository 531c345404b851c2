// SPDX-License-Identifier: Apache-2.0
#include "storage/check_data.h"

#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/text.h"

namespace vexfs {

void DataCheck::add(BlockReference reference, std::string where) {
  {
    Lock lock(mutex_);
    while (in_flight_ == kInFlight) wake_.wait(mutex_);
    ++in_flight_;
  }
  workers_.submit([this, reference = std::move(reference), where = std::move(where)] {
    if (!meter_.cancelled()) look_at(reference, where);
    Lock lock(mutex_);
    --in_flight_;
    wake_.notify_all();
  });
}

void DataCheck::finish() {
  Lock lock(mutex_);
  while (in_flight_ > 0) wake_.wait(mutex_);
}

void DataCheck::look_at(const BlockReference& reference, const std::string& where) {
  const Extent extent = reference.extent;
  const auto first = static_cast<std::uint64_t>(extent.first);
  const Buffer buffer = Buffer::take(std::size_t{extent.blocks} * kBlockBytes);
  const auto find = [&](const char* code, std::uint64_t block, const char* what) {
    report_.add({.code = code,
                 .severity = Severity::error,
                 .where = where,
                 .sentence = format("block {} of the volume {}", block, what)});
  };
  const bool whole = device_.read(first * kBlockBytes, buffer.bytes()).has_value();
  const bool one_check = reference.checks.size() == 1;
  const std::size_t step = one_check ? buffer.size() : kBlockBytes;
  for (std::size_t i = 0; i < reference.checks.size(); ++i) {
    const MutableBytes part = buffer.bytes().subspan(i * step, step);
    if (!whole && !device_.read(first * kBlockBytes + i * step, part))
      find("data-unreadable", first + i, "cannot be read");
    else if (hash64(part) != reference.checks[i])
      find("data-checksum", first + i, "does not hold what was written there");
  }
  blocks_ += extent.blocks;
  meter_.add(extent.blocks);
}

}  // namespace vexfs
