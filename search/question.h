// SPDX-License-Identifier: Apache-2.0
// Question and Answer: what is asked of a subtree, and what comes back.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/caller.h"
#include "base/json.h"
#include "base/result.h"
#include "storage/types.h"

namespace vexfs {

enum class Mode : std::uint8_t { automatic, vector, text, hybrid };
enum class Format : std::uint8_t { text, json };

struct QuestionOptions {
  std::uint32_t k = 10;  // 1 ..= 10000
  Mode mode = Mode::automatic;
  std::uint32_t ef = 0;  // 0: chosen by the engine
  bool exact = false;
  bool chunks = false;                                     // list chunks, not files
  std::string name = {};                                   // glob; empty: any
  std::string type = {};                                   // extension without the dot; empty: any
  std::optional<std::int64_t> newer = {}, older = {};      // mtime, seconds since 1970
  std::optional<std::uint64_t> larger = {}, smaller = {};  // bytes
  std::optional<float> min = {};                           // score
  Format format = Format::text;
};

// "k=5,mode=text" as it stands in an attribute or directory name. %2C %3A %2F %25 in values are
// decoded. EINVAL for an unknown key or a bad value: never a different search.
Result<QuestionOptions> parse_options(std::string_view text);

struct Question {
  Ino scope = kRootIno;  // the directory asked
  Caller caller = {};
  std::string text = {};  // one of text, vector, similar_to, similar_path
  std::vector<float> vector = {};
  Ino similar_to{};
  std::string similar_path = {};  // a file below the scope, as `path` of an answer names it
  QuestionOptions options = {};
};

// One line of a query file: {"text":…}, {"vector":[…]} or {"similar":PATH}, with k, mode, ef,
// exact, chunks, min and "filter":{name, newer, older, larger, smaller, type}. EINVAL for an
// unknown key, a bad value, or not exactly one of the three. NaN does not exist in JSON.
Result<Question> parse_question(std::string_view json);

struct Locator {
  enum class Kind : std::uint8_t { none, lines, page, row } kind = Kind::none;
  std::uint64_t first = 0, last = 0;
};

struct Hit {
  Ino ino{};
  std::string path = {};  // relative to the scope; bytes
  float score = 0;        // what the order is by, higher is better
  Locator locator = {};
  std::string snippet = {};
  std::optional<float> cosine = {}, bm25 = {}, distance = {};
  timespec mtime{};
};

struct Answer {
  std::vector<Hit> hits = {};  // best first
  std::uint64_t pending = 0;   // files in scope not indexed yet
  std::uint64_t failed = 0;
  std::uint64_t left_out = 0;  // collections that could not be asked (dimension, embedder)
};

// score TAB path TAB locator TAB snippet lines (or JSON lines), then the status record. Cut at a
// whole record to at most `bytes_max`, with a record that says so.
std::string render(const Answer& answer, Format format, std::size_t bytes_max);
// One hit as a JSON object: path or path_b64, score, locator, snippet, …
Json to_json(const Hit& hit);

}  // namespace vexfs
