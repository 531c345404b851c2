// SPDX-License-Identifier: Apache-2.0
// The options that `search` and `similar` share, and the two ways they reach a mount: a JSON
// line on DIR/.vexfs/query, or, where the mount is read-only, a name user.vexfs.search….
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "src/trouble.h"
#include "tools/commands.h"

namespace vexfs {

struct QuestionWords {
  std::optional<unsigned> k, ef;
  std::optional<float> min;
  std::string mode, name, type, newer, older, larger, smaller;
  bool exact = false;
  bool chunks = false;
  bool json = false;
  std::string color = "auto";
};
void declare_question(CLI::App& command, QuestionWords& words);

// What an answer says: the records as they came, and the status record's figures.
struct AnswerLines {
  std::vector<Json> hits;
  Json status;
};

// Asks at `scope`, a directory of a mount; `asked` holds one of text, vector, similar.
Outcome<AnswerLines> ask(const std::string& scope, Json asked, const QuestionWords& words);

// Prints `PREFIX` + path:lines: snippet (score), or the records as JSON lines, and on stderr what
// the answer leaves open.
Exit print_answer(const AnswerLines& answer, const std::string& scope, const std::string& prefix,
                  const QuestionWords& words);

}  // namespace vexfs
