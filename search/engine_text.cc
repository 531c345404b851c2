// SPDX-License-Identifier: Apache-2.0
#include "search/engine_text.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "search/chunk_text.h"
#include "search/chunker.h"
#include "search/embedder.h"
#include "search/extract.h"
#include "search/terms.h"

namespace vexfs {

namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::size_t kBatchChunks = 32;

Histogram& step(const char* labels) {
  return metrics::histogram("vexfs_index_step_seconds", "Steps of indexing one file", labels);
}

Result<std::vector<std::byte>> read_head(FileView& files, Ino ino, std::uint64_t size) {
  std::vector<std::byte> head(std::min(size, kExtractBytesMax));
  for (std::size_t at = 0; at < head.size();) {
    const std::size_t wanted = std::min(kReadBytes, head.size() - at);
    VEXFS_TRY(const std::size_t got, files.read(ino, at, std::span(head).subspan(at, wanted)));
    if (got == 0) return fail(ESTALE, "index: it became shorter");
    at += got;
  }
  return head;
}

// One file's new chunks on their way into space and text index; what is there already is kept.
class ChunkPass {
 public:
  ChunkPass(const Collection::Computed& into, Ino ino, std::uint64_t generation)
      : space_(*into.space),
        text_(*into.text),
        embedder_(into.embedder.get()),
        ino_(ino),
        generation_(generation) {}

  // What was recorded of the file, if it is in this space.
  // `whole`: what has no vector never will have one.
  void expect(const std::vector<ChunkRecord>& old, const std::vector<Slot>& slots, bool whole) {
    const SpaceColumns& columns = space_.columns();
    for (std::size_t number = 0; number < old.size() && number < slots.size(); ++number) {
      const Slot slot = slots[number];
      if (slot >= columns.size() || columns.ino(slot) != ino_ ||
          columns.check(slot) != old[number].hash || columns.dead(slot))
        continue;
      if (!whole && is_zero(slot)) continue;
      // The first chunk counts its first line twice: it is like no other.
      kept_.insert({{old[number].hash, number == 0}, slot});
    }
  }

  Result<> take(const Chunk& chunk, std::uint64_t hash, std::uint8_t locator) {
    const bool first = records_.empty();
    ChunkRecord record{.offset = chunk.offset,
                       .bytes = chunk.bytes,
                       .first = chunk.first_line,
                       .last = chunk.last_line,
                       .hash = hash,
                       .locator = locator};
    if (const auto kept = kept_.find({hash, first}); kept != kept_.end()) {
      slots_.push_back(kept->second);
      used_.push_back({.slot = kept->second, .part = static_cast<std::uint32_t>(records_.size())});
      kept_.erase(kept);
    } else {
      slots_.push_back(kNoSlot);
      batch_.push_back({.number = records_.size(),
                        .text = chunk.text,
                        .terms = terms_of(chunk.text, {.first_line_twice = first})});
    }
    records_.push_back(record);
    return batch_.size() < kBatchChunks ? Result<>() : flush();
  }

  // Embeds and adds what has gathered.
  Result<> flush() {
    if (batch_.empty()) return {};
    const std::uint32_t dimension = space_.identity().dimension;
    std::vector<float> rows(batch_.size() * dimension);
    if (embedder_ != nullptr) {
      static Histogram& took = step("step=\"embed\"");
      Timed timed(took);
      std::vector<DocumentText> documents;
      for (const Fresh& one : batch_) documents.push_back({.text = one.text, .terms = one.terms});
      VEXFS_CHECK(embed(documents, rows));
    }
    static Histogram& took = step("step=\"insert\"");
    Timed timed(took);
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      const ChunkRecord& record = records_[batch_[i].number];
      const NewRow row{.ino = ino_,
                       .check = record.hash,
                       .part = static_cast<std::uint32_t>(batch_[i].number),
                       .generation = generation_,
                       .values = std::span(rows).subspan(i * dimension, dimension)};
      VEXFS_TRY(const Slot slot, text_.append(space_, row, batch_[i].terms));
      slots_[batch_[i].number] = slot;
      added_.push_back(slot);
    }
    batch_.clear();
    return {};
  }

  // Why some chunks have no vector yet; empty: all have.
  const std::string& no_vectors() const { return no_vectors_; }
  const std::vector<ChunkRecord>& records() const { return records_; }
  const std::vector<Slot>& slots() const { return slots_; }
  std::size_t added() const { return added_.size(); }
  // Recorded: the kept ones hold for the new content, the others for nothing.
  void adopt() {
    for (const Used& one : used_) space_.revive(one.slot, one.part, generation_);
    for (const auto& [key, slot] : kept_) kill(slot);
  }
  void undo() {
    for (const Slot slot : added_) kill(slot);
  }

 private:
  struct Fresh {
    std::size_t number;
    std::string_view text;
    TermBag terms;
  };
  struct Used {
    Slot slot;
    std::uint32_t part;
  };
  // Words do not wait for an endpoint that is down.
  Result<> embed(std::span<const DocumentText> documents, std::span<float> rows) {
    if (no_vectors_.empty()) {
      const auto embedded = embedder_->embed_documents(documents, rows);
      if (embedded || embedded.error().code != EAGAIN) return embedded;
      no_vectors_ = std::string(kNoVectors) + embedded.error().what;
    }
    std::ranges::fill(rows, 0.0F);
    return {};
  }
  bool is_zero(Slot slot) const {
    const std::span<const float> row(space_.row(slot), space_.identity().dimension);
    return std::ranges::all_of(row, [](float value) { return value == 0; });
  }
  void kill(Slot slot) {
    space_.kill(slot);
    text_.erase(slot);
  }

