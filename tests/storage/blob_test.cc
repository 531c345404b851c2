// SPDX-License-Identifier: Apache-2.0
// Goal: a blob gives back what was written, at any offset, and never anything else.
// Method: random parts on a model volume, printed seed; each byte of the reference damaged;
// a volume that gives space in crumbs, runs full, or loses a write.
#include "storage/blob.h"

#include <doctest/doctest.h>

#include <random>

#include "storage/blob_format.h"
#include "tests/support/model_volume.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/blob");

namespace {

std::string random_text(std::mt19937_64& rng, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(rng());
  return text;
}

MutableBytes writable(std::string& text) {
  return std::as_writable_bytes(std::span(text));
}

// Records the extents that a transaction adopts or frees.
std::vector<Extent> extents_in(const Transaction& transaction, TransactionReader::Kind kind) {
  std::vector<Extent> found;
  TransactionReader reader(transaction);
  for (TransactionReader::Record record; reader.next(record);)
    if (record.kind == kind) found.push_back(record.extent);
  return found;
}

}  // namespace

TEST_CASE("a blob reads back at every offset, whatever its parts were") {
  const unsigned seed = 4;
  CAPTURE(seed);
  std::mt19937_64 rng(seed);
  ModelVolume volume;
  for (const std::size_t bytes : {0u, 1u, 4095u, 4096u, 4097u, 1u << 20, (3u << 20) + 5u}) {
    CAPTURE(bytes);
    const std::string text = random_text(rng, bytes);
    std::vector<Bytes> parts;
    for (Bytes rest = as_bytes(text); !rest.empty();) {
      const std::size_t n = rng() % (rest.size() + 1);
      parts.push_back(rest.first(n));  // empty ones too
      rest = rest.subspan(n);
    }
    Transaction transaction;
    const auto reference = write_blob(volume, transaction, parts);
    REQUIRE(reference);
    CHECK(reference->size() <= kValueBytesMax);
    CHECK(blob_bytes(as_bytes(*reference)) == bytes);
    const auto adopted = extents_in(transaction, TransactionReader::Kind::adopt);
    for (int i = 0; i < 20; ++i) {
      const std::size_t offset = rng() % (bytes + 1);
      std::string out(rng() % (bytes - offset + 1), '\0');
      REQUIRE(read_blob(volume, as_bytes(*reference), offset, writable(out)));
      CHECK(out == text.substr(offset, out.size()));
    }
    std::string past(2, '\0');
    CHECK(read_blob(volume, as_bytes(*reference), bytes, writable(past)).error().code == ERANGE);
    Transaction freeing;
    REQUIRE(free_blob(freeing, as_bytes(*reference)));
    CHECK(extents_in(freeing, TransactionReader::Kind::free) == adopted);
  }
}

TEST_CASE("a damaged reference is refused, byte by byte and at every length") {
  ModelVolume volume;
  Transaction transaction;
  const std::string text(9000, 'x');
  const Bytes part = as_bytes(text);
  const std::string good = write_blob(volume, transaction, std::span(&part, 1)).value();
  std::string out(9000, '\0');
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    const auto read = read_blob(volume, as_bytes(bad), 0, writable(out));
    CAPTURE(i);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == EUCLEAN);
  }
  for (std::size_t length = 0; length < good.size(); ++length)
    CHECK(blob_bytes(as_bytes(good).first(length)).error().code == EUCLEAN);
}

TEST_CASE("content that changed on the disk is refused") {
  ModelVolume volume;
  Transaction transaction;
  const std::string text(9000, 'x');
  const Bytes part = as_bytes(text);
  const std::string reference = write_blob(volume, transaction, std::span(&part, 1)).value();
  const auto adopted = extents_in(transaction, TransactionReader::Kind::adopt);
  const std::string lost(kBlockBytes, '\0');
  REQUIRE(volume.write_blocks(adopted.at(0).first, as_bytes(lost)));
  std::string out(1, '\0');
  CHECK(read_blob(volume, as_bytes(reference), 8999, writable(out)).error().code == EUCLEAN);
}

TEST_CASE("a full volume refuses a blob and keeps nothing of it") {
  ModelVolume volume(100);
  Transaction transaction;
  const std::string text(40 * kBlockBytes, 'x');
  const Bytes part = as_bytes(text);
  CHECK(write_blob(volume, transaction, std::span(&part, 1)).error().code == ENOSPC);
  CHECK(transaction.empty());
}

TEST_CASE("a blob over the limit is refused before anything is written") {
  ModelVolume volume;
  Transaction transaction;
  const std::string text(1 << 20, 'x');
  const std::vector<Bytes> parts(129, as_bytes(text));
  CHECK(write_blob(volume, transaction, parts).error().code == EFBIG);
  CHECK(volume.space().free == (1 << 20) - 64);
}

TEST_SUITE_END();
