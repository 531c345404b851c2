// SPDX-License-Identifier: Apache-2.0
// Goal: good row files give their rows, every other file a clear no. Method: files made here,
// cut at each length, each byte of the header changed, and random bytes from a printed seed.
#include "vector/row_file.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

using namespace vexfs;

namespace {

struct Visited {
  Result<RowFileShape> shape;
  Result<> rows;
  std::vector<std::vector<float>> values;
};

// Reads at most `bytes_a_read` at once, as a file system may.
Visited visit(RowFileKind kind, const std::string& file, std::size_t bytes_a_read = 1 << 20) {
  auto read = [&](std::uint64_t offset, MutableBytes into) -> Result<std::size_t> {
    if (offset >= file.size()) return 0;
    const std::size_t count = std::min({into.size(), file.size() - offset, bytes_a_read});
    std::memcpy(into.data(), file.data() + offset, count);
    return count;
  };
  Visited seen;
  seen.shape = row_file_shape(kind, file.size(), read);
  seen.rows = visit_rows(kind, file.size(), read, [&](std::uint64_t row, auto values) {
    REQUIRE(row == seen.values.size());
    seen.values.emplace_back(values.begin(), values.end());
    return true;
  });
  return seen;
}

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string fvecs(std::uint32_t rows, std::uint32_t dimension) {
  std::string file;
  for (std::uint32_t r = 0; r < rows; ++r) {
    file += raw(dimension);
    for (std::uint32_t i = 0; i < dimension; ++i) file += raw(static_cast<float>(r) + 0.5f);
  }
  return file;
}

std::string npy(const std::string& dict, const std::string& data, char version = 1) {
  std::string file("\x93NUMPY", 6);
  file += version;
  file += '\0';
  file += version == 1 ? raw(static_cast<std::uint16_t>(dict.size()))
                       : raw(static_cast<std::uint32_t>(dict.size()));
  return file + dict + data;
}

std::string float_npy(char version = 1) {
  std::string data;
  for (float v : {1.0f, -2.0f, 0.25f, 4.0f, 5.0f, 6.5f}) data += raw(v);
  return npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", data, version);
}

}  // namespace

TEST_SUITE_BEGIN("vector/row_file");

TEST_CASE("the kind is known by the suffix, in any case") {
  CHECK(row_file_kind("base.fvecs") == RowFileKind::fvecs);
  CHECK(row_file_kind("BASE.BVecs") == RowFileKind::bvecs);
  CHECK(row_file_kind("a.b.npy") == RowFileKind::npy);
  for (const char* other : {"", "npy", ".npy", "a.npyx", "fvecs", "a.fvec", "a.txt"})
    CHECK_FALSE(row_file_kind(other));
}

TEST_CASE("fvecs and bvecs give their rows, however short each read is") {
  for (std::size_t bytes_a_read : {1u, 7u, 1u << 20}) {
    const Visited floats = visit(RowFileKind::fvecs, fvecs(3, 4), bytes_a_read);
    REQUIRE(floats.shape);
    CHECK(floats.shape->dimension == 4);
    CHECK(floats.shape->rows == 3);
    CHECK(floats.rows);
    CHECK(floats.values == std::vector<std::vector<float>>{
                               {0.5, 0.5, 0.5, 0.5}, {1.5, 1.5, 1.5, 1.5}, {2.5, 2.5, 2.5, 2.5}});
    const Visited bytes = visit(RowFileKind::bvecs, raw(2u) + "\x01\xff" + raw(2u) + "\x80\x7f");
    CHECK(bytes.rows);
    CHECK(bytes.values == std::vector<std::vector<float>>{{1, 255}, {128, 127}});
  }
}

TEST_CASE("a file of many pieces gives every row once") {
  const Visited seen = visit(RowFileKind::fvecs, fvecs(5000, 100));
  CHECK(seen.rows);
  REQUIRE(seen.values.size() == 5000);
  for (std::size_t r = 0; r < 5000; ++r) CHECK(seen.values[r][99] == static_cast<float>(r) + 0.5f);
}

