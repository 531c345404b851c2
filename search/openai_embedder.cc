// SPDX-License-Identifier: Apache-2.0
#include "search/openai_embedder.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"
#include "search/chunker.h"
#include "search/http_client.h"
#include "search/utf8.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

constexpr std::size_t kTextsMax = 32;
constexpr std::size_t kRequestBytesMax = 1'000'000;
constexpr std::size_t kCutBytesMin = 256;  // a text that is too long even so has no vector
constexpr unsigned kRetryAfterMsMax = 5000;
constexpr std::uint64_t kNsPerMs = 1'000'000;

Error bad_answer(const char* what) {
  return {.code = EAGAIN, .what = what};
}

// {"data":[{"index":0,"embedding":[…]},…]} into rows, each of unit length.
Result<> read_answer(const std::string& body, std::size_t texts, std::size_t dimension,
                     std::span<float> rows) {
  const auto json = parse_json(body);
  if (!json || !json->is_object()) return std::unexpected(bad_answer("endpoint: no JSON"));
  const auto data = json->find("data");
  if (data == json->end() || !data->is_array() || data->size() != texts)
    return std::unexpected(bad_answer("endpoint: not as many vectors as texts"));
  std::vector<bool> seen(texts);
  for (const Json& one : *data) {
    const auto index = one.is_object() ? one.find("index") : one.end();
    const auto vector = one.is_object() ? one.find("embedding") : one.end();
    if (!one.is_object() || index == one.end() || vector == one.end() ||
        !index->is_number_unsigned() || index->get<std::uint64_t>() >= texts || !vector->is_array())
      return std::unexpected(bad_answer("endpoint: an answer of another form"));
    const auto at = index->get<std::size_t>();
    if (seen[at]) return std::unexpected(bad_answer("endpoint: an index twice"));
    seen[at] = true;
    if (vector->size() != dimension)
      return std::unexpected(bad_answer("endpoint: a vector of another dimension"));
    const std::span<float> row = rows.subspan(at * dimension, dimension);
    for (std::size_t i = 0; i < dimension; ++i) {
      const Json& value = (*vector)[i];
      row[i] = value.is_number() ? value.get<float>() : NAN;  // NaN comes as null, or not at all
    }
    if (!all_finite(row))
      return std::unexpected(bad_answer("endpoint: a vector that is not finite"));
    normalise(row);
  }
  return {};
}

}  // namespace

class OpenAiEndpoint {
 public:
  explicit OpenAiEndpoint(OpenAiOptions options)
      : options_(std::move(options)), client_(options_.url + "/embeddings") {}

  const OpenAiOptions& options() const { return options_; }

  // `texts` into as many rows. EAGAIN: not now.
  Result<> embed(std::span<const std::string> texts, std::size_t dimension, std::span<float> rows,
                 bool question) {
    static Histogram& took =
        metrics::histogram("vexfs_embed_seconds", "Embedding one text", "embedder=\"openai\"");
    Timed timed(took);
    VEXFS_CHECK(check_up());
    auto done = embed_some(texts, dimension, rows, question);
    set_up(done ? nullptr : done.error().what);
    if (!done) done.error().code = EAGAIN;
    return done;
  }
  Result<std::uint32_t> probe() {
    VEXFS_CHECK(check_up());
    const auto reply = ask({"dimension"}, true);
    std::uint32_t dimension = 0;
    const char* why = reply ? "endpoint: an answer of another form" : reply.error().what;
    if (const auto json = parse_json(reply ? reply->body : ""); json && json->is_object()) {
      const auto vector = json->find("data");
      if (vector != json->end() && vector->is_array() && vector->size() == 1 &&
          (*vector)[0].is_object() && (*vector)[0].contains("embedding"))
        dimension = static_cast<std::uint32_t>((*vector)[0]["embedding"].size());
    }
    const bool fine = dimension != 0 && dimension <= kDimensionMax;
    set_up(fine ? nullptr : why);
    if (!fine) return std::unexpected(bad_answer(why));
    return dimension;
  }

