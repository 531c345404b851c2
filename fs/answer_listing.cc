// SPDX-License-Identifier: Apache-2.0
#include "fs/answer_listing.h"

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/text.h"
#include "fs/types.h"

namespace vexfs {

namespace {

constexpr std::uint64_t kHoldNs = 60'000'000'000;

// At most `bytes` of `text`, not ending inside a UTF-8 sequence.
std::string_view cut(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

int digits_of(std::size_t count) {
  int digits = 3;
  for (std::size_t limit = 1000; count >= limit; limit *= 10) ++digits;
  return digits;
}

}  // namespace

std::string entry_name(std::size_t rank, int digits, float score, std::string_view path) {
  const std::string front = format("{:0{}}_{:.3f}_", rank, digits, score);
  std::string_view base = path.substr(path.rfind('/') + 1);  // npos + 1 is 0: the whole path
  if (base.empty()) base = ".";
  const std::size_t room = kNameBytesMax - front.size();
  if (base.size() <= room) return front + std::string(base);
  const std::size_t dot = base.rfind('.');
  std::string_view extension = dot == base.npos || dot == 0 ? "" : base.substr(dot);
  if (extension.size() > 16) extension = {};
  return front + std::string(cut(base, room - extension.size())) + std::string(extension);
}

AnswerListing make_listing(Answer answer) {
  AnswerListing listing;
  const int digits = digits_of(answer.hits.size());
  std::size_t rank = 0;
  for (const Hit& hit : answer.hits)
    listing.entries.push_back({.name = entry_name(++rank, digits, hit.score, hit.path),
                               .target = "../../../" + hit.path,
                               .ino = hit.ino,
                               .mtime = hit.mtime});
  const auto note = [&](std::string name) {
    listing.entries.push_back(
        {.name = std::move(name), .target = "../../status", .mtime = wall_clock()});
  };
  if (answer.hits.empty()) note("000_no-match");
  if (answer.pending > 0) note(format("000_{}-files-pending", answer.pending));
  listing.answer = std::move(answer);
  return listing;
}

const ListingEntry* AnswerListing::find(std::string_view name) const {
  std::size_t rank = 0;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), rank);
  if (failed == std::errc() && end == name.data() + name.size() && name.front() != '0')
    return rank <= answer.hits.size() ? &entries[rank - 1] : nullptr;
  const auto found = std::ranges::find(entries, name, &ListingEntry::name);
  return found == entries.end() ? nullptr : &*found;
}

void Listings::drop_old(std::uint64_t now_ns) {
  while (!held_.empty() && (held_.front().used_ns + kHoldNs < now_ns || held_.size() > kHeldMax))
    held_.pop_front();
}

Listings::Ref Listings::find(std::string_view key) {
  const std::uint64_t now = monotonic_ns();
  Lock lock(mutex_);
  drop_old(now);
  const auto found = std::ranges::find(held_, key, &Held::key);
  if (found == held_.end()) return nullptr;
  found->used_ns = now;
  held_.splice(held_.end(), held_, found);
  return found->listing;
}

void Listings::keep(std::string key, Ref listing) {
  const std::uint64_t now = monotonic_ns();
  Lock lock(mutex_);
  held_.remove_if([&](const Held& held) { return held.key == key; });
  held_.push_back({.key = std::move(key), .listing = std::move(listing), .used_ns = now});
  drop_old(now);
}

}  // namespace vexfs
