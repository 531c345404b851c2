// SPDX-License-Identifier: Apache-2.0
#include "tools/question_words.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "tools/mounted.h"

namespace vexfs {

namespace {

constexpr std::size_t kXattrNameBytesMax = 255;

Json filter_of(const QuestionWords& words) {
  Json filter = Json::object();
  const std::pair<const char*, const std::string&> texts[] = {
      {"name", words.name},   {"type", words.type},     {"newer", words.newer},
      {"older", words.older}, {"larger", words.larger}, {"smaller", words.smaller}};
  for (const auto& [key, value] : texts)
    if (!value.empty()) filter[key] = value;
  return filter;
}

// The keys beside text, vector or similar.
void add_options(Json& question, const QuestionWords& words) {
  if (words.k) question["k"] = *words.k;
  if (words.ef) question["ef"] = *words.ef;
  if (words.min) question["min"] = *words.min;
  if (!words.mode.empty()) question["mode"] = words.mode;
  if (words.exact) question["exact"] = true;
  if (words.chunks) question["chunks"] = true;
  if (Json filter = filter_of(words); !filter.empty()) question["filter"] = std::move(filter);
}

// A value inside an attribute name: what has a meaning there is written as %XX.
std::string escaped(const std::string& value) {
  std::string out;
  for (char c : value) {
    if (c == ',' || c == ':' || c == '/' || c == '%')
      out += format("%{:02X}", static_cast<unsigned>(c));
    else
      out.push_back(c);
  }
  return out;
}

std::string attribute_name(const Json& question) {
  std::string options = "format=json";
  const auto add = [&options](const std::string& key, const Json& value) {
    const std::string text = value.is_string()    ? value.get<std::string>()
                             : value.is_boolean() ? std::string(value.get<bool>() ? "1" : "0")
                                                  : to_text(value);
    options += "," + key + "=" + escaped(text);
  };
  for (const auto& [key, value] : question.items()) {
    if (key == "filter")
      for (const auto& [filter, wanted] : value.items()) add(filter, wanted);
    else if (key != "text")
      add(key, value);
  }
  return "user.vexfs.search." + options + ":" + question["text"].get<std::string>();
}

// The query file needs a writable mount; an attribute does not.
Outcome<std::string> ask_attribute(const std::string& scope, const Json& question) {
  if (!question.contains("text"))
    return trouble(format("{}: mounted read-only, only questions in words work", scope));
  const std::string name = attribute_name(question);
  if (name.size() > kXattrNameBytesMax)
    return trouble("the question is too long for a read-only mount", "ask with fewer words");
  std::string value(64 << 10, '\0');
  const ssize_t got = ::getxattr(scope.c_str(), name.c_str(), value.data(), value.size());
  if (got < 0) return trouble_errno(scope, errno);
  value.resize(static_cast<std::size_t>(got));
  return value;
}

Outcome<std::string> ask_query_file(const std::string& scope, const Json& question) {
  const auto file = open_hidden(scope, "query", O_RDWR);
  if (!file) return std::unexpected(file.error());
  const std::string line = to_text(question) + "\n";
  if (::write(file->descriptor(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    return trouble_errno(scope + "/.vexfs/query", errno);
  return read_all(*file, scope + "/.vexfs/query");
}

Outcome<AnswerLines> parse_answer(std::string_view text) {
  AnswerLines answer;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    auto record = parse_json(line);
    if (!record || !record->is_object()) return trouble("the daemon's answer makes no sense");
    if (record->contains("error"))
      return trouble(record->value("error", ""), "options: vexfs search --help");
    if (record->contains("status"))
      answer.status = (*record)["status"];
    else
      answer.hits.push_back(*std::move(record));
  }
  return answer;
}

// Names are bytes: one that is not UTF-8 comes as base64.
std::string decoded_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, have = 0;
  for (char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(digit);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out.push_back(static_cast<char>(bits >> have & 0xff));
  }
  return out;
}

// One line, and nothing that a terminal would obey.
std::string printable(std::string_view text) {
  std::string out;
  for (char c : text) {
    const bool control = static_cast<unsigned char>(c) < ' ' || c == '\x7f';
    if (!control && c != ' ')
      out.push_back(c);
    else if (!out.empty() && out.back() != ' ')
      out.push_back(' ');
  }
  return out;
}

struct Colors {
  const char *path = "", *place = "", *dim = "", *off = "";
};

Colors colors_of(const QuestionWords& words) {
  const bool on =
      words.color == "always" || (words.color == "auto" && ::isatty(STDOUT_FILENO) != 0);
  if (!on) return {};
  return {.path = "\033[35m", .place = "\033[32m", .dim = "\033[2m", .off = "\033[0m"};
}

void print_hit(const Json& hit, const std::string& prefix, const Colors& color) {
  const std::string path =
      hit.contains("path_b64") ? decoded_base64(hit.value("path_b64", "")) : hit.value("path", "");
  std::string place = hit.value("locator", "-");
  if (place.starts_with("lines ")) place = place.substr(6);
  const std::string snippet = printable(hit.value("snippet", ""));
  std::printf("%s%s%s:%s%s%s:%s  %s(%.3f)%s\n", color.path, printable(prefix + path).c_str(),
              color.off, color.place, place.c_str(), color.off, snippet.c_str(), color.dim,
              hit.value("score", 0.0), color.off);
}

}  // namespace

void declare_question(CLI::App& command, QuestionWords& words) {
  command.add_option("-k", words.k, "at most so many answers (default 10)");
  command.add_option("--mode", words.mode, "vector, text or hybrid (default: what there is)");
  command.add_option("--ef", words.ef, "breadth of the graph search");
  command.add_flag("--exact", words.exact, "compare with every vector");
  command.add_flag("--chunks", words.chunks, "answer passages, not files");
  command.add_option("--min", words.min, "smallest score");
  command.add_option("--name", words.name, "only files whose name matches this glob");
  command.add_option("--type", words.type, "only files with this extension");
  command.add_option("--newer", words.newer, "changed since: 7d, 12h, 2026-01-31");
  command.add_option("--older", words.older, "not changed since");
  command.add_option("--larger", words.larger, "at least so large: 10k, 1M");
  command.add_option("--smaller", words.smaller, "at most so large");
  command.add_flag("--json", words.json, "JSON lines, the last one a status record");
  command.add_option("--color", words.color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
}

Outcome<AnswerLines> ask(const std::string& scope, Json asked, const QuestionWords& words) {
  add_options(asked, words);
  struct statvfs facts{};
  const bool read_only = ::statvfs(scope.c_str(), &facts) == 0 && (facts.f_flag & ST_RDONLY) != 0;
  const auto text = read_only ? ask_attribute(scope, asked) : ask_query_file(scope, asked);
  if (!text) return std::unexpected(text.error());
  return parse_answer(*text);
}

Exit print_answer(const AnswerLines& answer, const std::string& scope, const std::string& prefix,
                  const QuestionWords& words) {
  const Colors color = colors_of(words);
  for (const Json& hit : answer.hits) {
    if (words.json)
      std::printf("%s\n", to_text(hit).c_str());
    else
      print_hit(hit, prefix, color);
  }
  if (words.json) std::printf("%s\n", to_text(Json{{"status", answer.status}}).c_str());
  const auto figure = [&answer](const char* key) {
    return answer.status.value(key, std::uint64_t{0});
  };
  if (figure("pending") != 0)
    std::fprintf(stderr, "vexfs: %llu files are not indexed yet; wait with: vexfs index wait %s\n",
                 static_cast<unsigned long long>(figure("pending")), scope.c_str());
  if (figure("failed") != 0)
    std::fprintf(stderr, "vexfs: %llu files could not be indexed; see .vexfs/errors of the mount\n",
                 static_cast<unsigned long long>(figure("failed")));
  if (figure("left_out") != 0)
    std::fprintf(stderr, "vexfs: %llu collections were left out: their vectors do not compare\n",
                 static_cast<unsigned long long>(figure("left_out")));
  return answer.hits.empty() ? Exit::nothing : Exit::found;
}

}  // namespace vexfs
