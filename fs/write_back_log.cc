// SPDX-License-Identifier: Apache-2.0
// The way of little content into the log, and of riders back into memory.
#include <cstring>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "fs/change.h"
#include "fs/write_back.h"
#include "storage/rider_format.h"

namespace vexfs {

namespace {

constexpr std::size_t kLogPages = 16;      // 64 KiB in one transaction
constexpr std::size_t kInPlaceBatch = 32;  // of what a full volume makes pass through the log
// Riders of one file: a truncation erases them in one transaction. At half of it they are placed.
constexpr std::size_t kRidersMax = 512;

struct LogMetrics {
  Counter& inline_files =
      metrics::counter("vexfs_writeback_inline_total", "Files whose content went into the log");
  Counter& riders = metrics::counter("vexfs_writeback_riders_total",
                                     "Blocks that an fsync put into the log before their place");
  Counter& in_place = metrics::counter("vexfs_writeback_in_place_total",
                                       "Blocks of preallocated files written again in place");
};

LogMetrics& figures() {
  static LogMetrics all;
  return all;
}

void put_rider(Transaction& transaction, Ino ino, std::uint64_t block,
               const FilePages::Page& page) {
  transaction.put(Tree::rider, rider_key(ino, block), rider_value(page.content.bytes()));
}

}  // namespace

Result<bool> WriteBack::log_pages(Node& node, Wait wait) {
  if (node.removed) return false;  // its pages go without a word
  if (!node.pages.any_pending()) {
    VEXFS_CHECK(log_record(node, wait));
    return true;
  }
  if (fits_inline(node)) return log_inline(node, wait);
  return log_riders(node, wait);
}

Result<> WriteBack::log_record(Node& node, Wait wait) {
  if (node.stale_record && !node.removed) {
    Change change(volume_);
    const Inode& inode = change.edit(node);
    if (inode.content != node.logged_content)
      index_.log_changed(change.transaction, node.ino, inode.content);
    // What it logs was promised when it was taken, so a full volume may not refuse it.
    VEXFS_CHECK(change.commit({.wait = wait, .freeing = true}));
  }
  if (node.pages.empty()) remove_clean(node);
  return {};
}

Result<bool> WriteBack::log_inline(Node& node, Wait wait) {
  if (node.pages.is_writing()) return false;
  node.pages.begin_writing(node.pages.waiting_count());
  const PlacedExtent whole{.extent = inline_extent(node.pages.writing())};
  std::vector<FileExtentGroup> sparse;  // little files have none
  auto logged = commit_some(node, std::span(&whole, 1), sparse, wait);
  if (!logged) {
    let_go(node.pages.give_up_writing());
    return std::unexpected(logged.error());
  }
  figures().inline_files.add();
  remove_clean(node);
  return true;
}

Result<bool> WriteBack::log_riders(Node& node, Wait wait) {
  const std::size_t pages = node.pages.pending_count();
  if (pages > kLogPages || node.pages.rider_count() + pages > kRidersMax) return false;
  Change change(volume_);
  node.pages.each_pending([&](std::uint64_t block, const FilePages::Page& page) {
    put_rider(change.transaction, node.ino, block, page);
  });
  const Inode& next = change.edit(node);
  index_.log_changed(change.transaction, node.ino, next.content);
  const auto logged = change.commit({.wait = wait}, {.all = true});
  if (!logged && logged.error().code == ENOSPC) return false;  // their places are reserved
  VEXFS_CHECK(logged);
  node.pages.set_all_logged();
  figures().riders.add(pages);
  return true;
}

void WriteBack::write_back_if_many_riders(const NodeRef& node, std::size_t riders) {
  if (riders >= kRidersMax / 2) write_back_soon(node);
}

// A crash while a block is written over would leave neither the old nor the new content, so the
// new one is in a durable place first. Whatever sync policy the volume has, a checkpoint is one.
Result<> WriteBack::log_in_place(Placing& placing) {
  Node& node = placing.node;
  std::vector<std::uint64_t> blocks;
  for (const auto& [block, page] : node.pages.writing())
    if (goes_in_place(placing, block, page) &&
        own_block(placing.own, block)->kind == ExtentKind::data)
      blocks.push_back(block);
  if (blocks.empty()) return {};
  for (std::size_t done = 0; done < blocks.size();) {
    VEXFS_TRY(const auto hold, WriteHold::take(volume_, node, Wait::allowed));
    if (node.removed) return {};
    Change change(volume_);
    change.edit(node);
    const std::size_t end = std::min(done + kInPlaceBatch, blocks.size());
    for (std::size_t i = done; i < end; ++i)
      if (const auto& page = node.pages.writing().at(blocks[i]); !page.logged)
        put_rider(change.transaction, node.ino, blocks[i], page);
    VEXFS_CHECK(change.commit({.freeing = true}));
    for (; done < end; ++done)
      if (!node.pages.writing().at(blocks[done]).logged)
        node.pages.set_writing_logged(blocks[done]);
  }
  figures().in_place.add(blocks.size());
  return volume_.checkpoint();
}

Result<> WriteBack::load_riders(LiveNodes& nodes) {
  std::vector<Ino> files;
  VEXFS_CHECK(volume_.scan(Tree::rider, rider_key(Ino{0}, 0), {}, [&](Bytes key, Bytes) {
    const Ino ino{KeyReader(key).u64()};
    if (files.empty() || files.back() != ino) files.push_back(ino);
    return true;
  }));
  for (const Ino ino : files) VEXFS_CHECK(load_riders(nodes.pin(ino)));
  if (!files.empty())
    vexfs::log(Level::info, "writeback", "synced content found in the log",
               {{"files", std::uint64_t{files.size()}}});
  return {};
}

Result<> WriteBack::load_riders(const NodeRef& node) {
  VEXFS_TRY(const auto hold, WriteHold::take(volume_, *node, Wait::allowed));
  const std::uint64_t size = node->inode.size;
  bool bad = false;
  std::int64_t pages = 0;
  const auto load = [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    reader.u64();
    const std::uint64_t block = reader.u64();
    bad = reader.failed() || value.size() > kBlockBytes || block * kBlockBytes >= size;
    if (bad) return false;
    Buffer content = Buffer::take(kBlockBytes);
    // In memory a page is zero past the end of the file.
    const std::size_t kept = std::min<std::uint64_t>(value.size(), size - block * kBlockBytes);
    std::memcpy(content.data(), value.data(), kept);
    std::memset(content.data() + kept, 0, kBlockBytes - kept);
    node->pages.load_rider(block, std::move(content));
    ++pages;
    return true;
  };
  VEXFS_CHECK(volume_.scan(Tree::rider, rider_key(node->ino, 0),
                           rider_key(node->ino, FilePages::kNone), load));
  if (bad) return fail(EUCLEAN, "writeback: a rider that no fsync wrote");
  count_dirty(pages);
  // One by one: where there is no room, the pages that have none go where blocks are given back.
  node->pages.reserve_waiting([](std::uint64_t) { return true; },
                              [this] { return volume_.reserve(1).has_value(); });
  add(node.again());
  return {};
}

}  // namespace vexfs
