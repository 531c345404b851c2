// SPDX-License-Identifier: Apache-2.0
// Goal: no change is forgotten by the queue, none runs twice at once, and who waits is answered.
// Method: the queue alone, with timers of milliseconds.
#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "search/queue.h"
#include "search/queue_book.h"
#include "search/queue_vectors.h"
#include "tests/support/model_volume.h"

namespace vexfs {
namespace {

constexpr QueueTimes kSlow{.quiet_ns = 3'600'000'000'000, .quiet_ns_max = 7'200'000'000'000};
constexpr QueueTimes kFast{.quiet_ns = 5'000'000, .quiet_ns_max = 50'000'000};
constexpr Ino kA{10}, kB{11};

}  // namespace

TEST_CASE("a change is due when its file is closed") {
  IndexQueue queue(kSlow);
  queue.changed(kA);
  queue.changed(kB);
  queue.closed(kB);
  const auto task = queue.take();
  REQUIRE(task);
  CHECK(task->ino == kB);
  queue.finish(*task, false);
  CHECK(queue.contains(kA));
  CHECK_FALSE(queue.contains(kB));
  queue.stop();
}

TEST_CASE("a file that stays open is due after its quiet time") {
  IndexQueue queue(kFast);
  queue.changed(kA);
  const auto task = queue.take();
  REQUIRE(task);
  CHECK(task->ino == kA);
  SUBCASE("what changes while it runs is run again") {
    queue.changed(kA);
    queue.finish(*task, false);
    CHECK(queue.contains(kA));
    CHECK(queue.take()->ino == kA);
  }
  queue.stop();
}

TEST_CASE("a removal that comes while the file runs is not lost") {
  IndexQueue queue(kSlow);
  queue.owe({.ino = kA});
  const auto task = queue.take();
  queue.owe({.ino = kA, .gone = true});
  queue.finish(*task, false);
  const auto next = queue.take();
  REQUIRE(next);
  CHECK(next->gone);
  queue.finish(*next, false);
  CHECK(queue.size() == 0);
}

TEST_CASE("a rescan that is owed while one runs is run again, once") {
  IndexQueue queue(kSlow);
  queue.owe({.ino = kA, .rescan = true});
  const auto first = queue.take();
  REQUIRE(first);
  queue.owe({.ino = kA, .rescan = true});  // what is there now, the first may have passed
  queue.finish(*first, false);
  REQUIRE(queue.contains(kA));
  const auto second = queue.take();
  REQUIRE(second);
  CHECK(second->rescan);
  queue.finish(*second, false);
  CHECK_FALSE(queue.contains(kA));
  queue.stop();
}

TEST_CASE("a barrier hurries what it waits for, and can be cancelled or refused") {
  IndexQueue queue(kSlow);
  queue.changed(kA);
  int answered = 0;
  int code = 0;
  const auto note = [&](Result<> done) {
    ++answered;
    code = done ? 0 : done.error().code;
  };
  SUBCASE("left") {
    queue.when_left({kA, kB}, note);
    const auto task = queue.take();
    CHECK(answered == 0);
    queue.finish(*task, false);
    CHECK(code == 0);
  }
  SUBCASE("nothing to wait for") {
    queue.when_left({kB}, note);
    CHECK(code == 0);
  }
  SUBCASE("cancelled") {
    queue.cancel(queue.when_left({kA}, note));
    CHECK(code == EINTR);
  }
  SUBCASE("paused before") {
    queue.pause();
    queue.when_left({kA}, note);
    CHECK(code == EIO);
  }
  SUBCASE("paused after") {
    queue.when_left({kA}, note);
    queue.pause();
    CHECK(code == EIO);
  }
  SUBCASE("stopped") {
    queue.when_left({kA}, note);
    queue.stop();
    CHECK(code == ESHUTDOWN);
  }
  CHECK(answered == 1);
}

TEST_CASE("what is owed stays in the tree until it is saved") {
  ModelVolume volume;
  QueueBook book(volume);
  Transaction transaction;
  QueueBook::log(transaction, {.ino = kA, .what = Owed::content, .sequence = 3});
  QueueBook::log(transaction, {.ino = kA, .what = Owed::content, .sequence = 4});
  QueueBook::log(transaction, {.ino = kA, .what = Owed::content, .sequence = 5});
  REQUIRE(volume.commit(transaction));
  book.settle({.ino = kA, .what = Owed::content, .sequence = 4});
  REQUIRE(book.erase(book.take_settled()));
  REQUIRE(book.refuse(kB, Owed::failed, "why"));
  QueueBook again(volume);
  std::vector<std::uint64_t> left;
  REQUIRE(again.open([&](const QueueBook::Record& r) { left.push_back(r.sequence); }));
  CHECK(left == std::vector<std::uint64_t>{5});
  CHECK(again.reason(kB, Owed::failed) == "why");
}

TEST_CASE("vectors are placed once, by whoever drains, before it returns") {
  VectorQueue queue(1);
  std::atomic<int> placed{0};
  for (std::uint64_t i = 0; i < 100; ++i) queue.owe(Ino{i + 2});
  const auto place = [&](Ino, std::uint64_t) {
    ++placed;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  };
  std::thread other([&] { queue.drain(place); });
  queue.drain(place);
  CHECK(placed == 100);
  other.join();
  CHECK(placed == 100);
  CHECK(queue.empty());
}

}  // namespace vexfs
