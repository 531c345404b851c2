// SPDX-License-Identifier: Apache-2.0
// Exclusion: which files are not indexed, and why. For a file each directory above it is asked
// first, from the volume's root down, then the file: what is below an excluded directory stays
// excluded, as gitignore(5) has it. About one path speak, the first that has a line for it:
//
//   .vexfsignore beside it, in the directory above, … in the volume's root
//   "ignore" of the collection that it is in
//   what is excluded by default, unless the collection says "ignore_defaults": false
//
// Exclusion also knows which files were rules when files were last looked at, so that a rule that
// changes, moves or goes is noticed (RuleFile records).
// Threads: any. why() calls FileView.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "search/collection.h"
#include "search/file_view.h"
#include "search/ignore_rules.h"
#include "storage/volume.h"

namespace vexfs {

// Begins every reason that why() gives.
inline constexpr std::string_view kExcluded = "excluded by ";

class Exclusion {
 public:
  explicit Exclusion(Volume& volume) : volume_(volume) {}
  Result<> open();

  // Why the file of this name in `parent` is not indexed; empty: it is. One line for a person.
  std::string why(FileView& files, const Collection& collection, Ino parent, std::string_view name);

  // Under which directory, and with what content, a file of rules has been obeyed.
  struct RuleFile {
    Ino directory{};
    std::uint64_t generation = 0;
    friend bool operator==(const RuleFile&, const RuleFile&) = default;
  };
  std::optional<RuleFile> obeyed(Ino file) const;
  // Nothing: it is no such file any more.
  Result<> put_obeyed(Ino file, std::optional<RuleFile> rules);

 private:
  struct Parsed {
    Ino file{};
    std::uint64_t generation = 0;
    std::shared_ptr<const IgnoreRules> rules;
  };
  struct Level {
    Ino directory{};
    std::string name;                          // of the directory in the one above
    std::shared_ptr<const IgnoreRules> rules;  // null: it has none
  };
  // What the collection says.
  struct Own {
    std::shared_ptr<const IgnoreRules> rules;  // null: nothing
    bool defaults = true;
  };
  struct Settled {
    std::string text;
    std::shared_ptr<const IgnoreRules> rules;
  };
  struct Asked;
  std::string why_path(const Asked& asked, const Own& own) const;
  Own own_rules(const Collection& collection);
  std::shared_ptr<const IgnoreRules> rules_of(FileView& files, Ino directory);
  std::vector<Level> levels_above(FileView& files, Ino parent);

  Volume& volume_;
  mutable Mutex mutex_{Rank::leaf};
  std::unordered_map<Ino, Parsed> parsed_ GUARDED_BY(mutex_);    // by directory
  std::unordered_map<Ino, Settled> settled_ GUARDED_BY(mutex_);  // by collection
  std::map<Ino, RuleFile> obeyed_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
