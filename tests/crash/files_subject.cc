// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/files_subject.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "base/key.h"
#include "base/text.h"
#include "tests/crash/files_work.h"
#include "tests/crash/many_extents.h"
#include "tests/fs/consistency.h"

namespace vexfs {

namespace {

using Named = OpenFiles::Named;

constexpr Wait kWait = Wait::allowed;
constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};

// Names that could not be listed when they were so.
const std::string kUnknown = "?";

struct Fresh {
  MemoryDevice::Image image;
  std::uint64_t free = 0;
};

const Fresh& fresh() {
  static const Fresh made = [] {
    MemoryDevice disk(kVolumeBytes);
    REQUIRE(Volume::format(disk, kFormat));
    auto history = std::make_shared<DeviceHistory>();
    Fresh fresh{.image = disk.image()};
    {
      auto volume = Volume::open(std::make_unique<FaultyDevice>(fresh.image, history), {});
      REQUIRE(volume);
      REQUIRE(Files::make_root(**volume, 0, 0));
      REQUIRE((*volume)->close());
    }
    for (const DeviceEvent& event : history->take())
      if (event.kind == DeviceEvent::Kind::write)
        MemoryDevice::write_image(fresh.image, event.offset, as_bytes(event.data));
    OpenFiles open;
    REQUIRE(open.open(std::make_unique<MemoryDevice>(fresh.image)) == "");
    // The first file also takes the page that says which number comes next.
    const auto created =
        open.files->create(open.caller, kRootNode, "f", 0644, O_RDWR, kWait).value();
    open.files->release(created.entry.node, 0, O_RDWR);
    open.files->forget(created.entry.node, 1);
    REQUIRE(open.remove_all());
    REQUIRE(open.volume->checkpoint());
    fresh.free = open.volume->space().free;
    return fresh;
  }();
  return made;
}

}  // namespace

// Files under random work; what they hold after each transaction.
class FilesSubject::Work {
 public:
  Work(FilesSubject& subject, OpenFiles& open, DeviceHistory& history, Rng& rng)
      : subject_(subject), open_(open), history_(history), rng_(rng) {}

  // What has come back was judged; it is durable.
  std::string begin() {
    auto& moments = subject_.moments_;
    const std::uint64_t lsn = open_.last_lsn();
    moments.erase(moments.upper_bound(open_.came_back_at), moments.end());
    for (auto& [node, versions] : subject_.files_) versions.forget_after(open_.came_back_at);
    auto names = open_.names();
    if (!names) return "what was judged cannot be listed";
    names_ = std::move(*names);
    touched_[kRootNode] = open_.came_back_at;
    for (const Named& each : names_) {
      touched_[each.node] = open_.came_back_at;
      if (each.type != S_IFREG) continue;
      auto content = open_.content(each.node);
      if (!content) return "what was judged cannot be read";
      versions(each.node).add(lsn - 1, std::move(*content));
      versions(each.node).flushed(lsn);
    }
    moments.emplace(lsn, OpenFiles::text_of(names_));
    history_.note(open_.came_back_at);
    return {};
  }

  void step() {
    before_ = open_.last_lsn();
    act();
    auto names = open_.names();
    if (ok(names)) names_ = std::move(*names);
    subject_.moments_.emplace(open_.last_lsn(), names ? OpenFiles::text_of(names_) : kUnknown);
  }

 private:
  template <class T>
  bool ok(const Result<T>& result) {
    return subject_.is_ok(result);
  }
  std::uint64_t below(std::uint64_t n) { return rng_() % n; }
  FileVersions& versions(NodeId node) { return subject_.files_[node]; }
  std::string new_name() { return std::string(1, static_cast<char>('a' + below(8))); }

  void act() {
    switch (below(23)) {
      case 0:
      case 1:
        return make();
      case 2:
        return make_other();
      case 3:
      case 4:
        return rename();
      case 5:
        return remove();
      case 6:
        return change_facts();
      case 7:
        return truncate();
      case 8:
        return replace();
      case 9:
        return punch();
      case 10:
      case 11:
      case 12:
        return sync();
      case 13:
        return sync_all();
      case 14:
        return close_unlinked();
      case 15:
        return preallocate();
      case 16:
      case 17:
        return copy();
      default:
        return write();
    }
  }

