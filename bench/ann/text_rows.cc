// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <unordered_set>

#include "base/assert.h"
#include "bench/ann/sets.h"
#include "search/chunker.h"
#include "search/local_embedder.h"
#include "vector/distance.h"

namespace vexfs::bench {

namespace {

namespace files = std::filesystem;

constexpr std::uintmax_t kFileBytesMax = 1 << 20;

bool is_text(const files::path& path) {
  constexpr std::string_view kSuffixes[] = {".txt", ".rst", ".md", ".html", ".pm", ".pod"};
  return std::ranges::find(kSuffixes, path.extension().string()) != std::end(kSuffixes);
}

// Sorted, so that the same files give the same set.
std::vector<files::path> text_files(const std::string& folder) {
  std::vector<files::path> found;
  std::error_code error;
  for (files::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error))
    if (at->is_regular_file(error) && is_text(at->path()) && at->file_size(error) <= kFileBytesMax)
      found.push_back(at->path());
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> chunk_texts(const std::string& folder) {
  std::vector<std::string> texts;
  std::unordered_set<std::string> seen;  // licences stand in many files
  for (const files::path& path : text_files(folder)) {
    std::ifstream file(path, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    const Extracted extracted = extract(path.string(), as_bytes(content), content.size());
    for (const Chunk& chunk : chunks_of(extracted))
      if (seen.emplace(chunk.text).second) texts.emplace_back(chunk.text);
  }
  return texts;
}

}  // namespace

std::vector<float> text_rows(const std::string& folder, std::size_t rows_max) {
  const std::vector<std::string> texts = chunk_texts(folder);
  const std::size_t count = std::min(texts.size(), rows_max);
  TextIndex index;
  std::vector<TermBag> bags;
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < count; ++i) {
    chosen.push_back(i * texts.size() / count);
    bags.push_back(terms_of(texts[chosen.back()]));
    index.add(static_cast<Slot>(i), bags.back());
  }
  const auto embedder = LocalEmbedder::untrained()->train(index);
  if (!embedder) return {};
  std::vector<float> rows;
  std::vector<float> row(kLocalDimension);
  for (std::size_t i = 0; i < count; ++i) {
    const DocumentText document{.text = texts[chosen[i]], .terms = bags[i]};
    VEXFS_ASSERT((*embedder)->embed_documents({&document, 1}, row));
    if (normalise(row)) rows.insert(rows.end(), row.begin(), row.end());
  }
  // Questions are the last rows, and neighbours in the order are of one file: so shuffle.
  std::uint64_t state = 1;
  const std::size_t kept = rows.size() / kLocalDimension;
  for (std::size_t i = kept; i > 1; --i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::size_t other = (state >> 33) % i;
    std::swap_ranges(&rows[(i - 1) * kLocalDimension],
                     &rows[(i - 1) * kLocalDimension] + kLocalDimension,
                     &rows[other * kLocalDimension]);
  }
  return rows;
}

}  // namespace vexfs::bench
