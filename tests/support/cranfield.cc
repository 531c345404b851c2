// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cranfield.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"

namespace vexfs {

namespace {

namespace filesystem = std::filesystem;

std::optional<filesystem::path> data_folder() {
  std::vector<filesystem::path> places;
  if (const char* given = std::getenv("VEXFS_TEST_DATA")) places.emplace_back(given);
  const filesystem::path sources = VEXFS_SOURCE_ROOT;
  places.push_back(sources.parent_path() / "shared/data");
  places.push_back(sources.parent_path().parent_path() / "shared/data");
  for (const auto& place : places)
    if (filesystem::exists(place / "cranfield/docs.jsonl")) return place / "cranfield";
  return std::nullopt;
}

}  // namespace

std::optional<Cranfield> load_cranfield() {
  const auto folder = data_folder();
  if (!folder) return std::nullopt;
  Cranfield loaded;
  std::ifstream documents(*folder / "docs.jsonl");
  for (std::string line; std::getline(documents, line);) {
    const auto json = parse_json(line);
    if (!json) continue;
    loaded.documents.push_back({.id = to_text((*json)["id"]),
                                .title = (*json)["title"].get<std::string>(),
                                .text = (*json)["text"].get<std::string>()});
  }
  std::ifstream questions(*folder / "queries.tsv");
  for (std::string line; std::getline(questions, line);)
    loaded.questions.push_back({.text = line.substr(line.find('\t') + 1), .relevant = {}});
  std::ifstream judgements(*folder / "qrels.tsv");
  for (std::string line; std::getline(judgements, line);) {
    std::istringstream fields(line);
    std::size_t number = 0;
    std::string id;
    if (fields >> number >> id && number >= 1 && number <= loaded.questions.size())
      loaded.questions[number - 1].relevant.insert(id);
  }
  return loaded;
}

double ndcg_at_10(const std::vector<std::string>& ranked,
                  const std::unordered_set<std::string>& relevant) {
  const auto gain = [](std::size_t rank) { return 1 / std::log2(static_cast<double>(rank) + 1); };
  double got = 0, ideal = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(10, ranked.size()); ++i)
    if (relevant.contains(ranked[i])) got += gain(i + 1);
  for (std::size_t i = 0; i < std::min<std::size_t>(10, relevant.size()); ++i) ideal += gain(i + 1);
  return ideal > 0 ? got / ideal : 0;
}

}  // namespace vexfs
