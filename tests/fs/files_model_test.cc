// SPDX-License-Identifier: Apache-2.0
// Goal: whatever is done to Files in whatever order, it holds what a plain map of files holds.
// Method: random operations on both from a printed seed, many with Wait::never first; now and
// then everything is compared, before and after a remount.
#include <linux/falloc.h>
#include <sys/xattr.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "base/key.h"
#include "tests/fs/consistency.h"
#include "tests/fs/files_fixture.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/files against a model");

namespace {

struct ModelNode {
  NodeId id = 0;
  bool directory = false;
  mode_t mode = 0;
  std::string content;
  std::map<std::string, std::string> xattrs;
  std::map<std::string, std::shared_ptr<ModelNode>> children;
  ModelNode* parent = nullptr;
  unsigned names = 0;
};
using NodePtr = std::shared_ptr<ModelNode>;

class Exerciser {
 public:
  explicit Exerciser(std::uint64_t seed) : rng_(seed) {
    fs_.volume.missing_percent = seed % 2 == 0 ? 30 : 0;
    fs_.options.dirty_bytes_max = 2 << 20;  // so that writers meet the limit
    if (seed % 3 == 0) fs_.options.compression.level = 1;
    fs_.remount();
    root_->id = kRootNode;
    root_->directory = true;
    root_->parent = root_.get();
    directories_.push_back(root_);
  }

  void step() {
    switch (below(15)) {
      case 0:
        return make(false);
      case 1:
        return make(below(4) == 0);
      case 2:
      case 3:
      case 4:
        return write();
      case 5:
        return truncate();
      case 6:
        return hole();
      case 7:
        return rename();
      case 8:
        return link();
      case 9:
        return remove();
      case 10:
        return xattr();
      case 11:
        return read();
      case 12:
        return seek();
      case 13:
        return copy();
      default:
        return sync();
    }
  }
  void remount() {
    fs_.remount();
    check_consistent(fs_.volume);
    CHECK((referenced_blocks(fs_.volume) == fs_.volume.owned()));
    CHECK(fs_.volume.reserved() == 0);
  }
  void compare() {
    known_.clear();
    compare_directory(*root_);
    // Nothing is left of what was removed.
    Ino last{};
    REQUIRE(fs_.volume.scan(
        Tree::inode, Key().u64(0), {},
        [&](Bytes key, Bytes) {
          last = static_cast<Ino>(KeyReader(key).u64());
          CHECK(known_.contains(static_cast<NodeId>(last)));
          return true;
        },
        kWait));
  }

