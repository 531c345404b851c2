// SPDX-License-Identifier: Apache-2.0
// Goal: an endpoint's vectors arrive at the texts they were made of, and whatever a server does
// ends in vectors, in EAGAIN or in a text without one, never in a wrong vector. Method: a server
// here that speaks the protocol, well and in every bad way.
#include "search/openai_embedder.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "base/clock.h"
#include "base/json.h"
#include "tests/support/http_server.h"

using namespace vexfs;

TEST_SUITE_BEGIN("search/openai_embedder");

namespace {

// By definition of this server: how long the text is, and how many vowels it has.
std::vector<float> vector_of(const std::string& text) {
  const auto vowels = std::ranges::count_if(
      text, [](char c) { return std::string_view("aeiou").find(c) != std::string_view::npos; });
  return {static_cast<float>(text.size()), static_cast<float>(vowels), 1};
}
std::vector<float> unit(std::vector<float> vector) {
  double square = 0;
  for (const float value : vector) square += double{value} * value;
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(square));
  return vector;
}

std::vector<std::string> texts_in(const HttpServer::Request& request) {
  return parse_json(request.body)->at("input").get<std::vector<std::string>>();
}
// The last text first, as a server may.
HttpServer::Response good(const HttpServer::Request& request) {
  const auto texts = texts_in(request);
  Json data = Json::array();
  for (std::size_t i = texts.size(); i-- > 0;)
    data.push_back({{"index", i}, {"embedding", vector_of(texts[i])}});
  return {.body = to_text(Json{{"data", data}})};
}

OpenAiOptions quick(const std::string& url) {
  return {.url = url,
          .first_pause_ms = 1,
          .down_ms_min = 60000,
          .document_ms_max = 2000,
          .question_ms_max = 300};
}

struct Asked {
  Result<> done;
  std::vector<float> rows;
};
Asked embed(const std::shared_ptr<OpenAiEndpoint>& endpoint,
            const std::vector<std::string>& texts) {
  const TermBag none;
  std::vector<DocumentText> documents;
  for (const std::string& text : texts) documents.push_back({.text = text, .terms = none});
  Asked asked{.done = {}, .rows = std::vector<float>(3 * texts.size(), -1)};
  asked.done = make_embedder(endpoint, 3)->embed_documents(documents, asked.rows);
  return asked;
}
Asked embed_at(const HttpServer& server, const std::vector<std::string>& texts) {
  return embed(open_endpoint(quick(server.url())), texts);
}
void check_rows(const Asked& asked, const std::vector<std::string>& texts) {
  REQUIRE(asked.done.has_value());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto expected = unit(vector_of(texts[i]));
    for (std::size_t j = 0; j < 3; ++j)
      CHECK(asked.rows[3 * i + j] == doctest::Approx(expected[j]).epsilon(1e-5));
  }
}

}  // namespace

TEST_CASE("texts get their own vectors, in batches over one connection") {
  std::atomic<std::size_t> largest = 0, requests = 0;
  std::string headers, path;
  HttpServer server([&](const HttpServer::Request& request) {
    largest = std::max<std::size_t>(largest, texts_in(request).size());
    ++requests;
    headers = request.headers;
    path = request.path;
    return good(request);
  });
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back(std::string(1 + i % 17, 'a') + std::to_string(i));
  const std::string key_file = "/tmp/vexfs-key-" + std::to_string(::getpid());
  std::ofstream(key_file) << "secret-7\n";
  OpenAiOptions options = quick(server.url());
  options.key_file = key_file;
  check_rows(embed(open_endpoint(options), texts), texts);
  ::unlink(key_file.c_str());
  CHECK(largest == 32);
  CHECK(requests == 4);
  CHECK(server.accepted() == 1);
  CHECK(path == "/v1/embeddings");
  CHECK(headers.find("Authorization: Bearer secret-7\r\n") != headers.npos);
  CHECK(*dimension_of(*open_endpoint(quick(server.url()))) == 3);
}

TEST_CASE("prefixes go before texts, and are in the identity; blank texts have no vector") {
  std::vector<std::string> seen;
  HttpServer server([&](const HttpServer::Request& request) {
    for (const std::string& text : texts_in(request)) seen.push_back(text);
    return good(request);
  });
  OpenAiOptions options = quick(server.url());
  options.document_prefix = "passage: ";
  options.question_prefix = "query: ";
  const auto embedder = make_embedder(open_endpoint(options), 3);
  const TermBag none;
  std::vector<DocumentText> documents{{.text = "one", .terms = none},
                                      {.text = " \n", .terms = none}};
  std::vector<float> rows(6, -1), row(3);
  REQUIRE(embedder->embed_documents(documents, rows));
  const TextIndex index;
  REQUIRE(embedder->embed_question({.text = "two", .terms = none, .statistics = index}, row));
  CHECK(seen == std::vector<std::string>{"passage: one", "query: two"});
  CHECK(rows[3] == 0);
  CHECK(embedder->identity() != make_embedder(open_endpoint(quick("x")), 3)->identity());
  CHECK(embedder->identity().starts_with("openai "));
}

