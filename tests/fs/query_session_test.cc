// SPDX-License-Identifier: Apache-2.0
// Goal: the conversation on `.vexfs/query` as a shell and a program hold it.
#include "fs/query_session.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

using namespace vexfs;

TEST_SUITE_BEGIN("fs/query_session");

namespace {
constexpr auto echo = [](const std::string& line) { return "<" + line + ">\n"; };

// What `cat <&3` prints: reads of `step` bytes until one answers 0.
std::string cat(QuerySession& session, std::size_t step = 4096) {
  std::string all;
  for (;;) {
    std::string buffer(step, '\0');
    const auto bytes = session.read(std::as_writable_bytes(std::span(buffer)), Wait::allowed, echo);
    REQUIRE(bytes);
    if (*bytes == 0) return all;
    all += buffer.substr(0, *bytes);
  }
}
void say(QuerySession& session, std::string_view text) {
  REQUIRE(session.write(as_bytes(text)).value() == text.size());
}
}  // namespace

TEST_CASE("write a question, read its answer, ask again on the same descriptor") {
  QuerySession session;
  for (const char* question : {"one", "two", "three"}) {
    say(session, std::string(question) + "\n");
    CHECK(cat(session) == "<" + std::string(question) + ">\n");
  }
}

TEST_CASE("a question ends at its newline, however it is cut into writes and reads") {
  for (std::size_t step : {1u, 2u, 7u, 100u}) {
    QuerySession session;
    for (char c : std::string("hello\n")) say(session, std::string_view(&c, 1));
    CHECK(cat(session, step) == "<hello>\n");
  }
}

TEST_CASE("several questions in one write are answered one after the other") {
  QuerySession session;
  say(session, "a\n\nb\nc");
  CHECK(cat(session) == "<a>\n");
  CHECK(cat(session) == "<b>\n");
  CHECK(cat(session).find("help") != std::string::npos);  // c has no newline yet
  say(session, "\n");
  CHECK(cat(session) == "<c>\n");
}

TEST_CASE("a read without a question is one line of help") {
  QuerySession session;
  const std::string help = cat(session);
  CHECK(help.find("help") != std::string::npos);
  CHECK(help.find('\n') == help.size() - 1);
}

TEST_CASE("a search never runs where it may not wait") {
  QuerySession session;
  say(session, "slow\n");
  std::string buffer(100, '\0');
  const auto into = std::as_writable_bytes(std::span(buffer));
  bool ran = false;
  const auto note = [&](const std::string&) {
    ran = true;
    return std::string("x");
  };
  CHECK(session.read(into, Wait::never, note).error().code == EAGAIN);
  CHECK_FALSE(ran);
  CHECK(session.read(into, Wait::allowed, note).value() == 1);
  CHECK(session.read(into, Wait::never, note).value() == 0);  // the end needs no search
}

TEST_CASE("too long and too many are refused, and the session lives on") {
  QuerySession session;
  const std::string chunk(600 << 10, 'x');
  CHECK(session.write(as_bytes(chunk)));
  CHECK(session.write(as_bytes(chunk)).error().code == EMSGSIZE);
  CHECK(session.write(as_bytes(std::string(2000, '\n'))).error().code == ENOBUFS);
  say(session, "still here\n");
  CHECK(cat(session) == "<still here>\n");
}

TEST_CASE("threads on one session each get whole answers") {
  QuerySession session;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&session] {
      for (int i = 0; i < 200; ++i) {
        session.write(as_bytes("q\n")).value();
        std::string buffer(64, '\0');
        const auto bytes =
            session.read(std::as_writable_bytes(std::span(buffer)), Wait::allowed, echo);
        const std::string got = buffer.substr(0, bytes.value());
        if (!got.empty() && got != "<q>\n" && got.find("help") == std::string::npos)
          throw std::runtime_error("torn answer");
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(true);
}

TEST_SUITE_END();
