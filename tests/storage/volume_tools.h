// SPDX-License-Identifier: Apache-2.0
// What the tests of the volume share: a file that goes away, random transactions that a volume
// and a model both get, and the comparison of the two.
#pragma once
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <string>

#include "base/key.h"
#include "storage/volume.h"

namespace vexfs {

class TemporaryFile {
 public:
  explicit TemporaryFile(std::uint64_t bytes) {
    const char* const folder = std::getenv("TMPDIR");
    path_ = std::string(folder != nullptr ? folder : "/tmp") + "/vexfs-storage-XXXXXX";
    const int file = ::mkstemp(path_.data());
    REQUIRE(file >= 0);
    REQUIRE(::ftruncate(file, static_cast<off_t>(bytes)) == 0);
    ::close(file);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

using Rng = std::mt19937_64;

inline std::string random_bytes(Rng& rng, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(rng());
  return text;
}

// Few distinct keys, so that puts meet puts and erases; now and then a long one.
inline std::string random_key(Rng& rng, unsigned distinct) {
  const std::uint64_t number = rng() % distinct;
  std::string key(as_text(Key().u32(static_cast<std::uint32_t>(number))));
  if (number % 7 == 0) key += std::string(number % (kKeyBytesMax - 4), 'k');
  return key;
}

inline std::size_t random_size(Rng& rng) {
  switch (rng() % 10) {
    case 0:
      return 0;
    case 1:
      return kValueBytesMax;
    case 2:
      return rng() % kValueBytesMax;
    default:
      return rng() % 120;
  }
}

struct RandomOptions {
  unsigned keys = 3000;
  unsigned records_max = 8;
};

// The same random transaction twice.
inline void fill_random(Rng& rng, Transaction& a, Transaction& b, RandomOptions options = {}) {
  constexpr Tree kTrees[] = {Tree::inode, Tree::dentry, Tree::meta};
  // Phases of growing and of shrinking, so that pages split and merge.
  const unsigned erases = rng() % 64 < 32 ? 2 : 7;
  const std::size_t records = 1 + rng() % options.records_max;
  for (std::size_t i = 0; i < records; ++i) {
    const Tree tree = kTrees[rng() % 3];
    const std::string key = random_key(rng, options.keys);
    if (rng() % 10 < erases) {
      a.erase(tree, as_bytes(key));
      b.erase(tree, as_bytes(key));
    } else {
      const std::string value = random_bytes(rng, random_size(rng));
      a.put(tree, as_bytes(key), as_bytes(value));
      b.put(tree, as_bytes(key), as_bytes(value));
    }
  }
}

inline void commit_random(Rng& rng, Volume& volume, Volume& model, RandomOptions options = {}) {
  Transaction mine, models;
  fill_random(rng, mine, models, options);
  REQUIRE(volume.commit(mine));
  REQUIRE(model.commit(models));
}

// Everything a volume holds but its map of free space, as one comparable text.
inline Result<std::string> content_of(Volume& volume) {
  std::string text;
  for (unsigned t = 0; t < kTreeCount; ++t) {
    const auto tree = Tree{static_cast<std::uint8_t>(t)};
    if (tree == Tree::free_space) continue;
    VEXFS_CHECK(volume.scan(tree, {}, {}, [&](Bytes key, Bytes value) {
      const Key head = Key().u8(static_cast<std::uint8_t>(t)).u64(key.size()).u64(value.size());
      text += as_text(head);
      text += as_text(key);
      text += as_text(value);
      return true;
    }));
  }
  return text;
}

inline bool same_content(Volume& a, Volume& b) {
  const auto content_a = content_of(a), content_b = content_of(b);
  return content_a && content_b && *content_a == *content_b;
}

}  // namespace vexfs
