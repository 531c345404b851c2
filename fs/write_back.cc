// SPDX-License-Identifier: Apache-2.0
#include "fs/write_back.h"

#include <chrono>
#include <cstring>

#include "base/log.h"
#include "base/metrics.h"
#include "fs/change.h"
#include "fs/node_hold.h"
#include "storage/extent_edit.h"
#include "storage/file_data.h"

namespace vexfs {

namespace {

constexpr std::size_t kExtentBytes = std::size_t{kExtentBlocksMax} * kBlockBytes;
// One transaction takes pieces until it has this much; a piece adds at most some 24 KiB.
constexpr std::size_t kLogBytes = 96 << 10;
constexpr unsigned kThreads = 3;

struct WriteBackMetrics {
  Histogram& file_seconds =
      metrics::histogram("vexfs_writeback_file_seconds", "One file written back and logged");
  Counter& files = metrics::counter("vexfs_writeback_files_total", "Files written back");
  Counter& inline_files =
      metrics::counter("vexfs_writeback_inline_total", "Files whose content went into the log");
  Counter& failures =
      metrics::counter("vexfs_writeback_failures_total", "Files that could not be written back");
  Gauge& dirty_bytes =
      metrics::gauge("vexfs_writeback_dirty_bytes", "File content that is in memory only");
};

WriteBackMetrics& figures() {
  static WriteBackMetrics all;
  return all;
}

// The content of block 0 as an inline extent.
FileExtent inline_extent(const Buffer& page, std::uint64_t size) {
  const std::string_view text = as_text(page.bytes().first(size));
  const std::size_t end = text.find_last_not_of('\0') + 1;  // npos + 1 is 0
  return {.blocks = 1, .kind = ExtentKind::inline_bytes, .bytes = std::string(text.substr(0, end))};
}

}  // namespace

WriteBack::WriteBack(Volume& volume, ContentIndex& index, ContentClock& clock,
                     WriteBackOptions options)
    : volume_(volume), index_(index), clock_(clock), options_(options) {
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
}

void WriteBack::run_timer() {
  timer_mutex_.lock();
  while (!stopping_) {
    timer_wake_.wait_for(timer_mutex_, std::chrono::seconds(options_.commit_seconds));
    if (stopping_) break;
    timer_mutex_.unlock();
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

void WriteBack::count_dirty(std::int64_t blocks) {
  dirty_blocks_.fetch_add(blocks, std::memory_order_relaxed);
  figures().dirty_bytes.add(blocks * kBlockBytes);
}

Result<> WriteBack::write_back(Node& node) {
  VEXFS_TRY(const auto serial, SerialHold::take(node, Wait::allowed));
  const Timed timed(figures().file_seconds);
  return write_serially(node);
}

Result<> WriteBack::write_serially(Node& node) {
  bool small = false;
  {
    VEXFS_TRY(const auto hold, WriteHold::take(volume_, node, Wait::allowed));
    if (node.removed) drop_removed(node);
    if (node.pages.empty()) return commit_record(node);
    small =
        node.inode.size <= kInlineBytesMax && node.pages.count() == 1 && node.pages.next(0) == 0;
    node.pages.begin_writing();
  }
  // What is being written does not change and only this thread, which has Node::write_back,
  // ends that; so it is read without the lock.
  Extents extents;
  std::size_t done = 0;
  auto result = write_pages(node, small, extents);
  if (result && !small) result = volume_.flush_data(FlushSite::file_content);
  if (result) result = commit_extents(node, extents, done);
  if (!result) {
    give_up(node, extents, done, result.error());
    return result;
  }
  figures().files.add();
  if (small) figures().inline_files.add();
  return {};
}

Result<> WriteBack::commit_record(Node& node) {
  if (node.stale_record && !node.removed) {
    Change change(volume_);
    const Inode& inode = change.edit(node);
    if (inode.content != node.logged_content)
      index_.log_changed(change.transaction, node.ino, inode.content);
    // What it logs was promised when it was taken, so a full volume may not refuse it.
    VEXFS_CHECK(change.commit({.freeing = true}));
  }
  remove_clean(node);
  return {};
}

Result<> WriteBack::write_pages(const Node& node, bool small, Extents& extents) {
  const FilePages::Map& pages = node.pages.writing();
  if (small) {
    extents.push_back(inline_extent(pages.begin()->second, kInlineBytesMax));
    return {};
  }
  const Buffer run = Buffer::take(kExtentBytes);
  for (auto it = pages.begin(); it != pages.end();) {
    const std::uint64_t first = it->first;
    std::size_t bytes = 0;
    for (; it != pages.end() && it->first == first + bytes / kBlockBytes && bytes < run.size();
         ++it, bytes += kBlockBytes)
      std::memcpy(run.data() + bytes, it->second.data(), kBlockBytes);
    VEXFS_TRY(auto written, write_file_blocks(volume_, first, run.bytes().first(bytes)));
    for (FileExtent& extent : written) extents.push_back(std::move(extent));
  }
  return {};
}

Result<> WriteBack::commit_extents(Node& node, const Extents& extents, std::size_t& done) {
  while (done < extents.size()) {
    VEXFS_TRY(const auto hold, WriteHold::take(volume_, node, Wait::allowed));
    if (node.removed) {
      drop_removed(node);
      remove_clean(node);
      for (; done < extents.size(); ++done)
        if (extents[done].on_disk()) volume_.release(extents[done].where());
      break;
    }
    VEXFS_TRY(const std::size_t taken, commit_some(node, std::span(extents).subspan(done)));
    done += taken;
    if (node.pages.empty()) remove_clean(node);
  }
  return {};
}

// One transaction; how many of `extents` it has taken.
Result<std::size_t> WriteBack::commit_some(Node& node, std::span<const FileExtent> extents) {
  ExtentEdit edit(volume_, node.ino, Wait::allowed);
  std::size_t taken = 0;
  while (taken < extents.size() && edit.log_bytes() < kLogBytes)
    VEXFS_CHECK(edit.put(extents[taken++]));
  const std::uint64_t from = extents.front().block, to = extents[taken - 1].end();

  Change change(volume_);
  edit.log(change.transaction);
  Inode& next = change.edit(node);
  next.blocks += static_cast<std::uint64_t>(edit.blocks_added());
  const WrittenSoFar written{.to = to, .content = clock_.next()};
  const bool all = node.pages.first_pending(to) == FilePages::kNone;
  index_.log_changed(change.transaction, node.ino, all ? next.content : written.content);
  VEXFS_CHECK(change.commit({.freeing = true}, written));
  const std::size_t pages = node.pages.written(from, to);
  volume_.unreserve(pages);
  count_dirty(-static_cast<std::int64_t>(pages));
  return taken;
}

void WriteBack::give_up(Node& node, const Extents& extents, std::size_t done, Error error) {
  figures().failures.add();
  log(Level::error, "writeback", "file not written back",
      {{"ino", static_cast<std::uint64_t>(node.ino)},
       {"errno", static_cast<std::uint64_t>(error.code)},
       {"why", std::string_view(error.what)}});
  for (; done < extents.size(); ++done)
    if (extents[done].on_disk()) volume_.release(extents[done].where());
  node.write_error.store(error.code, std::memory_order_relaxed);
  const auto hold = WriteHold::take(volume_, node, Wait::allowed);
  VEXFS_ASSERT(hold);  // it is loaded: it has pages
  const std::size_t superseded = node.pages.give_up_writing();
  volume_.unreserve(superseded);
  count_dirty(-static_cast<std::int64_t>(superseded));
}

// The file is gone: so is the reason to write it.
void WriteBack::drop_removed(Node& node) {
  const std::size_t pages =
      node.pages.drop(0, FilePages::kNone) + node.pages.written(0, FilePages::kNone);
  volume_.unreserve(pages);
  count_dirty(-static_cast<std::int64_t>(pages));
}

Result<> WriteBack::write_back_all() {
  std::vector<NodeRef> all;
  {
    Lock lock(dirty_mutex_);
    all.reserve(dirty_.size());
    // Marks each one's reference as taken; add() of a later change makes a new one.
    for (auto& [number, node] : dirty_) all.push_back(std::move(node));
    dirty_.clear();
  }
  Result<> result;
  for (NodeRef& node : all) {
    auto one = write_back(*node);
    if (one) continue;
    add(node.again());
    if (result) result = one;
  }
  return result;
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
  const auto max = static_cast<std::int64_t>(options_.dirty_bytes_max / kBlockBytes);
  const auto wanted = static_cast<std::int64_t>(bytes / kBlockBytes);
  bool own = false;
  while (dirty_blocks_.load(std::memory_order_relaxed) + wanted > max) {
    if (wait == Wait::never) return fail(EAGAIN, "writeback: too much is dirty");
    if (!own) {
      own = true;
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
  if (dirty_blocks * kBlockBytes < options_.file_bytes_max) return;
  if (node->write_back_queued.exchange(true)) return;
  submit([this, ref = node.again()] {
    ref->write_back_queued.store(false);
    // A failure is kept for the file's fsync.
    [[maybe_unused]] const auto written = write_back(*ref);
  });
}

}  // namespace vexfs
