// SPDX-License-Identifier: Apache-2.0
#include "fs/write_back.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/log.h"
#include "base/metrics.h"
#include "fs/change.h"
#include "storage/extent_edit.h"
#include "storage/extent_rewrite.h"
#include "storage/rider_format.h"

namespace vexfs {

namespace {

// One transaction takes pieces until it has this much; a piece adds at most some 24 KiB.
constexpr std::size_t kLogBytes = 96 << 10;
constexpr unsigned kThreads = 3;
// Of a file that has no room for its pages but where it has blocks: one round of them passes
// through the log.
constexpr std::size_t kInPlacePages = 64;
// A file with at most so many pages shares its flush with others, so many files and pages at once.
constexpr std::size_t kLittlePages = 16, kBatchFiles = 64, kBatchPages = 512;

struct WriteBackMetrics {
  Histogram& file_seconds =
      metrics::histogram("vexfs_writeback_file_seconds", "One file written back and logged");
  Counter& files = metrics::counter("vexfs_writeback_files_total", "Files written back");
  Counter& failures =
      metrics::counter("vexfs_writeback_failures_total", "Files that could not be written back");
  Gauge& dirty_bytes =
      metrics::gauge("vexfs_writeback_dirty_bytes", "File content that is in memory only");
  Counter& held_back = metrics::counter("vexfs_memory_held_back_total",
                                        "Writes that waited because too much was dirty");
};

WriteBackMetrics& figures() {
  static WriteBackMetrics all;
  return all;
}

}  // namespace

WriteBack::WriteBack(Volume& volume, ContentIndex& index, ContentClock& clock,
                     WriteBackOptions options)
    : volume_(volume),
      index_(index),
      clock_(clock),
      options_(options),
      dirty_bytes_max_(options.dirty_bytes_max) {
  workers_.emplace("vexfs-files", kThreads);
}

WriteBack::~WriteBack() {
  stop();
}

void WriteBack::start() {
  timer_ = std::thread([this] { run_timer(); });
}

void WriteBack::stop() {
  {
    Lock lock(timer_mutex_);
    stopping_ = true;
  }
  timer_wake_.notify_all();
  if (timer_.joinable()) timer_.join();
  workers_.reset();
  std::vector<Workers::Job> dropped;  // let go of after the lock
  Lock lock(timer_mutex_);
  dropped.swap(later_);
}

void WriteBack::submit_later(Workers::Job job) {
  Lock lock(timer_mutex_);
  later_.push_back(std::move(job));
}

void WriteBack::run_timer() {
  timer_mutex_.lock();
  while (!stopping_) {
    timer_wake_.wait_for(timer_mutex_, std::chrono::seconds(options_.commit_seconds));
    if (stopping_) break;
    std::vector<Workers::Job> jobs;
    jobs.swap(later_);
    timer_mutex_.unlock();
    for (Workers::Job& job : jobs) submit(std::move(job));
    // A failure is counted, logged and kept for the file's fsync; the next round tries again.
    if (write_back_all()) {
      const auto synced = volume_.sync(volume_.last_lsn());
      if (!synced)
        log(Level::error, "writeback", "log not durable",
            {{"errno", std::uint64_t(synced.error().code)}});
    }
    timer_mutex_.lock();
  }
  timer_mutex_.unlock();
}

void WriteBack::add(NodeRef node) {
  const auto number = static_cast<std::uint64_t>(node->ino);
  Lock lock(dirty_mutex_);
  dirty_.try_emplace(number, std::move(node));
}

void WriteBack::remove_clean(Node& node) {
  NodeRef gone;  // let go of after the lock
  Lock lock(dirty_mutex_);
  const auto it = dirty_.find(static_cast<std::uint64_t>(node.ino));
  if (it == dirty_.end()) return;
  gone = std::move(it->second);
  dirty_.erase(it);
}

void WriteBack::let_go(FilePages::Gone gone) {
  volume_.unreserve(gone.reserved);
  count_dirty(-static_cast<std::int64_t>(gone.pages));
}

void WriteBack::count_dirty(std::int64_t blocks) {
  dirty_blocks_.fetch_add(blocks, std::memory_order_relaxed);
  figures().dirty_bytes.add(blocks * kBlockBytes);
}

std::size_t WriteBack::dirty_bytes() const {
  const std::int64_t blocks = dirty_blocks_.load(std::memory_order_relaxed);
  return blocks > 0 ? static_cast<std::size_t>(blocks) * kBlockBytes : 0;
}

Result<> WriteBack::flush() {
  return volume_.flush_data(FlushSite::file_content);
}

Result<> WriteBack::write_back(Node& node) {
  VEXFS_TRY(const auto serial, SerialHold::take(node, Wait::allowed));
  return write_back_held(node);
}

Result<> WriteBack::write_back_held(Node& node) {
  const Timed timed(figures().file_seconds);
  for (;;) {
    Placing placing(node);
    bool anything = false;
    VEXFS_CHECK(begin(placing, anything));
    if (!anything) return {};
    auto written = write(placing);
    if (written && !placing.small) written = flush();
    VEXFS_CHECK(end(placing, written));
    if (!placing.more) return {};
  }
}

Result<> WriteBack::begin(Placing& placing, bool& anything) {
  Node& node = placing.node;
  VEXFS_TRY(const auto hold, WriteHold::take(volume_, node, Wait::allowed));
  if (node.removed) drop_removed(node);
  if (node.pages.empty()) return log_record(node, Wait::allowed);
  std::size_t pages_max = node.pages.waiting_count();
  if (node.inode.preallocated) {
    VEXFS_TRY(placing.own,
              own_blocks(volume_, node.ino, node.pages.next(0), node.pages.end(), Wait::allowed));
    // Pages that have a block of data to go to are better off with a new one, where there is.
    node.pages.reserve_waiting(
        [&](std::uint64_t block) {
          const FileExtent* own = own_block(placing.own, block);
          return own == nullptr || own->kind == ExtentKind::data;
        },
        [this] { return volume_.reserve(1).has_value(); });
    if (node.pages.unreserved_count() != 0) pages_max = kInPlacePages;
  }
  placing.small = fits_inline(node);
  node.pages.begin_writing(pages_max);
  placing.more = node.pages.waiting_count() != 0;
  anything = true;
  return {};
}

// What is being written does not change and only this thread, which has Node::write_back, ends
// that; so it is read without the lock.
Result<> WriteBack::write(Placing& placing) {
  if (placing.small) {
    placing.extents.push_back({.extent = inline_extent(placing.node.pages.writing())});
    return {};
  }
  if (!placing.own.empty()) VEXFS_CHECK(log_in_place(placing));
  const bool plain = placing.node.inode.preallocated;
  return write_pages(volume_, placing, plain ? Compression{} : options_.compression);
}

Result<> WriteBack::end(Placing& placing, Result<> written) {
  if (written) written = commit_placed(placing);
  if (!written) {
    give_up(placing, written.error());
    return written;
  }
  figures().files.add();
  rewrite(placing.node, placing.sparse);
  return {};
}

Result<> WriteBack::commit_placed(Placing& placing) {
  Node& node = placing.node;
  const auto& extents = placing.extents;
  do {
    VEXFS_TRY(const auto hold, WriteHold::take(volume_, node, Wait::allowed));
    if (node.removed) {
      drop_removed(node);
      remove_clean(node);
      release_placed(volume_, placing);
      break;
    }
    VEXFS_TRY(const std::size_t taken,
              commit_some(node, std::span(extents).subspan(placing.committed), placing.sparse,
                          Wait::allowed));
    placing.committed += taken;
    if (node.pages.empty()) remove_clean(node);
  } while (placing.committed < extents.size());
  return {};
}

// One transaction; how many of `extents` it has taken.
Result<std::size_t> WriteBack::commit_some(Node& node, std::span<const PlacedExtent> extents,
                                           std::vector<FileExtentGroup>& sparse, Wait wait) {
  Change change(volume_);
  ExtentEdit& edit = change.edit_extents(node.ino, wait);
  std::size_t taken = 0;
  for (; taken < extents.size() && edit.log_bytes() < kLogBytes; ++taken) {
    const auto& [extent, in_place] = extents[taken];
    VEXFS_CHECK(in_place ? edit.put_in_place(extent) : edit.put(extent));
  }
  const std::uint64_t from = extents.front().extent.block, to = extents[taken - 1].extent.end();

  edit.log(change.transaction);
  std::ranges::copy(edit.sparse(), std::back_inserter(sparse));  // the commit ends the edit
  const FilePages::Blocks riders = node.pages.riders_written(from, to);
  for (const std::uint64_t block : riders)
    change.transaction.erase(Tree::rider, rider_key(node.ino, block));
  Inode& next = change.edit(node);
  next.blocks += static_cast<std::uint64_t>(edit.blocks_added());
  const WrittenSoFar written{.to = to, .content = clock_.next()};
  const bool all = node.pages.first_pending(to) == FilePages::kNone;
  index_.log_changed(change.transaction, node.ino, all ? next.content : written.content);
  VEXFS_CHECK(change.commit({.wait = wait, .freeing = true}, written));
  let_go(node.pages.written(from, to));
  node.pages.forget_riders(riders);
  return taken;
}

void WriteBack::rewrite(Node& node, std::span<const FileExtentGroup> groups) {
  for (const FileExtentGroup& group : groups)
    if (const auto done = rewrite(node, group); !done && done.error().code != ENOSPC)
      log(Level::warn, "writeback", "compressed extent not written anew",
          {{"ino", static_cast<std::uint64_t>(node.ino)}, {"why", done.error().what}});
}

// Nobody else changes the file's extents meanwhile, so they are read without its lock. Neither
// content nor generation changes.
Result<> WriteBack::rewrite(Node& node, FileExtentGroup group) {
  VEXFS_TRY(const auto extents, rewrite_extent(volume_, node.ino, group, options_.compression));
  if (extents.empty()) return {};
  auto done = flush();
  if (done) done = put_rewritten(node, extents);
  if (!done)
    for (const FileExtent& extent : extents) volume_.release(extent.where());
  return done;
}

Result<> WriteBack::put_rewritten(Node& node, const std::vector<FileExtent>& extents) {
  VEXFS_TRY(const auto hold, WriteHold::take(volume_, node, Wait::allowed));
  if (node.removed) return fail(ENOENT, "writeback: the file is gone");
  Change change(volume_);
  ExtentEdit& edit = change.edit_extents(node.ino, Wait::allowed);
  for (const FileExtent& extent : extents) VEXFS_CHECK(edit.put(extent));
  edit.log(change.transaction);
  change.edit(node).blocks += static_cast<std::uint64_t>(edit.blocks_added());
  return change.commit({.freeing = true});
}

void WriteBack::give_up(Placing& placing, Error error) {
  Node& node = placing.node;
  figures().failures.add();
  log(Level::error, "writeback", "file not written back",
      {{"ino", static_cast<std::uint64_t>(node.ino)},
       {"errno", static_cast<std::uint64_t>(error.code)},
       {"why", std::string_view(error.what)}});
  release_placed(volume_, placing);
  node.write_error.store(error.code, std::memory_order_relaxed);
  const auto hold = WriteHold::take(volume_, node, Wait::allowed);
  VEXFS_ASSERT(hold);  // it is loaded: it has pages
  let_go(node.pages.give_up_writing());
}

// The file is gone: so is the reason to write it.
void WriteBack::drop_removed(Node& node) {
  let_go(node.pages.drop(0, FilePages::kNone));
  let_go(node.pages.written(0, FilePages::kNone));
}

// Files that are written and wait for one flush.
struct WriteBack::Batch {
  struct File {
    File(NodeRef of, SerialHold held)
        : node(std::move(of)), serial(std::move(held)), placing(*node) {}
    NodeRef node;
    SerialHold serial;
    Placing placing;
    Result<> written;
  };
  std::vector<std::unique_ptr<File>> files;
  std::size_t pages = 0;
};

Result<> WriteBack::write_back_all() {
  std::vector<NodeRef> rest;
  {
    Lock lock(dirty_mutex_);
    rest.reserve(dirty_.size());
    // Marks each one's reference as taken; add() of a later change makes a new one.
    for (auto& [number, node] : dirty_) rest.push_back(std::move(node));
    dirty_.clear();
  }
  Result<> result;
  const auto note = [&](NodeRef& node, Result<> one) {
    if (one) return;
    add(node.again());
    if (result) result = one;
  };
  Batch batch;
  std::vector<NodeRef> large;
  for (NodeRef& node : rest) {
    if (auto one = add_to(batch, node); !one || node) {
      note(node, one);
      if (one) large.push_back(std::move(node));
    }
    if (batch.files.size() >= kBatchFiles || batch.pages >= kBatchPages) finish(batch, note);
  }
  finish(batch, note);
  for (NodeRef& node : large) note(node, write_back(*node));
  return result;
}

// Takes the file where it has little and nobody writes it back; else `node` keeps it.
Result<> WriteBack::add_to(Batch& batch, NodeRef& node) {
  auto serial = SerialHold::take(*node, Wait::never);
  if (!serial) return {};
  {
    VEXFS_TRY(const auto hold, ReadHold::take(volume_, *node, Wait::allowed));
    const std::size_t pages = node->pages.count();
    if (pages > kLittlePages || node->inode.preallocated) return {};
    batch.pages += pages;
  }
  auto file = std::make_unique<Batch::File>(node.again(), std::move(*serial));
  bool anything = false;
  VEXFS_CHECK(begin(file->placing, anything));
  node = NodeRef();
  if (!anything) return {};
  file->written = write(file->placing);
  batch.files.push_back(std::move(file));
  return {};
}

void WriteBack::finish(Batch& batch, FunctionRef<void(NodeRef&, Result<>)> note) {
  const bool any =
      std::ranges::any_of(batch.files, [](const auto& file) { return !file->placing.small; });
  const Result<> flushed = any ? flush() : Result<>();
  for (auto& file : batch.files) {
    if (file->written && !file->placing.small) file->written = flushed;
    note(file->node, end(file->placing, file->written));
    file.reset();  // lets the file go at once
  }
  batch = {};
}

std::optional<NodeRef> WriteBack::any_dirty() {
  Lock lock(dirty_mutex_);
  if (dirty_.empty()) return std::nullopt;
  auto first = dirty_.begin();
  std::optional<NodeRef> node(std::move(first->second));
  dirty_.erase(first);
  return node;
}

Result<> WriteBack::make_room(Node& node, std::size_t bytes, Wait wait) {
  const auto wanted = static_cast<std::int64_t>(bytes / kBlockBytes);
  bool own = false;
  // Read each time: whoever waits profits when the limit rises.
  while (
      dirty_blocks_.load(std::memory_order_relaxed) + wanted >
      static_cast<std::int64_t>(dirty_bytes_max_.load(std::memory_order_relaxed) / kBlockBytes)) {
    if (wait == Wait::never) return fail(EAGAIN, "writeback: too much is dirty");
    if (!own) {
      own = true;
      figures().held_back.add();
      VEXFS_CHECK(write_back(node));
      continue;
    }
    const auto other = any_dirty();
    if (!other) break;  // the rest is being written by others
    if (auto written = write_back(**other); !written) {
      add(other->again());
      break;  // its fsync will hear of it; this file is not to blame
    }
  }
  return {};
}

void WriteBack::write_back_if_large(const NodeRef& node, std::size_t dirty_blocks) {
  constexpr std::size_t kFilesAtOnce = 4;
  const std::size_t part = dirty_bytes_max_.load(std::memory_order_relaxed) / kFilesAtOnce;
  if (dirty_blocks * kBlockBytes >= std::min(options_.file_bytes_max, part)) write_back_soon(node);
}

void WriteBack::write_back_soon(const NodeRef& node) {
  if (node->write_back_queued.exchange(true)) return;
  submit([this, ref = node.again()] {
    ref->write_back_queued.store(false);
    // A failure is kept for the file's fsync.
    [[maybe_unused]] const auto written = write_back(*ref);
  });
}

}  // namespace vexfs
