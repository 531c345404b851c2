// SPDX-License-Identifier: Apache-2.0
// IgnoreRules: the lines of one `.vexfsignore`, with the meaning that gitignore(5) gives them.
//
//   *.log   any name, at any depth      /build  only beside the rules      out/  directories only
//   a/**/b  any directories between     !keep   what a line above excluded is kept
//
// Always: matching takes time linear in the pattern times the path, whatever the pattern is.
// Threads: values; any.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vexfs {

inline constexpr std::string_view kIgnoreFileName = ".vexfsignore";
inline constexpr std::size_t kIgnoreBytesMax = 64 << 10;  // of such a file; the rest is not read

class IgnoreRules {
 public:
  explicit IgnoreRules(std::string_view text = {});

  struct Match {
    bool ignored = false;    // false: a line that begins with '!' keeps it
    std::uint32_t line = 0;  // from 1; the last one that matches decides
    std::string_view pattern = {};
  };
  // `path` is relative to the directory that the rules stand in; nothing: no line is about it.
  std::optional<Match> match(std::string_view path, bool directory) const;
  bool empty() const { return rules_.empty(); }

 private:
  struct Rule {
    std::string line;
    std::vector<std::string> segments = {};  // between slashes; "**" stands alone
    std::uint32_t number = 0;
    bool keeps = false;
    bool directories = false;
  };
  static std::optional<Rule> parse(std::string_view line);
  std::vector<Rule> rules_;
};

}  // namespace vexfs
