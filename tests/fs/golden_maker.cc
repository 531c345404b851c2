// SPDX-License-Identifier: Apache-2.0
// Makes the golden image of the present format: golden_maker tests/storage/golden
//
// A volume as a crash leaves it: files of all kinds, attributes, an index, a pinned root with dead
// extents, and transactions that are only in the log. Beside it the list of what a reader finds.
#include <fcntl.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "base/assert.h"
#include "base/text.h"
#include "fs/file_system.h"
#include "storage/store.h"
#include "storage/superblock_format.h"
#include "tests/storage/shared_device.h"
#include "tests/support/golden_image.h"

using namespace vexfs;

namespace {

constexpr Wait kWait = Wait::allowed;

template <class T>
T must(Result<T> result) {
  if (!result) std::fprintf(stderr, "golden_maker: %s\n", result.error().what);
  VEXFS_ASSERT(result.has_value());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class Maker {
 public:
  explicit Maker(FileSystem& files) : files_(files) {}
  NodeId file(NodeId parent, std::string_view name, const std::string& content) {
    const auto made = must(files_.create({}, parent, name, 0644, O_RDWR, kWait));
    const NodeId node = made.entry.node;
    must(files_.write({}, node, made.opened.handle, 0, as_bytes(content), kWait));
    must(files_.flush({}, node, made.opened.handle, kWait));
    files_.release(node, made.opened.handle, O_RDWR);
    return node;
  }
  std::string noise(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (char& c : text) c = static_cast<char>(rng_());
    return text;
  }
  void fill() {
    const NodeId directory = must(files_.mkdir({}, 1, "a directory", 0755, kWait)).node;
    for (unsigned i = 0; i < 24; ++i)
      file(directory, format("note {}.txt", i),
           format("Note {}: the keys of house {} are rotated every {} days.\n", i, i % 5, i + 3));
    file(1, "small", "a few bytes");
    const NodeId noisy = file(1, "noise", noise(20'000));
    file(1, "long", std::string(200'000, 'l') + "end");
    must(files_.symlink({}, "a directory/note 3.txt", 1, "link", kWait));
    must(files_.link({}, noisy, directory, "second name", kWait));
    must(files_.mknod({}, 1, "pipe", S_IFIFO | 0600, 0, kWait));
    must(files_.setxattr({}, noisy, "user.note", as_bytes(std::string(6000, 'v')), 0, kWait));
  }
  // After the root was pinned: some of what it holds dies.
  void change() {
    must(files_.unlink({}, 1, "noise", kWait));
    must(files_.unlink({}, 1, "long", kWait));
    must(files_.rename({}, 1, "small", 1, "little", 0, kWait));
    file(1, "young", noise(9'000));
  }

 private:
  FileSystem& files_;
  std::mt19937_64 rng_{20260701};
};

void make(MemoryDevice& disk) {
  must(Volume::format(disk, {.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20}));
  const auto volume = must(Volume::open(std::make_unique<SharedDevice>(disk), {}));
  must(FileSystem::make_root(*volume, 0, 0));
  FileSystemOptions options;
  options.commit_seconds = 3600;
  auto files = must(FileSystem::open(*volume, options));
  Maker maker(*files);
  maker.fill();
  std::this_thread::sleep_for(std::chrono::seconds(5));  // the index takes the notes
  must(static_cast<Store&>(*volume).pin_root("golden"));
  maker.change();
  must(volume->checkpoint());
  maker.file(1, "in the log", "only there");
  must(files->close());
  must(volume->sync(volume->last_lsn()));
  // The volume is not closed: the image is what a crash leaves.
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: golden_maker FOLDER\n");
    return 2;
  }
  std::filesystem::create_directories(argv[1]);
  MemoryDevice disk(std::uint64_t{64} << 20);
  make(disk);
  const std::string stem = format("{}/v{}", argv[1], kFormatVersion);
  save_golden(stem + ".img.zst", disk);
  const auto volume = must(Volume::open(std::make_unique<SharedDevice>(disk), {.read_only = true}));
  std::ofstream(stem + ".list") << list_of(*volume);
  return 0;
}
