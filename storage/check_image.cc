// SPDX-License-Identifier: Apache-2.0
#include "storage/check_image.h"

#include "base/buffer_pool.h"
#include "base/text.h"
#include "storage/page.h"
#include "storage/wal_reader.h"

namespace vexfs {

using Kind = TransactionReader::Kind;

Result<std::unique_ptr<CheckImage>> CheckImage::open(BlockDevice& device, CheckReport& report) {
  VEXFS_TRY(const Superblock facts, read_superblock(device));
  std::unique_ptr<CheckImage> image(new CheckImage(device, facts));
  image->check_superblocks(report);
  image->read_log(report);
  return image;
}

void CheckImage::check_superblocks(CheckReport& report) {
  for (unsigned slot = 0; slot < kSuperblockSlots; ++slot)
    for (unsigned copy = 0; copy < kSuperblockCopies; ++copy) {
      const auto read = read_superblock_copy(device_, slot, copy);
      if (read) continue;
      // A crash may tear what was being written; the next write of this slot mends it.
      report.add({.code = "superblock-copy",
                  .severity = facts_.clean ? Severity::warning : Severity::note,
                  .where = format("superblock slot {} copy {}", slot, copy),
                  .sentence = format("cannot be used: {}", read.error().what),
                  .repairable = true});
    }
}

void CheckImage::read_log(CheckReport& report) {
  WalReader reader(device_, {.bytes = facts_.log_bytes, .seed = facts_.id_low},
                   {.position = facts_.log_position,
                    .last_lsn = facts_.checkpoint_lsn,
                    .epoch_max = facts_.mount_epoch});
  const auto broken = [&](const Error& error) {
    report.add({.code = "log-unreadable",
                .severity = Severity::error,
                .where = "log",
                .sentence = format("cannot be read: {}", error.what)});
  };
  for (WalReader::Frame frame;;) {
    const auto more = reader.next(frame);
    if (!more) return broken(more.error());
    if (!*more) break;
    ++frames_;
    transactions_ += frame.transactions;
    apply(frame.records, report);
  }
  const auto damaged = reader.is_damaged();
  if (!damaged) return broken(damaged.error());
  if (*damaged)
    report.add({.code = "log-damaged",
                .severity = Severity::error,
                .where = format("log, LSN {}", static_cast<std::uint64_t>(reader.last_lsn()) + 1),
                .sentence = "a frame is damaged that a later one declares durable: what was "
                            "synced after it is lost, and a mount is read-only"});
}

void CheckImage::apply(Bytes records, CheckReport& report) {
  TransactionReader reader(records);
  for (TransactionReader::Record record; reader.next(record);) {
    Changes& changes = changes_[static_cast<unsigned>(record.tree)];
    if (record.kind == Kind::put)
      changes.insert_or_assign(std::string(as_text(record.key)),
                               std::string(as_text(record.value)));
    else if (record.kind == Kind::erase)
      changes.insert_or_assign(std::string(as_text(record.key)), std::nullopt);
    else
      space_changes_.push_back(record);
  }
  if (reader.failed())
    report.add({.code = "log-records",
                .severity = Severity::error,
                .where = format("log, frame {}", frames_),
                .sentence = "holds records that no transaction wrote"});
}

bool CheckImage::holds_page(std::uint64_t address) const {
  return address >= facts_.data_first && address < facts_.data_end && address % kPageBlocks == 0;
}

CheckImage::Fault CheckImage::fault_of(Bytes bytes, const PagePointer& pointer, Tree tree,
                                       unsigned level) {
  if (page_check(bytes) != pointer.check)
    return {.code = "page-checksum", .why = "its checksum is not what the pointer to it says"};
  if (const auto valid = PageView::validate(bytes); !valid)
    return {.code = "page-content", .why = valid.error().what};
  const PageHeader header = PageView(bytes.data()).header();
  if (header.address != pointer.address)
    return {.code = "page-place", .why = "it says that it belongs elsewhere"};
  if (header.birth != pointer.birth)
    return {.code = "page-birth", .why = "it is of another generation than the pointer to it"};
  if (header.tree != static_cast<std::uint8_t>(tree))
    return {.code = "page-tree", .why = "it is of another tree"};
  if (header.level != level)
    return {.code = "page-level", .why = "it is of another level than its parent says"};
  return {};
}

// Pairs of the tree and changes of the log, both in order, as one.
class CheckImage::Merge {
 public:
  Merge(const Changes& changes, Bytes from, Bytes to, Visit visit)
      : change_(from.empty() ? changes.begin() : changes.lower_bound(std::string(as_text(from)))),
        end_(to.empty() ? changes.end() : changes.lower_bound(std::string(as_text(to)))),
        from_(as_text(from)),
        to_(as_text(to)),
        visit_(visit) {}

