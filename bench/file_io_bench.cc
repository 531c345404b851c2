// SPDX-License-Identifier: Apache-2.0
// File content: sequential and random, 4 KiB and 1 MiB, with and without fsync.
//   file_io_bench --dir MOUNT --dir /some/ext4 --below /tmp
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "bench/report.h"
#include "bench/target.h"

using namespace vexfs;
using namespace vexfs::bench;

namespace {

constexpr std::uint64_t kMiB = 1 << 20, kFileBytes = 256 * kMiB;
constexpr std::size_t kSmall = 4096;

// Content that tells its own offset, so that a read of the wrong place shows.
void fill(MutableBytes into, std::uint64_t offset) {
  for (std::size_t at = 0; at < into.size(); at += 8) {
    const std::uint64_t word = (offset + at) * 0x9E3779B97F4A7C15ull;
    std::memcpy(into.data() + at, &word, 8);
  }
}

class Run {
 public:
  explicit Run(Target& target) : target_(target), file_(target.open("data")) {}
  ~Run() {
    target_.close(file_);
    target_.unlink("data");
  }
  void write(const char* name, std::size_t bytes, std::size_t calls, bool random, bool sync) {
    Samples samples(name);
    std::vector<std::byte> buffer(bytes);
    for (std::size_t i = 0; i < calls; ++i) {
      const std::uint64_t offset = place(i, bytes, random);
      fill(buffer, offset);
      samples.time([&] {
        target_.write(file_, offset, buffer);
        if (sync) target_.sync(file_);
      });
    }
    samples.report(target_.where(), rate(bytes));
  }
  void sync(const char* name) {
    Samples samples(name);
    samples.time([&] { target_.sync(file_); });
    samples.report(target_.where());
  }
  void read(const char* name, std::size_t bytes, std::size_t calls, bool random, bool cold) {
    if (cold) target_.drop_caches(file_);
    Samples samples(name);
    std::vector<std::byte> buffer(bytes), expected(bytes);
    for (std::size_t i = 0; i < calls; ++i) {
      const std::uint64_t offset = place(i, bytes, random);
      samples.time([&] { target_.read(file_, offset, buffer); });
      fill(expected, offset);
      if (buffer != expected) {
        std::fprintf(stderr, "file_io_bench: wrong content at %llu\n",
                     static_cast<unsigned long long>(offset));
        std::exit(2);
      }
    }
    samples.report(target_.where(), rate(bytes));
  }

 private:
  std::uint64_t place(std::size_t i, std::size_t bytes, bool random) {
    const std::uint64_t slots = kFileBytes / bytes;
    return (random ? rng_() % slots : i % slots) * bytes;
  }
  static std::string rate(std::size_t bytes) { return format("bytes={}", bytes); }
  Target& target_;
  const Target::File file_;
  std::mt19937_64 rng_{1};
};

}  // namespace

int main(int argc, char** argv) {
  for (const auto& target : targets_of(argc, argv)) {
    Run run(*target);
    run.write("write_1m_sequential", kMiB, kFileBytes / kMiB, false, false);
    run.sync("fsync_256m");
    run.read("read_1m_sequential_cold", kMiB, kFileBytes / kMiB, false, true);
    run.read("read_1m_sequential_warm", kMiB, kFileBytes / kMiB, false, false);
    run.read("read_4k_random_warm", kSmall, 20000, true, false);
    run.read("read_4k_random_cold", kSmall, 5000, true, true);
    run.write("write_4k_random", kSmall, 20000, true, false);
    run.sync("fsync_after_random");
    run.write("write_4k_fsync", kSmall, 500, true, true);
  }
}
