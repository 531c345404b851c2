// SPDX-License-Identifier: Apache-2.0
#include "tools/helper_names.h"

#include <filesystem>

namespace vexfs {

namespace {

// Which of mount(8)'s words `vexfs mount` understands.
std::vector<std::string> words_of_mount(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"mount"};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "-t" || word == "-N") {
      ++i;
    } else if (word == "-o") {
      words.push_back(word);
      if (++i < arguments.size()) words.push_back(arguments[i]);
    } else if (word.starts_with('-') && word.find('f') != std::string::npos &&
               !word.starts_with("--")) {
      words.push_back("--pretend");
    } else if (!word.starts_with('-') || word.starts_with("--")) {
      words.push_back(word);
    }
  }
  return words;
}

// fsck(8) says -a, -p and -y for "repair", -n for "write nothing", -f for "though it is clean",
// which is always so here, and -C FD, -T, -V, which mean nothing here.
std::vector<std::string> words_of_fsck(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"fsck"};
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "-a" || word == "-p" || word == "-y")
      words.push_back("--repair");
    else if (word != "-n" && word != "-f" && word != "-T" && word != "-V" &&
             !word.starts_with("-C"))
      words.push_back(word);
  }
  return words;
}

}  // namespace

std::vector<std::string> words_of_helper(std::vector<std::string> arguments) {
  if (arguments.empty()) return {};
  const std::string name = std::filesystem::path(arguments[0]).filename().string();
  if (name == "mount.vexfs" || name == "mount.fuse.vexfs") return words_of_mount(arguments);
  if (name == "fsck.vexfs") return words_of_fsck(arguments);
  std::vector<std::string> words;
  if (name == "mkfs.vexfs") words.push_back("mkfs");
  words.insert(words.end(), arguments.begin() + 1, arguments.end());
  return words;
}

}  // namespace vexfs
