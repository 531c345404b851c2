// SPDX-License-Identifier: Apache-2.0
#include "tools/mounted.h"
#include "tools/question_words.h"

namespace vexfs {

namespace {

struct SimilarWords {
  std::string file, scope;
  QuestionWords question;
};

void declare(CLI::App& command, SimilarWords& words) {
  command.add_option("file", words.file, "a file of a mounted volume")->required();
  command.add_option("--in", words.scope, "the directory asked (default: the whole volume)");
  declare_question(command, words.question);
}

// `path` below `directory`, both absolute; empty when it is not.
std::string relative(const std::string& path, const std::string& directory) {
  const std::string above = directory == "/" ? directory : directory + "/";
  return path.starts_with(above) ? path.substr(above.size()) : "";
}

Exit run(const SimilarWords& words) {
  const auto mount = mount_holding(words.file);
  if (!mount) return report(mount.error());
  const auto file = absolute_path(words.file);
  if (!file) return report(file.error());
  const auto scope =
      words.scope.empty() ? Outcome<std::string>(mount->directory) : absolute_path(words.scope);
  if (!scope) return report(scope.error());
  const std::string path = relative(*file, *scope);
  if (path.empty())
    return report({format("{}: not below {}", words.file, *scope),
                   "--in names a directory that the file lies in"});
  const auto answer = ask(*scope, Json{{"similar", path}}, words.question);
  if (!answer) return report(answer.error());
  return print_answer(*answer, *scope, *scope + "/", words.question);
}

}  // namespace

void add_similar(CLI::App& app, Exit& exit) {
  add_command<SimilarWords>(app, exit, "similar", "Find files like a file",
                            "vexfs similar ~/notes/ops/keys.md -k 5", run, declare);
}

}  // namespace vexfs