  bool ended() const { return ended_; }
  // Whether a page may hold keys that are wanted.
  bool wants(std::string_view low, const std::string* high) const {
    return (to_.empty() || low < to_) && (high == nullptr || *high > from_);
  }
  void pair(Bytes key, Bytes value) {
    const std::string_view text = as_text(key);
    if (ended_ || text < from_ || (!to_.empty() && text >= to_)) return;
    changes_below(&text);
    if (ended_) return;
    if (change_ != end_ && change_->first == text) return;  // changes_below() comes to it
    if (!visit_(key, value)) ended_ = true;
  }
  void finish() { changes_below(nullptr); }

 private:
  // Those with keys below `key`; all.
  void changes_below(const std::string_view* key) {
    for (; !ended_ && change_ != end_ && (key == nullptr || change_->first < *key); ++change_)
      if (change_->second && !visit_(as_bytes(change_->first), as_bytes(*change_->second)))
        ended_ = true;
  }
  Changes::const_iterator change_, end_;
  const std::string_view from_, to_;
  Visit visit_;
  bool ended_ = false;
};

bool CheckImage::scan(Tree tree, Bytes from, Bytes to, Visit visit) const {
  if (closed_.contains(tree)) return false;
  const auto index = static_cast<unsigned>(tree);
  Merge merge(changes_[index], from, to, visit);
  const bool whole = walk(tree, facts_.roots[index], merge);
  merge.finish();
  return whole;
}

bool CheckImage::scan_pinned(Tree tree, const TreeRoot& root, Visit visit) const {
  const Changes none;
  Merge merge(none, {}, {}, visit);
  return walk(tree, root, merge);
}

// Below `from`, in the order of keys. Levels fall with each step, so this ends.
bool CheckImage::walk(Tree tree, const TreeRoot& from, Merge& merge) const {
  if (from.page.none() || merge.ended()) return true;
  if (!holds_page(from.page.address)) return false;
  const Buffer buffer = Buffer::take(kPageBytes);
  if (!device_.read(from.page.address * kBlockBytes, buffer.bytes())) return false;
  if (fault_of(buffer.bytes(), from.page, tree, from.level).code != nullptr) return false;
  const PageView page(buffer.data());
  bool whole = true;
  for (unsigned i = 0; i < page.count() && !merge.ended(); ++i) {
    if (from.level == 0) {
      merge.pair(page.key(i), page.value(i));
      continue;
    }
    const std::string_view low = i == 0 ? std::string_view() : as_text(page.key(i));
    const std::string high(i + 1 < page.count() ? as_text(page.key(i + 1)) : std::string_view());
    if (merge.wants(low, i + 1 < page.count() ? &high : nullptr))
      whole &= walk(tree, {.page = page.child(i), .level = from.level - 1}, merge);
  }
  return whole;
}

std::optional<std::string> CheckImage::get(Tree tree, Bytes key) const {
  std::optional<std::string> found;
  std::string to(as_text(key));
  to.push_back('\0');
  scan(tree, key, as_bytes(to), [&](Bytes, Bytes value) {
    found = std::string(as_text(value));
    return false;
  });
  return found;
}

}  // namespace vexfs
