// SPDX-License-Identifier: Apache-2.0
// Goal: an answer reads well as a directory, whatever its paths look like.
#include "fs/answer_listing.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/text.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/answer_listing");

namespace {
Answer answer_of(std::initializer_list<std::string> paths) {
  Answer answer;
  float score = 1;
  for (const std::string& path : paths)
    answer.hits.push_back({.ino = Ino{2}, .path = path, .score = score -= .1f});
  return answer;
}
}  // namespace

TEST_CASE("hits are named by rank, score and basename and point out of the answer") {
  const AnswerListing listing = make_listing(answer_of({"ops/keys.md", "a.txt"}));
  REQUIRE(listing.entries.size() == 2);
  CHECK(listing.entries[0].name == "001_0.900_keys.md");
  CHECK(listing.entries[0].target == "../../../ops/keys.md");
  CHECK(listing.entries[1].name == "002_0.800_a.txt");
  CHECK(listing.find("002_0.800_a.txt") == &listing.entries[1]);
  CHECK(listing.find("1") == &listing.entries[0]);
  CHECK(listing.find("2") == &listing.entries[1]);
  for (const char* absent : {"0", "3", "01", "", "x", "99999999999999999999999", "001"})
    CHECK(listing.find(absent) == nullptr);
}

TEST_CASE("no match and pending work look different") {
  Answer nothing;
  CHECK(make_listing(nothing).entries[0].name == "000_no-match");
  CHECK(make_listing(nothing).entries.size() == 1);
  nothing.pending = 37;
  const AnswerListing pending = make_listing(nothing);
  REQUIRE(pending.entries.size() == 2);
  CHECK(pending.entries[1].name == "000_37-files-pending");
  CHECK(pending.entries[1].target == "../../status");
  Answer some = answer_of({"a"});
  some.pending = 1;
  CHECK(make_listing(some).entries.size() == 2);
}

TEST_CASE("a long name is cut between characters and keeps its extension") {
  for (std::size_t length = 200; length <= 255; ++length) {
    std::string name;
    while (name.size() + 3 <= length) name += "\xE2\x82\xAC";  // the euro sign, three bytes
    name += ".tar.gz";
    const std::string entry = entry_name(1, 3, .5f, "dir/" + name);
    CAPTURE(length);
    CHECK(entry.size() <= 255);
    CHECK(entry.ends_with(".gz"));
    // No character was cut: the bytes of euro signs are whole threes.
    CHECK(std::ranges::count_if(entry, [](char c) { return c < 0; }) % 3 == 0);
  }
  CHECK(entry_name(1, 3, .5f, std::string(255, 'x')).size() == 255);
  CHECK(entry_name(1, 3, .5f, ".bashrc") == "001_0.500_.bashrc");
}

TEST_CASE("a thousand hits sort by name as they rank") {
  Answer answer;
  for (int i = 0; i < 1200; ++i) answer.hits.push_back({.ino = Ino{2}, .path = format("f{}", i)});
  const AnswerListing listing = make_listing(answer);
  for (std::size_t i = 1; i < listing.entries.size(); ++i)
    CHECK(listing.entries[i - 1].name < listing.entries[i].name);
}

TEST_CASE("a listing is held by its key") {
  Listings listings;
  CHECK(listings.find("a") == nullptr);
  const auto listing = std::make_shared<const AnswerListing>(make_listing({}));
  listings.keep("a", listing);
  CHECK(listings.find("a") == listing);
  CHECK(listings.find("b") == nullptr);
  for (int i = 0; i < 1000; ++i) {
    listings.keep(format("k{}", i), listing);
    CHECK(listings.find("a") == listing);  // used, so never the oldest
  }
  CHECK(listings.find("k0") == nullptr);
}

TEST_SUITE_END();
