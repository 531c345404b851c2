// SPDX-License-Identifier: Apache-2.0
// Goal: buffers are aligned, never shared, and come back. Method: many threads write their own
// pattern into what they hold and find it again.
#include "base/buffer_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "base/metrics.h"

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
  Counter& reused = metrics::counter("vexfs_buffer_reused_total", "");
  {
    Buffer buffer = Buffer::take(4096);
  }
  const auto before = reused.value();
  {
    Buffer buffer = Buffer::take(4096);
  }
  CHECK(reused.value() == before + 1);
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
