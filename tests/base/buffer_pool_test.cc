// SPDX-License-Identifier: Apache-2.0
// Goal: buffers are aligned, never shared, and come back. Method: many threads write their own
// pattern into what they hold and find it again.
#include "base/buffer_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

using namespace vexfs;

TEST_SUITE_BEGIN("base/buffer_pool");

TEST_CASE("sizes are as asked, large buffers aligned for O_DIRECT") {
  for (std::size_t bytes : {1u, 1024u, 1025u, 4096u, 5000u, 65536u, 1u << 20, (1u << 20) + 1}) {
    CAPTURE(bytes);
    const Buffer buffer = Buffer::take(bytes);
    CHECK(buffer.size() == bytes);
    const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
    CHECK(address % (bytes > 1024 ? 4096 : 64) == 0);
  }
}

TEST_CASE("a buffer is used again") {
  {
    Buffer buffer = Buffer::take(4096);
  }
  const auto before = buffer_pool::usage();
  {
    Buffer buffer = Buffer::take(4096);
  }
  const auto after = buffer_pool::usage();
  CHECK(after.reused_by_thread == before.reused_by_thread + 1);
  CHECK(after.fresh == before.fresh);
  CHECK(after.held_bytes == before.held_bytes);
}

TEST_CASE("trim gives back what is free, of every thread, and leaves what is held") {
  constexpr std::size_t kCount = 40;  // of each tier: 40 MiB and more
  std::vector<Buffer> held;
  for (const std::size_t bytes : kBufferTiers) {
    held.push_back(Buffer::take(bytes));
    std::memset(held.back().data(), 0x5a, bytes);
  }
  std::atomic<bool> idle = false, end = false;
  std::thread other([&] {
    {
      std::vector<Buffer> some;
      for (const std::size_t bytes : kBufferTiers)
        for (std::size_t i = 0; i < kCount; ++i) {
          some.push_back(Buffer::take(bytes));
          std::memset(some.back().data(), 1, bytes);
        }
    }
    idle = true;
    while (!end) std::this_thread::yield();
  });
  while (!idle) std::this_thread::yield();
  const auto before = buffer_pool::usage();
  CHECK(before.free_bytes > std::size_t{4} << 20);
  const std::size_t freed = buffer_pool::trim();
  const auto after = buffer_pool::usage();
  CHECK(freed > 0);
  CHECK(after.held_bytes == before.held_bytes - freed);
  // The arena and the smallest tier stay.
  CHECK(after.free_bytes <= Buffer::arena().size() + (kCount + 8) * kBufferTiers[0]);
  end = true;
  other.join();
  for (const Buffer& buffer : held)
    for (const std::byte b : buffer.bytes()) REQUIRE(b == std::byte{0x5a});
  // What comes next is zeroed memory from the kernel, or the arena's.
  const Buffer again = Buffer::take(65536);
  std::memset(again.data(), 2, 65536);
}

TEST_CASE("random takes, frees and trims on many threads: nobody's bytes change") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::atomic<int> broken = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([t, seed, &broken] {
      std::mt19937 rng(seed + t);
      std::vector<std::pair<Buffer, std::byte>> held;
      for (int round = 0; round < 4000; ++round) {
        if (rng() % 500 == 0) buffer_pool::trim();
        if (held.size() > 20 || (!held.empty() && rng() % 3 == 0)) {
          auto& [buffer, mark] = held[rng() % held.size()];
          for (std::size_t at = 0; at < buffer.size(); at += 512)
            if (buffer.bytes()[at] != mark) ++broken;
          std::swap(held.back().first, buffer);
          std::swap(held.back().second, mark);
          held.pop_back();
        } else {
          const std::size_t bytes = kBufferTiers[rng() % 4] - rng() % 100;
          held.emplace_back(Buffer::take(bytes), static_cast<std::byte>(rng()));
          std::memset(held.back().first.data(), static_cast<int>(held.back().second), bytes);
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(broken == 0);
}

TEST_CASE("threads never hold the same buffer") {
  std::atomic<int> broken = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t, &broken] {
      for (int round = 0; round < 2000; ++round) {
        std::vector<Buffer> held;
        for (int i = 0; i < 6; ++i) {
          held.push_back(Buffer::take(1000));
          std::memset(held.back().data(), t * 8 + i, 1000);
        }
        for (int i = 0; i < 6; ++i)
          if (held[static_cast<std::size_t>(i)].bytes()[999] != static_cast<std::byte>(t * 8 + i))
            ++broken;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(broken == 0);
}

TEST_SUITE_END();