 private:
  std::uint64_t below(std::uint64_t n) { return rng_() % n; }
  // Asks without waiting first, as a mount does.
  template <class Call>
  auto ask(Call call) {
    if (below(2) == 0)
      if (auto result = call(Wait::never); result || result.error().code != EAGAIN) return result;
    return call(Wait::allowed);
  }
  std::string name() { return std::string(1 + below(2), static_cast<char>('a' + below(12))); }
  const NodePtr& directory() { return directories_[below(directories_.size())]; }
  // A random name that is there, or null.
  std::pair<NodePtr, std::string> entry(bool file_only) {
    for (int tries = 0; tries < 20; ++tries) {
      const NodePtr& in = directory();
      if (in->children.empty()) continue;
      const auto it =
          std::next(in->children.begin(), static_cast<std::ptrdiff_t>(below(in->children.size())));
      if (!file_only || !it->second->directory) return {in, it->first};
    }
    return {};
  }
  NodePtr file() {
    const auto [in, at] = entry(true);
    return in ? in->children.at(at) : nullptr;
  }
  std::uint64_t offset() {
    switch (below(4)) {
      case 0:
        return below(100);
      case 1:
        return below(20'000);
      case 2:
        return 4096 * below(300);
      default:
        return below(1'200'000);
    }
  }
  std::string bytes() {
    std::string text(1 + below(below(3) == 0 ? 300'000 : 6000), '\0');
    const std::uint64_t letters = below(2) == 0 ? 255 : 3;  // noise, or what can be compressed
    for (char& c : text) c = static_cast<char>(1 + below(letters));
    return text;
  }

  void make(bool is_directory) {
    const NodePtr in = directory();
    const std::string at = name();
    const bool taken = in->children.contains(at);
    NodeId id = 0;
    if (is_directory) {
      const auto made =
          ask([&](Wait w) { return fs_.files->mkdir(fs_.caller, in->id, at, 0755, w); });
      CHECK(code(made) == (taken ? EEXIST : 0));
      if (!made) return;
      id = made->node;
      fs_.files->forget(id, 1);
    } else {
      const auto made = ask([&](Wait w) {
        return fs_.files->create(fs_.caller, in->id, at, 0644, O_RDWR | O_EXCL, w);
      });
      CHECK(code(made) == (taken ? EEXIST : 0));
      if (!made) return;
      id = made->entry.node;
      fs_.files->release(id, 0, O_RDWR);
      fs_.files->forget(id, 1);
    }
    const auto node = std::make_shared<ModelNode>();
    node->id = id;
    node->directory = is_directory;
    node->names = 1;
    node->parent = in.get();
    in->children[at] = node;
    if (is_directory) directories_.push_back(node);
  }

  void write() {
    const NodePtr node = file();
    if (!node) return;
    const std::uint64_t at = below(3) == 0 ? node->content.size() : offset();
    const std::string text = bytes();
    const auto written = ask(
        [&](Wait w) { return fs_.files->write(fs_.caller, node->id, 0, at, as_bytes(text), w); });
    REQUIRE(code(written) == 0);
    if (node->content.size() < at + text.size()) node->content.resize(at + text.size());
    node->content.replace(at, text.size(), text);
  }

  void truncate() {
    const NodePtr node = file();
    if (!node) return;
    SetAttr set;
    set.size = true;
    const std::uint64_t size = below(2) == 0 ? below(node->content.size() + 1) : offset();
    set.attr.st_size = static_cast<off_t>(size);
    REQUIRE(code(ask([&](Wait w) { return fs_.files->setattr(fs_.caller, node->id, set, w); })) ==
            0);
    node->content.resize(size);
  }

  void hole() {
    const NodePtr node = file();
    if (!node) return;
    const std::uint64_t at = offset(), length = 1 + below(50'000);
    const int mode = std::array{0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE}[below(5)];
    const bool grow = (mode & FALLOC_FL_KEEP_SIZE) == 0;
    REQUIRE(code(ask([&](Wait w) {
              return fs_.files->fallocate(fs_.caller, node->id, 0, mode, at, length, w);
            })) == 0);
    if (grow && node->content.size() < at + length) node->content.resize(at + length);
    if ((mode & ~FALLOC_FL_KEEP_SIZE) == 0) return;
    for (std::uint64_t i = at; i < std::min<std::uint64_t>(at + length, node->content.size()); ++i)
      node->content[i] = '\0';
  }

  // As copy_file_range(2): in pieces, as many bytes as there are.
  void copy() {
    const NodePtr from = file(), to = file();
    if (!from || !to) return;
    // Blocks can be shared when both offsets are alike in their block.
    const bool alike = below(4) != 0;
    const std::uint64_t at = offset(), other = offset();
    const std::uint64_t into = alike ? other / 4096 * 4096 + at % 4096 : other;
    std::uint64_t length = 1 + below(below(2) == 0 ? 10'000 : 1'000'000);
    const auto call = [&](std::uint64_t done) {
      return ask([&](Wait w) {
        return fs_.files->copy_range(fs_.caller, from->id, at + done, to->id, into + done,
                                     length - done, w);
      });
    };
    const std::uint64_t size = from->content.size();
    if (at >= size) {
      CHECK(call(0).value() == 0);
      return;
    }
    length = std::min(length, size - at);
    if (from == to && at < into + length && into < at + length) {
      CHECK(code(call(0)) == EINVAL);
      return;
    }
    for (std::uint64_t done = 0; done < length;) {
      const auto copied = call(done);
      REQUIRE(code(copied) == 0);
      REQUIRE(*copied > 0);
      done += *copied;
    }
    const std::string text = from->content.substr(at, length);
    if (to->content.size() < into + length) to->content.resize(into + length);
    to->content.replace(into, length, text);
  }

  static bool is_above(const ModelNode* node, const ModelNode* below) {
    for (;; below = below->parent) {
      if (below == node) return true;
      if (below->parent == below) return false;
    }
  }
  static int rename_error(const NodePtr& source, const NodePtr& to, const NodePtr& from,
                          const NodePtr& target, unsigned flags) {
    if (flags == RENAME_EXCHANGE && !target) return ENOENT;
    if (flags == RENAME_NOREPLACE && target) return EEXIST;
    if (target == source) return 0;
    if (source->directory && is_above(source.get(), to.get())) return EINVAL;
    if (flags == RENAME_EXCHANGE)
      return target->directory && is_above(target.get(), from.get()) ? EINVAL : 0;
    if (!target) return 0;
    if (target->directory && !source->directory) return EISDIR;
    if (!target->directory && source->directory) return ENOTDIR;
    return target->children.empty() ? 0 : ENOTEMPTY;
  }

  void rename() {
    const auto [from, at] = entry(false);
    if (!from) return;
    const NodePtr to = directory();
    const std::string new_name = name();
    const unsigned flags =
        std::array{0u, 0u, unsigned{RENAME_NOREPLACE}, unsigned{RENAME_EXCHANGE}}[below(4)];
    const NodePtr source = from->children.at(at);
    const auto there = to->children.find(new_name);
    const NodePtr target = there == to->children.end() ? nullptr : there->second;
    const int expected = rename_error(source, to, from, target, flags);
    REQUIRE(code(ask([&](Wait w) {
              return fs_.files->rename(fs_.caller, from->id, at, to->id, new_name, flags, w);
            })) == expected);
    if (expected != 0 || target == source) return;
    from->children.erase(at);
    to->children[new_name] = source;
    source->parent = to.get();
    if (flags == RENAME_EXCHANGE) {
      from->children[at] = target;
      target->parent = from.get();
    } else if (target) {
      drop(target);
    }
  }

  void link() {
    const NodePtr node = file();
    if (!node) return;
    const NodePtr to = directory();
    const std::string at = name();
    const bool taken = to->children.contains(at);
    const auto made =
        ask([&](Wait w) { return fs_.files->link(fs_.caller, node->id, to->id, at, w); });
    REQUIRE(code(made) == (taken ? EEXIST : 0));
    if (!made) return;
    fs_.files->forget(node->id, 1);
    to->children[at] = node;
    ++node->names;
  }

  void drop(const NodePtr& node) {
    if (--node->names == 0 && node->directory) std::erase(directories_, node);
  }

  void remove() {
    const auto [in, at] = entry(false);
    if (!in) return;
    const NodePtr node = in->children.at(at);
    CHECK(code(ask([&](Wait w) {
            return node->directory ? fs_.files->unlink(fs_.caller, in->id, at, w)
                                   : fs_.files->rmdir(fs_.caller, in->id, at, w);
          })) == (node->directory ? EISDIR : ENOTDIR));
    const int expected = node->children.empty() ? 0 : ENOTEMPTY;
    REQUIRE(code(ask([&](Wait w) {
              return node->directory ? fs_.files->rmdir(fs_.caller, in->id, at, w)
                                     : fs_.files->unlink(fs_.caller, in->id, at, w);
            })) == expected);
    if (expected != 0) return;
    in->children.erase(at);
    drop(node);
  }

  void xattr() {
    const auto [in, at] = entry(false);
    if (!in) return;
    const NodePtr node = in->children.at(at);
    const std::string attribute = "user." + name();
    if (below(3) == 0) {
      const int expected = node->xattrs.erase(attribute) ? 0 : ENODATA;
      CHECK(code(ask([&](Wait w) {
              return fs_.files->removexattr(fs_.caller, node->id, attribute, w);
            })) == expected);
      return;
    }
    const std::string value(below(3) == 0 ? below(65'537) : below(100), static_cast<char>(rng_()));
    const int flags = std::array<int, 3>{0, XATTR_CREATE, XATTR_REPLACE}[below(3)];
    const bool there = node->xattrs.contains(attribute);
    const int expected = flags == XATTR_CREATE && there     ? EEXIST
                         : flags == XATTR_REPLACE && !there ? ENODATA
                                                            : 0;
    CHECK(code(ask([&](Wait w) {
            return fs_.files->setxattr(fs_.caller, node->id, attribute, as_bytes(value), flags, w);
          })) == expected);
    if (expected == 0) node->xattrs[attribute] = value;
  }

  void read() {
    const NodePtr node = file();
    if (!node) return;
    const std::uint64_t at = offset();
    const std::size_t length = 1 + below(200'000);
    const std::string expected =
        at < node->content.size() ? node->content.substr(at, length) : std::string();
    CHECK((fs_.read(node->id, at, length) == expected));
  }

  // What lseek calls a hole is zeros, and from data it does not step back.
  void seek() {
    const NodePtr node = file();
    if (!node) return;
    std::uint64_t at = 0;
    const std::uint64_t size = node->content.size();
    while (at < size) {
      const auto data = fs_.files->lseek(fs_.caller, node->id, 0, at, SEEK_DATA, kWait);
      REQUIRE((data || data.error().code == ENXIO));
      const std::uint64_t hole_end = data ? *data : size;
      CHECK(node->content.find_first_not_of('\0', at) >= hole_end);
      if (!data) break;
      const auto hole = fs_.files->lseek(fs_.caller, node->id, 0, *data, SEEK_HOLE, kWait);
      REQUIRE(hole);
      CHECK(*hole > *data);
      at = *hole;
    }
  }

  void sync() {
    if (const NodePtr node = file()) CHECK(fs_.fsync(node->id));
  }

  void compare_directory(const ModelNode& model) {
    known_.insert({model.id, true});
    const auto names = fs_.list(model.id);
    REQUIRE(names.size() == model.children.size());
    unsigned subdirectories = 0;
    for (const auto& [at, child] : model.children) {
      CAPTURE(at);
      REQUIRE(names.contains(at));
      CHECK(names.at(at) == child->id);
      const auto found = fs_.files->lookup(fs_.caller, model.id, at, kWait);
      REQUIRE(found);
      CHECK(found->node == child->id);
      if (child->directory) {
        ++subdirectories;
        compare_directory(*child);
      } else {
        compare_file(*child);
      }
      compare_xattrs(*child);
      fs_.files->forget(child->id, 1);
    }
    CHECK(fs_.stat(model.id).st_nlink == 2 + subdirectories);
  }

  void compare_file(const ModelNode& model) {
    known_.insert({model.id, true});
    const struct stat attributes = fs_.stat(model.id);
    CHECK(attributes.st_nlink == model.names);
    REQUIRE(static_cast<std::uint64_t>(attributes.st_size) == model.content.size());
    CHECK((fs_.read(model.id, 0, model.content.size() + 1) == model.content));
  }

  void compare_xattrs(const ModelNode& model) {
    std::string names = fs_.files->listxattr(fs_.caller, model.id, kWait).value();
    CHECK(std::ranges::count(names, '\0') == static_cast<std::ptrdiff_t>(model.xattrs.size()));
    for (const auto& [attribute, value] : model.xattrs) {
      const auto got = fs_.files->getxattr(fs_.caller, model.id, attribute, kWait);
      REQUIRE(got);
      CHECK((*got == value));
    }
  }

  FilesFixture fs_;
  std::mt19937_64 rng_;
  NodePtr root_ = std::make_shared<ModelNode>();
  std::vector<NodePtr> directories_;
  std::map<NodeId, bool> known_;
};

}  // namespace

TEST_CASE("random operations give what a map of files gives, over remounts") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    Exerciser exerciser(seed);
    for (int round = 0; round < 5; ++round) {
      for (int i = 0; i < 300; ++i) exerciser.step();
      exerciser.compare();
      exerciser.remount();
      exerciser.compare();
    }
  }
}

TEST_SUITE_END();