 private:
  std::string key() const {
    std::string key;
    if (!options_.key_file.empty()) {
      std::ifstream file(options_.key_file);
      key.assign(std::istreambuf_iterator<char>(file), {});
    } else if (const char* given = std::getenv("VEXFS_EMBEDDER_KEY")) {
      key = given;
    }
    while (!key.empty() && key.back() <= ' ') key.pop_back();
    return key;
  }

  Result<> check_up() const {
    Lock lock(mutex_);
    if (monotonic_ns() < down_until_ns_) return std::unexpected(bad_answer(why_down_));
    return {};
  }
  void set_up(const char* why_down) {
    Lock lock(mutex_);
    if (why_down == nullptr) {
      down_ms_ = 0;
      return;
    }
    down_ms_ = down_ms_ == 0 ? options_.down_ms_min : std::min(2 * down_ms_, options_.down_ms_max);
    down_until_ns_ = monotonic_ns() + down_ms_ * kNsPerMs;
    why_down_ = why_down;
    log(Level::warn, "embedder", "the endpoint does not embed",
        {{"why", std::string_view(why_down)}, {"pause_ms", std::uint64_t{down_ms_}}});
  }

  // One request, repeated where that may help. 413 is for the caller to make it smaller.
  Result<HttpReply> ask(const std::vector<std::string>& texts, bool question) {
    const Json input(texts);
    const std::string body =
        to_text(Json{{"model", options_.model}, {"input", input}, {"encoding_format", "float"}});
    const HttpClient::Limits limits{.total_ms = question ? options_.question_ms_max
                                                         : options_.document_ms_max};
    const unsigned tries = question ? 1 : options_.tries;
    unsigned pause_ms = options_.first_pause_ms;
    for (unsigned attempt = 1;; ++attempt) {
      auto reply = client_.post(body, key(), limits);
      const bool again = !reply || reply->status == 429 || reply->status >= 500;
      if (!again && (reply->status == 200 || reply->status == 413)) return reply;
      if (!again || attempt >= tries) {
        if (!reply) return reply;
        return std::unexpected(bad_answer(reply->status == 429   ? "endpoint: too many requests"
                                          : reply->status >= 500 ? "endpoint: it has trouble (5xx)"
                                          : reply->status == 401 || reply->status == 403
                                              ? "endpoint: the key is refused"
                                              : "endpoint: the request is refused (4xx)"));
      }
      const unsigned asked_ms =
          reply ? static_cast<unsigned>(std::min(reply->retry_after_s, 3600L)) * 1000 : 0;
      std::this_thread::sleep_for(
          std::chrono::milliseconds(std::clamp(asked_ms, pause_ms, kRetryAfterMsMax)));
      pause_ms *= 2;
    }
  }

  Result<> embed_some(std::span<const std::string> texts, std::size_t dimension,
                      std::span<float> rows, bool question) {
    for (std::size_t at = 0; at < texts.size();) {
      std::size_t count = 0, bytes = 0;
      while (count < kTextsMax && at + count < texts.size() &&
             (count == 0 || bytes + texts[at + count].size() <= kRequestBytesMax))
        bytes += texts[at + count++].size();
      VEXFS_CHECK(embed_batch({texts.begin() + at, texts.begin() + at + count}, dimension,
                              rows.subspan(at * dimension, count * dimension), question));
      at += count;
    }
    return {};
  }

