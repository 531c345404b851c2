// SPDX-License-Identifier: Apache-2.0
// A volume below the file system: cached point reads and file-create transactions (four puts).
//   volume_bench IMAGE      IMAGE is made anew, 1 GiB, and removed
// One line a figure: name, operations per second, p50 and p99 in microseconds. Reads check what
// they get; the volume is counted at the end.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "base/key.h"
#include "base/log.h"
#include "base/text.h"
#include "storage/volume.h"

using namespace vexfs;

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{1} << 30;
constexpr unsigned kKeys = 200'000;

void print(const char* name, std::vector<std::uint64_t>& took, std::uint64_t elapsed_ns) {
  std::ranges::sort(took);
  const auto us = [&](double q) {
    return static_cast<double>(
               took[static_cast<std::size_t>(q * static_cast<double>(took.size() - 1))]) *
           1e-3;
  };
  std::puts(format("volume_bench {} ops_per_s={:.0f} p50_us={:.2f} p99_us={:.2f} p999_us={:.1f}",
                   name, static_cast<double>(took.size()) * 1e9 / static_cast<double>(elapsed_ns),
                   us(.5), us(.99), us(.999))
                .c_str());
}

// Runs `operation(i)` on each of `threads` threads, `count` times in all.
template <class Operation>
void measure(const char* name, unsigned threads, unsigned count, Operation operation) {
  std::vector<std::vector<std::uint64_t>> took(threads);
  std::vector<std::thread> running;
  const std::uint64_t start = monotonic_ns();
  for (unsigned t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      took[t].reserve(count / threads);
      for (unsigned i = t; i < count; i += threads) {
        const std::uint64_t begin = monotonic_ns();
        operation(i);
        took[t].push_back(monotonic_ns() - begin);
      }
    });
  for (std::thread& thread : running) thread.join();
  const std::uint64_t elapsed = monotonic_ns() - start;
  for (unsigned t = 1; t < threads; ++t)
    took[0].insert(took[0].end(), took[t].begin(), took[t].end());
  print(name, took[0], elapsed);
}

// What creating a file logs: an inode, a name, a back reference, the directory's new times.
Lsn create_file(Volume& volume, std::uint64_t number) {
  const std::string inode(160, 'i'), name = format("file-{:08}", number);
  Transaction transaction;
  transaction.put(Tree::inode, Key().u64(number), as_bytes(inode));
  transaction.put(Tree::dentry,
                  Key().u64(number / 1000).u64(number * 0x9E3779B97F4A7C15).text(name),
                  as_bytes(inode).first(16));
  transaction.put(Tree::backref, Key().u64(number).u64(number / 1000).text(name), {});
  transaction.put(Tree::inode, Key().u64(number / 1000), as_bytes(inode));
  const auto lsn = volume.commit(transaction);
  VEXFS_ASSERT(lsn.has_value());
  return *lsn;
}

void read_point(Volume& volume, unsigned i) {
  thread_local std::string value;
  const std::uint64_t number = 1'000'000 + std::uint64_t{i} * 7919 % kKeys;
  VEXFS_ASSERT(volume.get(Tree::inode, Key().u64(number), value).has_value());
  VEXFS_ASSERT(value.size() == 160);
}

void run(Volume& volume) {
  measure("create_unsynced threads=1", 1, kKeys,
          [&](unsigned i) { create_file(volume, 1'000'000 + i); });
  measure("create_unsynced threads=2", 2, kKeys,
          [&](unsigned i) { create_file(volume, 2'000'000 + i); });
  measure("create_sync_each_64 threads=1", 1, 20'000, [&](unsigned i) {
    const Lsn lsn = create_file(volume, 3'000'000 + i);
    if (i % 64 == 63) VEXFS_ASSERT(volume.sync(lsn).has_value());
  });
  measure("create_synced threads=1", 1, 2'000, [&](unsigned i) {
    VEXFS_ASSERT(volume.sync(create_file(volume, 4'000'000 + i)).has_value());
  });
  measure("get_cached threads=1", 1, 1'000'000, [&](unsigned i) { read_point(volume, i); });
  measure("get_cached threads=2", 2, 1'000'000, [&](unsigned i) { read_point(volume, i); });
  measure("checkpoint", 1, 1, [&](unsigned) { VEXFS_ASSERT(volume.checkpoint().has_value()); });
  std::size_t names = 0;
  VEXFS_ASSERT(volume.scan(Tree::dentry, {}, {}, [&](Bytes, Bytes) { return ++names > 0; }));
  VEXFS_ASSERT(names == 2 * kKeys + 22'000);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: volume_bench IMAGE\n", stderr);
    return 2;
  }
  const int file = ::open(argv[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, static_cast<off_t>(kVolumeBytes)) != 0) {
    std::perror("volume_bench: image");
    return 2;
  }
  ::close(file);
  set_log_level(Level::warn);
  {
    auto device = open_file_device(argv[1], {});
    VEXFS_ASSERT(device && Volume::format(**device, {}));
    auto volume = Volume::open(std::move(*device), {.cache_bytes = std::size_t{512} << 20});
    VEXFS_ASSERT(volume.has_value());
    run(**volume);
    VEXFS_ASSERT((*volume)->close().has_value());
  }
  ::unlink(argv[1]);
  return 0;
}