  NodeId directory() {
    std::vector<NodeId> all{kRootNode};
    for (const Named& each : names_)
      if (each.type == S_IFDIR) all.push_back(each.node);
    return all[below(all.size())];
  }
  const Named* any(mode_t type) {
    std::vector<const Named*> all;
    for (const Named& each : names_)
      if (type == 0 || each.type == type) all.push_back(&each);
    return all.empty() ? nullptr : all[below(all.size())];
  }
  // A file with a name, or an open one that has none.
  NodeId file() {
    if (!unlinked_.empty() && below(4) == 0) return unlinked_[below(unlinked_.size())];
    const Named* const named = any(S_IFREG);
    return named == nullptr ? 0 : named->node;
  }
  // The newest transaction concerns this node.
  void touched(NodeId node) {
    if (open_.last_lsn() > before_) touched_[node] = open_.last_lsn();
  }
  // One of the transactions of this step may concern it.
  void perhaps_touched(NodeId node) { perhaps_touched_[node] = open_.last_lsn(); }

  NodeId create(NodeId parent, const std::string& name) {
    const auto made = open_.files->create(open_.caller, parent, name, 0644, O_RDWR | O_EXCL, kWait);
    if (!made) return 0;
    const NodeId node = made->entry.node;
    open_.files->release(node, 0, O_RDWR);
    open_.files->forget(node, 1);
    versions(node).add(before_, {});
    touched(node);
    touched(parent);
    return node;
  }
  void make() {
    if (const NodeId node = create(directory(), new_name()); node != 0 && below(2) == 0)
      write_to(node);
  }
  void make_other() {
    const NodeId parent = directory();
    if (below(2) == 0) {
      const auto made = open_.files->mkdir(open_.caller, parent, new_name(), 0755, kWait);
      if (!made) return;
      open_.files->forget(made->node, 1);
      touched(made->node);
      return touched(parent);
    }
    if (const Named* const named = any(S_IFREG); named != nullptr && below(2) == 0) {
      const auto made = open_.files->link(open_.caller, named->node, parent, new_name(), kWait);
      if (made) open_.files->forget(made->node, 1);
      touched(parent);
      return touched(named->node);
    }
    const auto made =
        open_.files->symlink(open_.caller, "to/" + new_name(), parent, new_name(), kWait);
    if (made) open_.files->forget(made->node, 1);
  }