  Result<> embed_batch(std::vector<std::string> texts, std::size_t dimension, std::span<float> rows,
                       bool question) {
    VEXFS_TRY(const HttpReply reply, ask(texts, question));
    if (reply.status != 413) return read_answer(reply.body, texts.size(), dimension, rows);
    if (texts.size() > 1) {
      const auto half = static_cast<std::ptrdiff_t>(texts.size() / 2);
      const std::size_t values = static_cast<std::size_t>(half) * dimension;
      VEXFS_CHECK(embed_batch({texts.begin(), texts.begin() + half}, dimension, rows.first(values),
                              question));
      return embed_batch({texts.begin() + half, texts.end()}, dimension, rows.subspan(values),
                         question);
    }
    std::string& only = texts.front();
    if (only.size() / 2 < kCutBytesMin) {
      std::ranges::fill(rows, 0.0F);
      return {};
    }
    only.resize(only.size() / 2);
    only = repaired_utf8(only);
    return embed_batch(std::move(texts), dimension, rows, question);
  }

  const OpenAiOptions options_;
  const HttpClient client_;
  mutable Mutex mutex_;
  std::uint64_t down_until_ns_ GUARDED_BY(mutex_) = 0;
  unsigned down_ms_ GUARDED_BY(mutex_) = 0;
  const char* why_down_ GUARDED_BY(mutex_) = "endpoint: down";
};

namespace {

class OpenAiEmbedder final : public Embedder {
 public:
  OpenAiEmbedder(std::shared_ptr<OpenAiEndpoint> endpoint, std::uint32_t dimension)
      : endpoint_(std::move(endpoint)),
        dimension_(dimension),
        identity_(identity_of(endpoint_->options(), dimension)) {}

  std::uint32_t dimension() const override { return dimension_; }
  std::string identity() const override { return identity_; }
  bool reads_text() const override { return true; }

  Result<> embed_documents(std::span<const DocumentText> documents,
                           std::span<float> rows) const override {
    VEXFS_ASSERT(rows.size() == documents.size() * dimension_);
    std::ranges::fill(rows, 0.0F);
    std::vector<std::string> texts;
    std::vector<std::size_t> numbers;  // a text without letters has no vector
    for (std::size_t i = 0; i < documents.size(); ++i) {
      if (documents[i].text.find_first_not_of(" \t\r\n") == std::string_view::npos) continue;
      texts.push_back(endpoint_->options().document_prefix + repaired_utf8(documents[i].text));
      numbers.push_back(i);
    }
    std::vector<float> found(texts.size() * dimension_);
    VEXFS_CHECK(endpoint_->embed(texts, dimension_, found, false));
    for (std::size_t i = 0; i < numbers.size(); ++i)
      std::ranges::copy(std::span(found).subspan(i * dimension_, dimension_),
                        rows.subspan(numbers[i] * dimension_).begin());
    return {};
  }
  Result<> embed_question(const QuestionText& question, std::span<float> row) const override {
    VEXFS_ASSERT(row.size() == dimension_);
    const std::string text = endpoint_->options().question_prefix + repaired_utf8(question.text);
    return endpoint_->embed({&text, 1}, dimension_, row, true);
  }

 private:
  const std::shared_ptr<OpenAiEndpoint> endpoint_;
  const std::uint32_t dimension_;
  const std::string identity_;
};

}  // namespace

std::string identity_of(const OpenAiOptions& options, std::uint32_t dimension) {
  const std::string what =
      options.model + '\0' + options.document_prefix + '\0' + options.question_prefix;
  return format("{} openai model={:016x} dimension={} chunker={}", options.name,
                hash64(as_bytes(what)), dimension, kChunkerVersion);
}

std::shared_ptr<OpenAiEndpoint> open_endpoint(OpenAiOptions options) {
  return std::make_shared<OpenAiEndpoint>(std::move(options));
}

Result<std::uint32_t> dimension_of(OpenAiEndpoint& endpoint) {
  return endpoint.probe();
}

std::shared_ptr<const Embedder> make_embedder(std::shared_ptr<OpenAiEndpoint> endpoint,
                                              std::uint32_t dimension) {
  return std::make_shared<OpenAiEmbedder>(std::move(endpoint), dimension);
}

}  // namespace vexfs
