// SPDX-License-Identifier: Apache-2.0
// Goal: a probe and its read get one answer; nobody else gets it.
#include "fs/answer_cache.h"

#include <doctest/doctest.h>

using namespace vexfs;

TEST_SUITE_BEGIN("fs/answer_cache");

TEST_CASE("an answer is kept for the probe and ERANGE, and leaves with the read that holds it") {
  AnswerCache cache;
  const Caller caller{.uid = 7, .gid = 7, .pid = 70};
  CHECK_FALSE(cache.find(caller, Ino{5}, "q", 0));
  cache.keep(caller, Ino{5}, "q", "answer");
  CHECK(cache.find(caller, Ino{5}, "q", 0) == "answer");
  CHECK(cache.find(caller, Ino{5}, "q", 5) == "answer");
  CHECK(cache.find(caller, Ino{5}, "q", 6) == "answer");
  CHECK_FALSE(cache.find(caller, Ino{5}, "q", 6));
}

TEST_CASE("another inode, name, process or user does not see it") {
  AnswerCache cache;
  const Caller caller{.uid = 7, .gid = 7, .pid = 70};
  cache.keep(caller, Ino{5}, "q", "answer");
  CHECK_FALSE(cache.find(caller, Ino{6}, "q", 0));
  CHECK_FALSE(cache.find(caller, Ino{5}, "r", 0));
  CHECK_FALSE(cache.find(Caller{.uid = 7, .gid = 7, .pid = 71}, Ino{5}, "q", 0));
  CHECK_FALSE(cache.find(Caller{.uid = 8, .gid = 7, .pid = 70}, Ino{5}, "q", 0));
}

TEST_SUITE_END();
