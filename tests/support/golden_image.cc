// SPDX-License-Identifier: Apache-2.0
#include "tests/support/golden_image.h"

#include <zstd.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "base/assert.h"
#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/text.h"
#include "fs/inode.h"
#include "storage/check_report.h"
#include "storage/file_data.h"
#include "storage/store.h"

namespace vexfs {

namespace {

std::uint64_t hash_of_pair(std::uint64_t hash, Bytes key, Bytes value) {
  return hash64(value, hash64(key, hash));
}

std::string line_of_file(Volume& volume, Ino ino, std::uint64_t size) {
  const std::uint64_t blocks = (size + kBlockBytes - 1) / kBlockBytes;
  const Buffer content = Buffer::take((blocks + 1) * kBlockBytes);
  const MutableBytes whole = content.bytes().first(blocks * kBlockBytes);
  const auto read = read_file_blocks(volume, ino, 0, whole, Wait::allowed);
  return format("file {} {} {:016x}\n", static_cast<std::uint64_t>(ino), size,
                read ? hash64(whole.first(size)) : 0);
}

}  // namespace

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

MemoryDevice::Image load_golden(const std::string& path) {
  const std::string packed = text_of_file(path);
  const auto bytes = ZSTD_getFrameContentSize(packed.data(), packed.size());
  VEXFS_ASSERT(bytes != ZSTD_CONTENTSIZE_ERROR && bytes != ZSTD_CONTENTSIZE_UNKNOWN);
  std::string content(bytes, '\0');
  const std::size_t got =
      ZSTD_decompress(content.data(), content.size(), packed.data(), packed.size());
  VEXFS_ASSERT(got == content.size());
  MemoryDevice::Image image(content.size() / kBlockBytes);
  for (std::size_t block = 0; block < image.size(); ++block) {
    const Bytes part = as_bytes(content).subspan(block * kBlockBytes, kBlockBytes);
    if (as_text(part).find_first_not_of('\0') == std::string_view::npos) continue;
    MemoryDevice::write_image(image, block * kBlockBytes, part);
  }
  return image;
}

void save_golden(const std::string& path, MemoryDevice& disk) {
  std::string content;
  const Buffer block = Buffer::take(kBlockBytes);
  for (std::uint64_t at = 0; at < disk.size_bytes(); at += kBlockBytes) {
    VEXFS_ASSERT(disk.read(at, block.bytes()).has_value());
    content += as_text(block.bytes());
  }
  std::string packed(ZSTD_compressBound(content.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), content.data(), content.size(), 19));
  std::ofstream(path, std::ios::binary) << packed;
}

std::string list_of(Volume& volume) {
  std::string list;
  std::vector<std::pair<Ino, std::uint64_t>> files;
  for (unsigned t = 0; t < kTreeCount; ++t) {
    const Tree tree{static_cast<std::uint8_t>(t)};
    if (tree == Tree::free_space || tree == Tree::snapshot) continue;
    std::uint64_t pairs = 0, hash = 0;
    const auto scanned = volume.scan(tree, {}, {}, [&](Bytes key, Bytes value) {
      ++pairs;
      hash = hash_of_pair(hash, key, value);
      const auto inode = tree == Tree::inode ? Inode::decode(value) : fail(EINVAL, "");
      if (inode && inode->is_regular()) files.emplace_back(Ino{KeyReader(key).u64()}, inode->size);
      return true;
    });
    VEXFS_ASSERT(scanned.has_value());
    list += format("tree {} {} {:016x}\n", name_of(tree), pairs, hash);
  }
  for (const auto& [ino, size] : files) list += line_of_file(volume, ino, size);
  auto& store = static_cast<Store&>(volume);
  for (const PinnedRoot& root : store.pinned_roots()) {
    std::uint64_t hash = 0;
    for (unsigned t = 0; t < kTreeCount; ++t)
      VEXFS_ASSERT(store
                       .scan_pinned(root, Tree{static_cast<std::uint8_t>(t)}, {}, {},
                                    [&](Bytes key, Bytes value) {
                                      hash = hash_of_pair(hash, key, value);
                                      return true;
                                    })
                       .has_value());
    list += format("pinned {} {} {:016x}\n", root.generation, root.name, hash);
  }
  return list;
}

}  // namespace vexfs