  Space& space_;
  CollectionText& text_;
  const Embedder* const embedder_;  // null: chunks have no vectors
  const Ino ino_;
  const std::uint64_t generation_;
  std::multimap<std::pair<std::uint64_t, bool>, Slot> kept_;
  std::vector<Used> used_;
  std::vector<ChunkRecord> records_;
  std::vector<Slot> slots_;  // of the records
  std::vector<Fresh> batch_;
  std::vector<Slot> added_;
  std::string no_vectors_;
};

}  // namespace

// A process that may nothing reads what this one better does not.
Result<> TextIndexer::read_foreign(Ino ino, std::uint64_t size, Bytes head, Extracted& extracted) {
  static Histogram& took = step("step=\"foreign\"");
  Timed timed(took);
  const auto whole = [&](ExtractProcess::Sink sink) -> Result<> {
    std::vector<std::byte> part(kReadBytes);
    for (std::uint64_t at = 0; at < size;) {
      VEXFS_TRY(const std::size_t got, state_.files->read(ino, at, part));
      if (got == 0) return fail(ESTALE, "index: it became shorter");
      VEXFS_CHECK(sink(std::span(part).first(got)));
      at += got;
    }
    return {};
  };
  const auto begin = [&](ExtractProcess::Sink sink) { return sink(head); };
  const bool pdf = extracted.foreign == ForeignKind::pdf;
  auto found =
      pdf && size > kExtractFileMax
          ? Result<ForeignText>(fail(EFBIG, "extract: too large"))
          : state_.extract_process.run(*extracted.foreign,
                                       pdf ? FunctionRef<Result<>(ExtractProcess::Sink)>(whole)
                                           : FunctionRef<Result<>(ExtractProcess::Sink)>(begin));
  if (found) {
    adopt(extracted, *std::move(found));
  } else if (found.error().code == ESTALE) {
    return std::unexpected(found.error());
  } else if (found.error().code == EFBIG) {
    extracted.skipped = "a PDF of over 64 MiB";
  }
  return {};
}

Result<> TextIndexer::index_file(Ino ino, const std::string& name, const FileFacts& facts,
                                 Collection& collection) {
  static Counter& counted = metrics::counter("vexfs_index_chunks_total", "Chunks made of text");
  VEXFS_TRY(const std::vector<std::byte> head, read_head(*state_.files, ino, facts.size));
  static Histogram& took = step("step=\"extract\"");
  const std::uint64_t began_ns = monotonic_ns();
  Extracted extracted = extract(name, head, facts.size);
  if (extracted.foreign) VEXFS_CHECK(read_foreign(ino, facts.size, head, extracted));
  const std::vector<Chunk> chunks = chunks_of(extracted);
  took.record(monotonic_ns() - began_ns);

  FileRecord record = file_record(name, facts, collection);
  record.parts = static_cast<std::uint32_t>(chunks.size());
  if (extracted.skipped != nullptr && extracted.derived)
    state_.errors.add(ino, std::string("skipped: ") + extracted.skipped);
  if (extracted.skipped != nullptr) return records_.put_skipped(ino, record, extracted.skipped);

  VEXFS_TRY(const auto into, state_.collections.computed_space(
                                 collection, state_.embedders.first(collection.settings())));
  const std::uint32_t id = into.space->identity().id;
  const auto before = records_.file(ino);
  const bool comparable = before && before->kind == record.kind &&
                          before->collection == record.collection &&
                          before->suffix == record.suffix;
  if (before && !comparable) VEXFS_CHECK(records_.forget(ino));

  ChunkPass pass(into, ino, facts.generation);
  if (comparable)
    pass.expect(records_.chunks(ino), records_.slots(id, ino, before->parts),
                !records_.remark(ino).starts_with(kNoVectors));
  const std::uint8_t locator = locator_byte(
      extracted.pages.empty() ? Locator::Kind::lines : Locator::Kind::page, extracted.kind);
  Result<> done;
  for (const Chunk& chunk : chunks) {
    if (!done) break;
    done = pass.take(chunk,
                     hash64(extracted.derived ? as_bytes(chunk.text)
                                              : std::span(head).subspan(chunk.offset, chunk.bytes)),
                     locator);
  }
  if (done) done = pass.flush();
  std::vector<std::string_view> texts;
  if (extracted.derived)
    for (const Chunk& chunk : chunks) texts.push_back(chunk.text);
  const auto now = state_.files->facts(ino);
  if (done && now && now->generation != facts.generation) done = fail(ESTALE, "index: it changed");
  const SpaceChange change(into.space->gate(), ino);
  if (done && !change.allowed()) done = fail(kReplaced, "index: the space was replaced");
  if (done)
    done = records_.put_chunks(ino, record,
                               {.space = id,
                                .chunks = pass.records(),
                                .slots = pass.slots(),
                                .texts = texts,
                                .remark = pass.no_vectors()});
  if (!done) {
    pass.undo();
    return done;
  }
  pass.adopt();
  if (!pass.no_vectors().empty())
    state_.without_vectors.add(ino);
  else if (into.embedder && into.embedder->reads_text() && pass.added() != 0)
    state_.without_vectors.succeeded();
  counted.add(pass.added());
  return {};
}

}  // namespace vexfs
