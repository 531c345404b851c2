// SPDX-License-Identifier: Apache-2.0
// Cranfield: documents, questions and judgements for measuring how well ranking works. The data
// is not part of the project; tests say so and go on where it is absent.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace vexfs {

struct Cranfield {
  struct Document {
    std::string id, title, text;
    // As the file that it becomes: the title is the first line (the text repeats it).
    std::string content() const { return title + "\n\n" + text + "\n"; }
  };
  struct Question {
    std::string text;
    std::unordered_set<std::string> relevant;  // ids; every judged document has gain 1
  };
  std::vector<Document> documents;
  std::vector<Question> questions;
};

// From $VEXFS_TEST_DATA, or shared/data in one of the two folders above the sources.
std::optional<Cranfield> load_cranfield();
inline constexpr std::string_view kCranfieldAbsent =
    "SKIPPED: no cranfield/ in $VEXFS_TEST_DATA or ../shared/data";

// Of the ranked ids, best first: sum of 1/log2(rank+1) over the first ten, divided by that of the
// ideal order.
double ndcg_at_10(const std::vector<std::string>& ranked,
                  const std::unordered_set<std::string>& relevant);

}  // namespace vexfs
