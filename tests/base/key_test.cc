// SPDX-License-Identifier: Apache-2.0
// Goal: keys sort as their parts do, and come apart again. Method: random pairs, printed seed.
#include "base/key.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <tuple>

using namespace vexfs;

TEST_SUITE_BEGIN("base/key");

TEST_CASE("memcmp order of keys is the order of their parts") {
  const unsigned seed = 11;
  CAPTURE(seed);
  std::mt19937_64 rng(seed);
  using Parts = std::tuple<std::uint64_t, std::uint16_t, std::string>;
  const auto random_parts = [&] {
    std::string name(rng() % 4, 'a');
    for (char& c : name) c = static_cast<char>(rng());
    return Parts{rng() >> (rng() % 64), static_cast<std::uint16_t>(rng() % 3), name};
  };
  const auto key_of = [](const Parts& p) {
    return std::string(as_text(Key().u64(std::get<0>(p)).u16(std::get<1>(p)).text(std::get<2>(p))));
  };
  const auto unsigned_less = [](const Parts& a, const Parts& b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) != std::tie(std::get<0>(b), std::get<1>(b))
               ? std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b))
               : std::get<2>(a) < std::get<2>(b);  // std::string compares as unsigned char
  };
  for (int i = 0; i < 10000; ++i) {
    const Parts a = random_parts(), b = random_parts();
    CHECK((key_of(a) < key_of(b)) == unsigned_less(a, b));
  }
}

TEST_CASE("a key comes apart into what it was made of") {
  const Key key = Key().u8(7).u16(300).u32(70000).u64(1ull << 40).text("name");
  KeyReader reader(key);
  CHECK(reader.u8() == 7);
  CHECK(reader.u16() == 300);
  CHECK(reader.u32() == 70000);
  CHECK(reader.u64() == 1ull << 40);
  CHECK(reader.text() == "name");
  CHECK_FALSE(reader.failed());
}

TEST_CASE("a key that is too short says so") {
  const Key key = Key().u16(1);
  KeyReader reader(key);
  CHECK(reader.u64() == 0);
  CHECK(reader.failed());
}

TEST_SUITE_END();