TEST_CASE("a request that is too long is made smaller") {
  std::atomic<int> refused = 0;
  HttpServer server([&](const HttpServer::Request& request) -> HttpServer::Response {
    std::size_t bytes = 0;
    for (const std::string& text : texts_in(request)) bytes += text.size();
    if (bytes <= 600) return good(request);
    ++refused;
    return {.status = 413};
  });
  std::vector<std::string> texts;
  for (int i = 0; i < 20; ++i) texts.push_back(std::string(50 + i, 'b'));
  check_rows(embed_at(server, texts), texts);
  CHECK(refused > 0);
  const Asked cut = embed_at(server, {std::string(2000, 'c')});
  check_rows(cut, {std::string(500, 'c')});
}

TEST_CASE("trouble that passes is waited for") {
  for (const int status : {429, 500, 503}) {
    std::atomic<int> left = 2;
    HttpServer server([&](const HttpServer::Request& request) -> HttpServer::Response {
      if (left-- > 0) return {.status = status, .headers = "Retry-After: 0\r\n"};
      return good(request);
    });
    check_rows(embed_at(server, {"one", "two"}), {"one", "two"});
  }
}

TEST_CASE("what is no answer gives no vector, and the next ones do not wait") {
  std::atomic<int> requests = 0;
  HttpServer::Response wrong;
  const auto check_refused = [&](const char* why) {
    CAPTURE(why);
    HttpServer server([&](const HttpServer::Request&) {
      ++requests;
      return wrong;
    });
    const auto endpoint = open_endpoint(quick(server.url()));
    CHECK(embed(endpoint, {"one", "two"}).done.error().code == EAGAIN);
    const int before = requests;
    CHECK(embed(endpoint, {"one"}).done.error().code == EAGAIN);  // it is known to be down
    CHECK(requests == before);
  };
  const auto say = [&](const char* body) { wrong = {.body = body}; };
  wrong = {.status = 500};
  check_refused("500 for good");
  wrong = {.status = 429};
  check_refused("429 for good");
  wrong = {.status = 401};
  check_refused("401");
  wrong = {.status = 404};
  check_refused("404");
  say("{\"data\":[{\"index\":0,\"embedd");
  check_refused("truncated JSON");
  say("[]");
  check_refused("not an object");
  say(R"({"data":[{"index":0,"embedding":[1,2,3]}]})");
  check_refused("a vector too few");
  say(R"({"data":[{"index":0,"embedding":[1,2,3]},{"index":0,"embedding":[1,2,3]}]})");
  check_refused("an index twice");
  say(R"({"data":[{"index":0,"embedding":[1,2,3]},{"index":7,"embedding":[1,2,3]}]})");
  check_refused("an index beyond");
  say(R"({"data":[{"index":0,"embedding":[1,2,3]},{"index":1,"embedding":[1,2]}]})");
  check_refused("a wrong dimension");
  say(R"({"data":[{"index":0,"embedding":[1,2,3]},{"index":1,"embedding":[1,null,3]}]})");
  check_refused("NaN as null");
  say(R"({"data":[{"index":0,"embedding":[1,2,3]},{"index":1,"embedding":[1,NaN,3]}]})");
  check_refused("NaN");
  say(R"({"data":[{"index":0,"embedding":[1,2,3]},{"index":1,"embedding":[1,1e300,3]}]})");
  check_refused("beyond float");
  wrong = {.body = std::string(5000, ' '), .cut = 3000};
  check_refused("cut off");
}

TEST_CASE("a server that is refused or slow is EAGAIN, and one that comes back is asked again") {
  {
    std::string url;
    {
      HttpServer gone(good);
      url = gone.url();
    }
    CHECK(embed(open_endpoint(quick(url)), {"one"}).done.error().code == EAGAIN);
  }
  std::atomic<bool> slow = true;
  HttpServer server([&](const HttpServer::Request& request) {
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(600));
    return good(request);
  });
  OpenAiOptions options = quick(server.url());
  options.down_ms_min = 1;
  const auto endpoint = open_endpoint(options);
  const auto embedder = make_embedder(endpoint, 3);
  const TermBag none;
  const TextIndex index;
  std::vector<float> row(3);
  const QuestionText question{.text = "one", .terms = none, .statistics = index};
  CHECK(embedder->embed_question(question, row).error().code == EAGAIN);
  slow = false;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(embedder->embed_question(question, row).has_value());
}

TEST_SUITE_END();
