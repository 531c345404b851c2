// SPDX-License-Identifier: Apache-2.0
// ScopeFilter: which files a question may answer with. In the subtree asked, reachable and
// readable for the caller, matching the options' filters; computed from names and parents as
// they are now, remembered for this one question.
//
// Threads: one. Calls FileView, so no lock of search is held.
#pragma once
#include <set>
#include <string>
#include <unordered_map>

#include "search/file_view.h"
#include "search/question.h"

namespace vexfs {

class ScopeFilter {
 public:
  struct Directory {
    bool in_scope = false;
    bool reachable = false;  // the caller may enter it and all above it
    Ino root{};              // of the collection that its files are in
  };
  struct File {
    bool passes = false;
    bool in_scope = false;  // whatever the permissions and filters say
    Ino root{};             // of its collection, that of its first name; 0 without a name
    Ino parent{};           // of the name that it is shown under
    std::string name;
    FileFacts facts;
  };

  // `roots`: the collections' roots, kRootIno included.
  ScopeFilter(FileView& files, std::set<Ino> roots, const Caller& caller, Ino scope,
              const QuestionOptions& options);

  const Directory& directory(Ino ino);
  const File& file(Ino ino);
  // Relative to the scope; empty when the file was moved out of it meanwhile.
  std::string path(const File& file);
  // Nothing is filtered away but by permission: neither a narrow scope nor an option.
  bool unfiltered() const { return unfiltered_; }

 private:
  bool matches_name(std::string_view name) const;
  bool matches_facts(const FileFacts& facts) const;

  FileView& files_;
  const std::set<Ino> roots_;
  const Caller& caller_;
  const Ino scope_;
  const QuestionOptions& options_;
  const bool unfiltered_;
  std::unordered_map<Ino, Directory> directories_;
  std::unordered_map<Ino, File> known_;
};

}  // namespace vexfs