TEST_CASE("npy of each element type and version gives its rows") {
  const std::vector<std::vector<float>> expected = {{1, -2, 0.25}, {4, 5, 6.5}};
  for (char version : {'\1', '\2', '\3'}) {
    const Visited seen = visit(RowFileKind::npy, float_npy(version));
    CHECK(seen.rows);
    CHECK(seen.values == expected);
  }
  // 1.0, -2.0, 2^-24 (the smallest half), 65504 (the largest)
  std::string halves;
  for (unsigned half : {0x3c00u, 0xc000u, 0x0001u, 0x7bffu})
    halves += raw(static_cast<std::uint16_t>(half));
  const Visited half = visit(RowFileKind::npy,
                             npy(R"({"shape":(1,4),"fortran_order":False,"descr":"<f2"})", halves));
  CHECK(half.values == std::vector<std::vector<float>>{{1, -2, 0x1p-24f, 65504}});
  const Visited ints = visit(
      RowFileKind::npy,
      npy("{'descr': '|i1', 'fortran_order': False, 'shape': (2, 2), }\n", "\x01\xff\x80\x7f"));
  CHECK(ints.values == std::vector<std::vector<float>>{{1, -1}, {-128, 127}});
}

TEST_CASE("what is no row file is refused") {
  const auto refused = [](RowFileKind kind, const std::string& file) {
    const Visited seen = visit(kind, file);
    REQUIRE_FALSE(seen.shape);
    CHECK(seen.shape.error().code == EINVAL);
    REQUIRE_FALSE(seen.rows);
    CHECK(seen.rows.error().code == EINVAL);
  };
  refused(RowFileKind::fvecs, "");
  refused(RowFileKind::fvecs, raw(0u));
  refused(RowFileKind::fvecs, raw(4097u) + std::string(4097 * 4, 'x'));
  refused(RowFileKind::fvecs, raw(0xffffffffu) + "abcd");
  const std::string data(24, 'x');
  for (const char* dict :
       {"", "{}", "{'descr': '<f4'}", "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3)}",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 0)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551617, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387906, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}"}) {
    CAPTURE(dict);
    refused(RowFileKind::npy, npy(dict, data));
  }
}

TEST_CASE("a row of another dimension than the first ends it") {
  const Visited seen = visit(RowFileKind::fvecs, fvecs(2, 2) + raw(3u) + std::string(8, '\0'));
  CHECK(seen.shape);
  CHECK(seen.rows.error().code == EINVAL);
  CHECK(seen.values.size() == 2);
}

TEST_CASE("a file cut at any length is refused or has fewer whole rows") {
  for (const auto& [kind, file] :
       {std::pair{RowFileKind::fvecs, fvecs(3, 4)}, std::pair{RowFileKind::npy, float_npy()}})
    for (std::size_t size = 0; size < file.size(); ++size) {
      CAPTURE(size);
      const Visited seen = visit(kind, file.substr(0, size));
      const bool whole_rows = kind == RowFileKind::fvecs && size != 0 && size % 20 == 0;
      CHECK(seen.rows.has_value() == whole_rows);
      CHECK(seen.shape.has_value() == whole_rows);
    }
}

TEST_CASE("a file that ends before its size said is refused, not waited for") {
  const std::string file = fvecs(3, 4);
  auto read = [&](std::uint64_t offset, MutableBytes into) -> Result<std::size_t> {
    if (offset >= 30) return 0;
    const std::size_t count = std::min<std::size_t>(into.size(), 30 - offset);
    std::memcpy(into.data(), file.data() + offset, count);
    return count;
  };
  const auto all = [](std::uint64_t, std::span<const float>) { return true; };
  CHECK(visit_rows(RowFileKind::fvecs, 60, read, all).error().code == EINVAL);
}

TEST_CASE("no bytes crash it") {
  const unsigned seed = 99;
  CAPTURE(seed);
  std::mt19937 rng(seed);
  const std::string good = float_npy();
  for (int round = 0; round < 20000; ++round) {
    std::string file = round % 2 == 0 ? good : std::string(rng() % 200, '\0');
    if (round % 2 == 0)
      for (unsigned flips = 1 + rng() % 4; flips > 0; --flips)
        file[rng() % file.size()] = static_cast<char>(rng());
    else
      for (char& c : file) c = static_cast<char>(rng() % 4 == 0 ? rng() % 8 : rng());
    for (RowFileKind kind : {RowFileKind::fvecs, RowFileKind::bvecs, RowFileKind::npy}) {
      const Visited seen = visit(kind, file);
      if (seen.shape && seen.rows) CHECK(seen.values.size() == seen.shape->rows);
    }
  }
}

TEST_SUITE_END();
