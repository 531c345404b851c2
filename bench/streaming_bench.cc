// SPDX-License-Identifier: Apache-2.0
// Memory while a file larger than all caches is written and read.
//   streaming_bench --below DIR [--dir MOUNT ...]
//
// Writes four times the budget (256 MiB below; what a mount has it was told itself), syncs it,
// reads it and checks it. One line for each 128 MiB: the rate, and this process's memory. The last
// line has the most that it held, looked at each 5 ms: below, that is to be under 1.05 of the
// budget. Behind a mount memory is the kernel's and the daemon's (tests/mount/memory_test.py).
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/memory_figures.h"
#include "base/text.h"
#include "bench/target.h"

using namespace vexfs;
using namespace vexfs::bench;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20, kBudget = 256 * kMiB;
constexpr std::uint64_t kFileBytes = 4 * kBudget, kPerLine = 128 * kMiB;

// The most that the process has held since this was made.
class Peak {
 public:
  Peak() : thread_([this] { look(); }) {}
  ~Peak() {
    ended_ = true;
    thread_.join();
  }
  std::size_t bytes() const { return bytes_; }

 private:
  void look() {
    for (; !ended_; std::this_thread::sleep_for(std::chrono::milliseconds(5)))
      bytes_ = std::max(bytes_.load(), anonymous_bytes());
  }
  std::atomic<std::size_t> bytes_{0};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

void fill(std::vector<std::byte>& buffer, std::uint64_t offset) {
  for (std::size_t at = 0; at < buffer.size(); at += 8) {
    const std::uint64_t word = (offset + at) * 0x9E3779B97F4A7C15ull;
    std::memcpy(buffer.data() + at, &word, 8);
  }
}

// Calls `move(offset)` for each MiB of the file.
template <class Move>
void stream(const char* name, const Target& target, Move move) {
  std::uint64_t start = monotonic_ns();
  for (std::uint64_t offset = 0; offset < kFileBytes; offset += kMiB) {
    move(offset);
    if ((offset + kMiB) % kPerLine != 0) continue;
    const std::uint64_t now = monotonic_ns();
    std::puts(format("streaming_bench {} on={} done_mib={} mib_per_s={:.0f} held_kib={}", name,
                     target.where(), (offset + kMiB) / kMiB,
                     static_cast<double>(kPerLine / kMiB) * 1e9 / static_cast<double>(now - start),
                     anonymous_bytes() / 1024)
                  .c_str());
    start = now;
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const auto& target : targets_of(argc, argv, {.memory_bytes = kBudget})) {
    const Peak peak;
    const Target::File file = target->open("stream");
    std::vector<std::byte> buffer(kMiB), expected(kMiB);
    stream("write", *target, [&](std::uint64_t offset) {
      fill(buffer, offset);
      target->write(file, offset, buffer);
    });
    target->sync(file);
    target->drop_caches(file);
    stream("read", *target, [&](std::uint64_t offset) {
      target->read(file, offset, buffer);
      fill(expected, offset);
      if (buffer != expected) {
        std::fprintf(stderr, "streaming_bench: wrong content\n");
        std::exit(2);
      }
    });
    target->close(file);
    target->unlink("stream");
    std::puts(format("streaming_bench held_most on={} mib={} of_budget={:.3f}", target->where(),
                     peak.bytes() / kMiB,
                     static_cast<double>(peak.bytes()) / static_cast<double>(kBudget))
                  .c_str());
  }
}