  void write_to(NodeId node) {
    std::string content = versions(node).newest();
    const std::uint64_t at = below(3) == 0   ? content.size()
                             : below(4) == 0 ? below(4 * subject_.options_.write_bytes_max)
                                             : below(content.size() + 5000);
    std::string text(1 + below(below(3) == 0 ? subject_.options_.write_bytes_max : 3000), '\0');
    const std::uint64_t stamp = rng_();
    for (std::size_t i = 0; i < text.size(); ++i)
      text[i] = static_cast<char>(1 + (stamp >> (i / 512 % 8 * 8) & 0x7f));
    const std::uint64_t lsn = open_.last_lsn();
    const bool done = ok(open_.files->write(open_.caller, node, 0, at, as_bytes(text), kWait));
    if (content.size() < at + text.size()) content.resize(at + text.size());
    content.replace(at, text.size(), text);
    changed(node, lsn, std::move(content), done);
  }
  // A call that failed may have done its work, in part or as a whole, or not.
  void changed(NodeId node, std::uint64_t lsn, std::string content, bool done) {
    std::string before = versions(node).newest();
    versions(node).add(lsn, std::move(content));
    if (done) return;
    auto now = open_.content(node);
    versions(node).add(lsn, now ? std::move(*now) : std::move(before));
  }
  void write() {
    if (const NodeId node = file(); node != 0) write_to(node);
  }
  void resize(NodeId node, std::uint64_t size) {
    std::string content = versions(node).newest();
    const bool shrinks = size < content.size();
    content.resize(size);
    const std::uint64_t lsn = open_.last_lsn();
    const bool done = ok(open_.truncate(node, size));
    changed(node, lsn, std::move(content), done);
    if (shrinks && done)
      versions(node).cut_off(open_.last_lsn(), (size + kBlockBytes - 1) / kBlockBytes);
    touched(node);
  }
  void truncate() {
    const NodeId node = file();
    if (node != 0) resize(node, below(versions(node).newest().size() + 9000));
  }
  void punch() {
    const NodeId node = file();
    if (node == 0) return;
    std::string content = versions(node).newest();
    const std::uint64_t at = below(content.size() + 1), length = 1 + below(20'000);
    const std::uint64_t lsn = open_.last_lsn();
    const bool done = ok(open_.files->fallocate(
        open_.caller, node, 0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, length, kWait));
    const std::uint64_t end = std::min<std::uint64_t>(at + length, content.size());
    if (at < end) content.replace(at, end - at, end - at, '\0');
    changed(node, lsn, std::move(content), done);
    touched(node);
  }

  void preallocate() {
    const NodeId node = file();
    if (node == 0) return;
    constexpr std::array kModes{0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE};
    const int mode = kModes[below(kModes.size())];
    std::string content = versions(node).newest();
    const std::uint64_t at = below(content.size() + 9000), length = 1 + below(40'000);
    const std::uint64_t lsn = open_.last_lsn();
    const bool done = ok(open_.files->fallocate(open_.caller, node, 0, mode, at, length, kWait));
    if (mode != FALLOC_FL_KEEP_SIZE) content.resize(std::max(content.size(), at + length));
    if (mode == FALLOC_FL_ZERO_RANGE) content.replace(at, length, length, '\0');
    changed(node, lsn, std::move(content), done);
    touched(node);
  }
  // Whole blocks become shared, the ends are copied.
  void copy() {
    const NodeId from = file(), to = file();
    if (from == 0 || to == 0 || from == to) return;
    std::uint64_t at = below(versions(from).newest().size() + 1);
    std::uint64_t into = below(versions(to).newest().size() + 5000);
    if (below(4) != 0) into = into / kBlockBytes * kBlockBytes + at % kBlockBytes;
    std::uint64_t length = 1 + below(30'000);
    while (length > 0) {
      const std::uint64_t lsn = open_.last_lsn();
      const auto copied = open_.files->copy_range(open_.caller, from, at, to, into, length, kWait);
      const std::string source = versions(from).newest();
      const bool done = ok(copied);
      const std::uint64_t bytes =
          done ? *copied : std::min<std::uint64_t>(length, source.size() - at);
      if (done && bytes == 0) break;
      std::string content = versions(to).newest();
      if (content.size() < into + bytes) content.resize(into + bytes);
      content.replace(into, bytes, source, at, bytes);
      changed(to, lsn, std::move(content), done);
      touched(to);
      perhaps_touched(from);  // what was in memory only is written first
      if (!done) return;
      at += *copied;
      into += *copied;
      length -= *copied;
    }
  }

  void rename() {
    const Named* const named = any(0);
    if (named == nullptr) return;
    const Named source = *named;
    const unsigned flags = below(4) == 0 ? RENAME_EXCHANGE : 0;
    const NodeId to = directory();
    const std::string name = new_name();
    const auto target = std::ranges::find_if(
        names_, [&](const Named& each) { return each.parent == to && each.name == name; });
    const bool over = target != names_.end() && flags == 0 && target->node != source.node;
    if (!open_.files->rename(open_.caller, source.parent, source.name, to, name, flags, kWait))
      return;
    touched(source.node);
    touched(source.parent);
    touched(to);
    // After a crash the name shows the old file or the whole new one.
    if (over && source.type == S_IFREG) versions(source.node).flushed(open_.last_lsn());
  }
  void remove() {
    const Named* const found = any(0);
    if (found == nullptr) return;
    const Named named = *found;
    const bool opens = named.type == S_IFREG && below(3) == 0 && unlinked_.size() < 3;
    if (opens && !ok(open_.files->open_file(open_.caller, named.node, O_RDWR, kWait))) return;
    const auto removed = named.type == S_IFDIR
                             ? open_.files->rmdir(open_.caller, named.parent, named.name, kWait)
                             : open_.files->unlink(open_.caller, named.parent, named.name, kWait);
    const bool last =
        removed && open_.volume->get(Tree::orphan, orphan_key(named.node), scratch_, kWait);
    if (opens && last)
      unlinked_.push_back(named.node);
    else if (opens)
      open_.files->release(named.node, 0, O_RDWR);
    touched(named.node);
    touched(named.parent);
  }
  static Key orphan_key(NodeId node) { return Key().u64(node); }
  void close_unlinked() {
    if (unlinked_.empty()) return;
    const NodeId node = unlinked_.back();
    unlinked_.pop_back();
    open_.files->release(node, 0, O_RDWR);
    // It goes on another thread; what is promised next must not meet its transaction.
    for (unsigned i = 0; open_.volume->get(Tree::orphan, orphan_key(node), scratch_, kWait); ++i) {
      if (subject_.is_tolerant && i == 50) return;  // it failed
      if (i == 50'000) throw std::runtime_error("a closed file without names is still there");
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  void change_facts() {
    const Named* const named = any(0);
    if (named == nullptr) return;
    const NodeId node = named->node;
    if (below(2) == 0 && named->type != S_IFLNK) {
      SetAttr set;
      set.mode = true;
      set.attr.st_mode = named->type | static_cast<mode_t>(0600 + below(64));
      ok(open_.files->setattr(open_.caller, node, set, kWait));
    } else if (named->type != S_IFLNK) {
      const std::string value(1 + below(40), static_cast<char>('a' + below(20)));
      ok(open_.files->setxattr(open_.caller, node, "user." + new_name(), as_bytes(value), 0,
                               kWait));
    }
    touched(node);
  }

  // As an editor does: everything anew, and closed without fsync.
  void replace() {
    const Named* const named = any(S_IFREG);
    if (named == nullptr) return;
    const NodeId node = named->node;
    const bool cuts = !versions(node).newest().empty();
    if (!ok(open_.files->open_file(open_.caller, node, O_RDWR, kWait))) return;
    resize(node, 0);
    write_to(node);
    const bool flushed = ok(open_.files->flush(open_.caller, node, 0, kWait));
    open_.files->release(node, 0, O_RDWR);
    if (cuts && flushed) versions(node).flushed(open_.last_lsn());
    touched(node);
  }
  void sync() {
    const NodeId node = below(4) == 0 ? directory() : file();
    if (node == 0) return;
    const bool is_file = subject_.files_.contains(node);
    if (!ok(is_file ? open_.fsync(node) : open_.fsync_directory(node))) return;
    touched(node);
    if (is_file) versions(node).flushed(open_.last_lsn());
    history_.note(touched_[node]);
    // What is below its LSN is of older transactions; its own are there.
    const std::uint64_t own = std::max(touched_[node], perhaps_touched_[node]);
    if (is_file && own < open_.last_lsn()) versions(node).flushed(own);
  }
  void sync_all() {
    if (below(3) == 0) {
      if (!ok(open_.volume->checkpoint())) return;
      return history_.note(open_.last_lsn());
    }
    if (!ok(open_.sync_all())) return;
    for (const Named& each : names_)
      if (each.type == S_IFREG) {
        versions(each.node).flushed(open_.last_lsn());
        touched_[each.node] = open_.last_lsn();
      }
    for (const NodeId node : unlinked_) touched_[node] = open_.last_lsn();
    history_.note(open_.last_lsn());
  }

  FilesSubject& subject_;
  OpenFiles& open_;
  DeviceHistory& history_;
  Rng& rng_;
  std::uint64_t before_ = 0;  // the newest LSN when the step began
  std::vector<Named> names_;
  std::vector<NodeId> unlinked_;  // open
  std::map<NodeId, std::uint64_t> touched_, perhaps_touched_;
  std::string scratch_;
};

MemoryDevice::Image FilesSubject::start(Rng&) {
  if (options_.left_blocks == 0) return fresh().image;
  auto history = std::make_shared<DeviceHistory>();
  MemoryDevice::Image image = fresh().image;
  {
    OpenFiles open;
    REQUIRE(open.open(std::make_unique<FaultyDevice>(image, history)) == "");
    const auto made =
        open.files->create(open.caller, kRootNode, kFiller, 0644, O_RDWR, kWait).value();
    open.files->release(made.entry.node, 0, O_RDWR);
    open.files->forget(made.entry.node, 1);
    REQUIRE(open.files->close());
    open.files.reset();
    REQUIRE(fill_volume(*open.volume, made.entry.node, options_.left_blocks));
    REQUIRE(open.volume->close());
  }
  for (const DeviceEvent& event : history->take())
    if (event.kind == DeviceEvent::Kind::write)
      MemoryDevice::write_image(image, event.offset, as_bytes(event.data));
  return image;
}

std::string FilesSubject::live(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                               Rng& rng) {
  OpenFiles open(options_.compression);
  std::string fault = open.open(std::move(device), [&](std::unique_ptr<Volume> volume) {
    return make_scarce(std::move(volume), history, space_faults);
  });
  if (!fault.empty()) return fault;
  Work work(*this, open, history, rng);
  fault = work.begin();
  if (!fault.empty()) return fault;
  for (unsigned i = 0; i < options_.steps; ++i) work.step();
  return {};
}

std::string FilesSubject::judge_names(std::uint64_t lsn, const std::string& names) const {
  auto after = moments_.upper_bound(lsn);
  if (after != moments_.end() && (after->second == names || after->second == kUnknown) &&
      !moments_.contains(lsn))
    return {};
  if (after == moments_.begin()) return "names of before the beginning";
  const std::uint64_t newest = std::prev(after)->first;
  const auto [from, to] = moments_.equal_range(newest);
  for (auto moment = from; moment != to; ++moment)
    if (moment->second == names || moment->second == kUnknown) return {};
  return "names of no moment:\n" + names + "expected:\n" + std::prev(to)->second;
}

Verdict FilesSubject::judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                            const Circumstances& circumstances) {
  OpenFiles open;
  Verdict verdict{.fault = open.open(std::move(device)), .lsn = open.came_back_at};
  const auto fault = [&](std::string what) {
    verdict.fault = std::move(what);
    return verdict;
  };
  if (!verdict.fault.empty()) return verdict;
  if (verdict.lsn < circumstances.promised)
    return fault(format("lsn {} < {} promised", verdict.lsn, circumstances.promised));
  const std::uint64_t lsn = std::min(verdict.lsn, circumstances.newest);
  const auto names = open.names();
  if (!names) return fault(format("names: {}", names.error().what));
  if (std::string wrong = judge_names(lsn, OpenFiles::text_of(*names)); !wrong.empty())
    return fault(std::move(wrong));
  for (const Named& each : *names) {
    if (each.type != S_IFREG) continue;
    const auto content = open.content(each.node);
    if (!content) return fault(format("{}: {}", each.path, content.error().what));
    const auto versions = files_.find(each.node);
    if (versions == files_.end()) return fault(each.path + " never was");
    if (std::string wrong = versions->second.judge(lsn, *content); !wrong.empty())
      return fault(each.path + ": " + wrong);
  }
  if (std::string wrong = inconsistency(*open.volume); !wrong.empty()) return fault(wrong);
  history.note(verdict.lsn);
  if (circumstances.afterwards == Afterwards::checkpoint && !open.volume->checkpoint())
    return fault("no checkpoint");
  if (circumstances.afterwards == Afterwards::drain) {
    if (!open.remove_all() || !open.volume->checkpoint()) return fault("cannot be emptied");
    if (open.volume->space().free < fresh().free)
      return fault(format("{} blocks were lost", fresh().free - open.volume->space().free));
  }
  if (circumstances.afterwards == Afterwards::close &&
      (!open.files->close() || !open.volume->close()))
    return fault("no close");
  return verdict;
}

}  // namespace vexfs
