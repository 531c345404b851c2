// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "tools/question_words.h"

namespace vexfs {

namespace {

struct SearchWords {
  std::vector<std::string> words;
  std::string scope;
  std::string vector;
  QuestionWords question;
};

void declare(CLI::App& command, SearchWords& words) {
  command.add_option(
      "words", words.words,
      "a directory, then the question; without a directory the current one is asked");
  command.add_option("--in", words.scope, "the directory asked; then all words are the question");
  command.add_option("--vector", words.vector, "ask with a vector: '[0.1, 0.2]'");
  declare_question(command, words.question);
}

bool is_directory(const std::string& path) {
  struct stat attr{};
  return ::stat(path.c_str(), &attr) == 0 && S_ISDIR(attr.st_mode);
}

// `search DIR words…` and `search words…`: the first word is the directory when it is one and
// something is left to ask.
void take_scope(SearchWords& words) {
  const std::size_t needed = words.vector.empty() ? 2 : 1;
  if (words.scope.empty() && words.words.size() >= needed && is_directory(words.words.front())) {
    words.scope = words.words.front();
    words.words.erase(words.words.begin());
  }
}

Outcome<Json> question_of(const SearchWords& words) {
  if (!words.vector.empty()) {
    auto vector = parse_json(words.vector);
    if (!vector) return trouble("--vector: not JSON", "write it like '[0.1, 0.2]'");
    return Json{{"vector", *std::move(vector)}};
  }
  std::string text;
  for (const std::string& word : words.words) text += (text.empty() ? "" : " ") + word;
  if (text.empty()) return trouble("no question", "vexfs search DIR how do I rotate the keys");
  return Json{{"text", std::move(text)}};
}

Exit run(const SearchWords& given) {
  SearchWords words = given;
  take_scope(words);
  auto question = question_of(words);
  if (!question) return report(question.error());
  // As grep does: paths begin with the directory that was named, if one was.
  const std::string prefix = words.scope.empty()          ? ""
                             : words.scope.ends_with('/') ? words.scope
                                                          : words.scope + "/";
  const std::string scope = words.scope.empty() ? "." : words.scope;
  const auto answer = ask(scope, *std::move(question), words.question);
  if (!answer) return report(answer.error());
  return print_answer(*answer, scope, prefix, words.question);
}

}  // namespace

void add_search(CLI::App& app, Exit& exit) {
  add_command<SearchWords>(app, exit, "search", "Find files by what they say",
                           "vexfs search ~/notes how do I rotate the keys\n"
                           "  vexfs search -k 3 --name '*.md' --newer 7d trip to japan",
                           run, declare);
}

}  // namespace vexfs
