// SPDX-License-Identifier: Apache-2.0
// Goal: names, modes, owners, links and listings are what POSIX says; the index hears of it all.
// Method: one property a case on a model volume; an index that writes down what it is told.
#include <sys/sysmacros.h>

#include <algorithm>
#include <functional>
#include <set>
#include <vector>

#include "tests/fs/consistency.h"
#include "tests/fs/files_fixture.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/files: names");

namespace {

SetAttr mode_of(mode_t mode) {
  SetAttr set;
  set.mode = true;
  set.attr.st_mode = mode;
  return set;
}

// A page of a listing: the names after a cookie, at most `count`; moves the cookie.
std::vector<std::string> list_page(FilesFixture& fs, NodeId directory, std::uint64_t& cookie,
                                   std::size_t count) {
  std::vector<std::string> names;
  REQUIRE(fs.files->readdir(
      fs.caller, directory, 0, cookie, false,
      [&](const DirectoryEntry& entry) {
        if (names.size() == count) return false;
        names.emplace_back(entry.name);
        cookie = entry.next;
        return true;
      },
      kWait));
  return names;
}

}  // namespace

TEST_CASE("bad names are refused everywhere") {
  FilesFixture fs;
  const std::string long_name(256, 'n'), longest(255, 'n');
  fs.file(kRootNode, longest);
  CHECK(fs.lookup_error(kRootNode, longest) == 0);
  CHECK(fs.lookup_error(kRootNode, long_name) == ENAMETOOLONG);
  for (const auto& [name, error] : std::map<std::string, int>{
           {long_name, ENAMETOOLONG}, {".vexfs", EPERM}, {longest, EEXIST}}) {
    CHECK(code(fs.files->mkdir(fs.caller, kRootNode, name, 0755, kWait)) == error);
    CHECK(code(fs.files->mknod(fs.caller, kRootNode, name, S_IFREG, 0, kWait)) == error);
    CHECK(code(fs.files->symlink(fs.caller, "t", kRootNode, name, kWait)) == error);
    CHECK(code(fs.files->create(fs.caller, kRootNode, name, 0644, O_EXCL, kWait)) == error);
  }
  CHECK(fs.lookup_error(kRootNode, ".vexfs") == ENOENT);
  CHECK(code(fs.files->unlink(fs.caller, kRootNode, ".vexfs", kWait)) == EPERM);
  CHECK(code(fs.files->rmdir(fs.caller, kRootNode, ".", kWait)) == EINVAL);
  CHECK(code(fs.files->rmdir(fs.caller, kRootNode, "..", kWait)) == ENOTEMPTY);
}

TEST_CASE("new files belong to the caller, in a setgid directory to its group") {
  FilesFixture fs;
  fs.caller.uid = 1000;
  fs.caller.gid = 100;
  const NodeId plain = fs.dir(kRootNode, "plain"), shared = fs.dir(kRootNode, "shared");
  SetAttr group;
  group.gid = group.mode = true;
  group.attr.st_gid = 7;
  group.attr.st_mode = 02775;
  REQUIRE(fs.files->setattr(fs.caller, shared, group, kWait));
  const struct stat own = fs.stat(fs.file(plain, "f")), theirs = fs.stat(fs.file(shared, "f"));
  CHECK(own.st_uid == 1000);
  CHECK(own.st_gid == 100);
  CHECK(theirs.st_uid == 1000);
  CHECK(theirs.st_gid == 7);
  const struct stat below = fs.stat(fs.dir(shared, "d"));
  CHECK(below.st_mode == (S_IFDIR | 02755));
  CHECK(below.st_gid == 7);
}

TEST_CASE("set-id bits go when others write and when the owner changes") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", "x");
  const auto set_id = [&] { REQUIRE(fs.files->setattr(fs.caller, file, mode_of(06775), kWait)); };
  set_id();
  fs.write(file, 0, "by root");
  CHECK(fs.stat(file).st_mode == (S_IFREG | 06775));
  fs.caller.uid = 5;
  fs.caller.kills_set_id = true;  // as the border tells
  fs.write(file, 0, "by five");
  CHECK(fs.stat(file).st_mode == (S_IFREG | 0775));
  set_id();
  REQUIRE(fs.truncate(file, 1));
  CHECK(fs.stat(file).st_mode == (S_IFREG | 0775));
  set_id();
  fs.caller.uid = 0;
  SetAttr owner;
  owner.uid = true;
  owner.attr.st_uid = 9;
  REQUIRE(fs.files->setattr(fs.caller, file, owner, kWait));
  CHECK(fs.stat(file).st_mode == (S_IFREG | 0775));
  CHECK(fs.stat(file).st_uid == 9);
}

TEST_CASE("a capability goes with whatever changes content") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", std::string(10'000, 'x'));
  const NodeId source = fs.file(kRootNode, "source", std::string(10'000, 'y'));
  const auto has = [&] {
    return bool(fs.files->getxattr(fs.caller, file, "security.capability", kWait));
  };
  const std::function<void()> changes[] = {
      [&] { fs.write(file, 0, "z"); },
      [&] { REQUIRE(fs.truncate(file, 9'000)); },
      [&] { REQUIRE(fs.files->fallocate(fs.caller, file, 0, 0, 0, 20'000, kWait)); },
      [&] { REQUIRE(fs.files->copy_range(fs.caller, source, 0, file, 0, 5'000, kWait)); },
  };
  for (const auto& change : changes) {
    REQUIRE(fs.files->setxattr(fs.caller, file, "security.capability", as_bytes("c"), 0, kWait));
    REQUIRE(has());
    change();
    CHECK_FALSE(has());
  }
}

TEST_CASE("symlinks, devices and fifos keep what they are over a remount") {
  FilesFixture fs;
  const std::string target(4095, 't');
  const auto link = fs.files->symlink(fs.caller, target, kRootNode, "link", kWait);
  REQUIRE(link);
  CHECK(code(fs.files->symlink(fs.caller, target + "t", kRootNode, "l2", kWait)) == ENAMETOOLONG);
  CHECK(code(fs.files->symlink(fs.caller, "", kRootNode, "l2", kWait)) == ENOENT);
  const auto device =
      fs.files->mknod(fs.caller, kRootNode, "device", S_IFCHR | 0600, makedev(5, 1), kWait);
  REQUIRE(device);
  const auto fifo = fs.files->mknod(fs.caller, kRootNode, "fifo", S_IFIFO | 0600, 9, kWait);
  REQUIRE(fifo);
  CHECK(code(fs.files->mknod(fs.caller, kRootNode, "d", S_IFDIR, 0, kWait)) == EINVAL);
  fs.remount();
  CHECK(fs.files->readlink(fs.caller, link->node, kWait).value() == target);
  CHECK(fs.stat(link->node).st_size == 4095);
  CHECK(code(fs.files->readlink(fs.caller, fifo->node, kWait)) == EINVAL);
  CHECK(fs.stat(device->node).st_rdev == makedev(5, 1));
  CHECK(fs.stat(fifo->node).st_mode == (S_IFIFO | 0600));
  CHECK(fs.stat(fifo->node).st_rdev == 0);
  REQUIRE(fs.files->unlink(fs.caller, kRootNode, "link", kWait));
  fs.remount();
  check_consistent(fs.volume);
}

TEST_CASE("hard links share one inode, up to 65,000 of them") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", "content"), more = fs.dir(kRootNode, "more");
  CHECK(code(fs.files->link(fs.caller, more, kRootNode, "d", kWait)) == EPERM);
  CHECK(code(fs.files->link(fs.caller, file, kRootNode, "more", kWait)) == EEXIST);
  for (int i = 1; i < 65'000; ++i)
    REQUIRE(fs.files->link(fs.caller, file, more, std::to_string(i), kWait));
  CHECK(code(fs.files->link(fs.caller, file, more, "one more", kWait)) == EMLINK);
  CHECK(fs.stat(file).st_nlink == 65'000);
  REQUIRE(fs.files->unlink(fs.caller, kRootNode, "f", kWait));
  CHECK(fs.read(fs.find(more, "64999")) == "content");
}

TEST_CASE("a listing in pages is stable while entries come and go") {
  FilesFixture fs;
  const NodeId directory = fs.dir(kRootNode, "d");
  std::set<std::string> stay;
  for (int i = 0; i < 3000; ++i) {
    fs.file(directory, "stay" + std::to_string(i));
    stay.insert("stay" + std::to_string(i));
  }
  for (int i = 0; i < 500; ++i) fs.file(directory, "go" + std::to_string(i));
  std::multiset<std::string> seen;
  std::uint64_t cookie = 0;
  for (int page = 0;; ++page) {
    const auto names = list_page(fs, directory, cookie, 40);
    if (names.empty()) break;
    seen.insert(names.begin(), names.end());
    if (page < 250) {
      REQUIRE(fs.files->unlink(fs.caller, directory, "go" + std::to_string(page), kWait));
      fs.file(directory, "come" + std::to_string(page));
    }
  }
  for (const std::string& name : stay) CHECK(seen.count(name) == 1);
  for (const std::string& name : seen) CHECK(seen.count(name) == 1);
  CHECK(seen.contains("."));
  CHECK(seen.contains(".."));
}

TEST_CASE("readdirplus counts a lookup for what was taken, and only for that") {
  FilesFixture fs;
  const NodeId directory = fs.dir(kRootNode, "d");
  const NodeId a = fs.file(directory, "a"), b = fs.file(directory, "b");
  fs.remount();  // no lookups are left
  std::vector<NodeId> taken;
  REQUIRE(fs.files->readdir(
      fs.caller, directory, 0, 2, true,
      [&](const DirectoryEntry& entry) {
        if (!taken.empty()) return false;
        REQUIRE(entry.entry);
        CHECK(entry.entry->attr.st_ino == entry.node);
        taken.push_back(entry.node);
        return true;
      },
      kWait));
  REQUIRE(taken.size() == 1);
  // Unlinked and known to the kernel, a node still answers; unknown, it is gone.
  REQUIRE(fs.files->unlink(fs.caller, directory, "a", kWait));
  REQUIRE(fs.files->unlink(fs.caller, directory, "b", kWait));
  for (const NodeId node : {a, b})
    CHECK(code(fs.files->getattr(fs.caller, node, kWait)) == (node == taken[0] ? 0 : ENOENT));
  fs.files->forget(taken[0], 1);
  CHECK(code(fs.files->getattr(fs.caller, taken[0], kWait)) == ENOENT);
}

TEST_CASE("a directory of 200,000 names is filled, asked and emptied without a slow step") {
  FilesFixture fs;
  const NodeId directory = fs.dir(kRootNode, "d");
  constexpr int kNames = 200'000;
  for (int i = 0; i < kNames; ++i) {
    const auto made =
        fs.files->mknod(fs.caller, directory, std::to_string(i), S_IFREG | 0644, 0, kWait);
    REQUIRE(made);
    fs.files->forget(made->node, 1);
  }
  std::uint64_t cookie = 0;
  CHECK(list_page(fs, directory, cookie, 100).size() == 100);
  for (int i = 0; i < kNames; ++i)
    REQUIRE(fs.files->unlink(fs.caller, directory, std::to_string(i), kWait));
  REQUIRE(fs.files->rmdir(fs.caller, kRootNode, "d", kWait));
}

TEST_CASE("times move as POSIX says, and can be set") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", "x");
  SetAttr set;
  set.atime = set.mtime = true;
  set.attr.st_atim = {.tv_sec = 100, .tv_nsec = 7};
  set.attr.st_mtim = {.tv_sec = -5, .tv_nsec = 3};
  REQUIRE(fs.files->setattr(fs.caller, file, set, kWait));
  fs.remount();
  struct stat now = fs.stat(file);
  CHECK(now.st_atim.tv_sec == 100);
  CHECK(now.st_atim.tv_nsec == 7);
  CHECK(now.st_mtim.tv_sec == -5);
  CHECK(now.st_mtim.tv_nsec == 3);
  fs.read(file);
  now = fs.stat(file);
  CHECK(now.st_atim.tv_sec > 1'000'000'000);
  CHECK(now.st_mtim.tv_sec == -5);
  fs.write(file, 0, "y");
  now = fs.stat(file);
  CHECK(now.st_mtim.tv_sec > 1'000'000'000);
  const struct stat before = fs.stat(kRootNode);
  fs.file(kRootNode, "g");
  CHECK(fs.stat(kRootNode).st_mtim.tv_nsec != before.st_mtim.tv_nsec);
}

TEST_CASE("a read-only mount reads and changes nothing") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", "x");
  REQUIRE(fs.files->close());
  fs.options.read_only = true;
  fs.open();
  CHECK(fs.read(file) == "x");
  CHECK(code(fs.files->write(fs.caller, file, 0, 0, as_bytes("y"), kWait)) == EROFS);
  CHECK(code(fs.files->mkdir(fs.caller, kRootNode, "d", 0755, kWait)) == EROFS);
  CHECK(code(fs.files->unlink(fs.caller, kRootNode, "f", kWait)) == EROFS);
  CHECK(code(fs.files->open_file(fs.caller, file, O_RDWR, kWait)) == EROFS);
  CHECK(code(fs.files->setattr(fs.caller, file, mode_of(0600), kWait)) == EROFS);
}

namespace {

struct ToldIndex final : ContentIndex {
  std::vector<std::string> told;
  int move_error = 0;
  void add(const char* what, Ino ino) {
    told.push_back(std::string(what) + " " + std::to_string(static_cast<std::uint64_t>(ino)));
  }
  std::vector<std::string> take() { return std::exchange(told, {}); }

  void log_changed(Transaction&, Ino ino, std::uint64_t) override { add("log_changed", ino); }
  void log_removed(Transaction&, Ino ino) override { add("log_removed", ino); }
  void log_vector(Transaction&, Ino ino) override { add("log_vector", ino); }
  void log_moved(Transaction&, Ino ino, Ino, Ino) override { add("log_moved", ino); }
  void changed(Ino ino) override { add("changed", ino); }
  void closed(Ino ino) override { add("closed", ino); }
  void removed(Ino ino) override { add("removed", ino); }
  void moved(Ino ino, Ino, Ino) override { add("moved", ino); }
  void vector_set(Ino ino, std::span<const float> vector) override {
    add(vector.empty() ? "vector_removed" : "vector_set", ino);
  }
  Result<> check_vector(Ino, std::span<const float> vector) override {
    if (vector.size() > 4) return fail(EINVAL, "test: too long");
    return {};
  }
  Result<> check_move(Ino, Ino, Ino) override {
    if (move_error) return fail(move_error, "test: no");
    return {};
  }
};

}  // namespace

TEST_CASE("the index hears of every change, once, and may refuse a move") {
  ToldIndex index;
  FilesFixture fs;
  REQUIRE(fs.files->close());
  fs.index = &index;
  fs.open();
  using Lines = std::vector<std::string>;
  const NodeId file = fs.file(kRootNode, "f", "text");
  CHECK(index.take() == Lines{"changed 2", "closed 2"});  // nothing while it is empty
  REQUIRE(fs.fsync(file));
  CHECK(index.take() == Lines{"log_changed 2"});
  index.move_error = EXDEV;
  CHECK(code(fs.files->rename(fs.caller, kRootNode, "f", kRootNode, "g", 0, kWait)) == EXDEV);
  index.move_error = 0;
  REQUIRE(fs.files->rename(fs.caller, kRootNode, "f", kRootNode, "g", 0, kWait));
  CHECK(index.take() == Lines{"log_moved 2", "moved 2"});
  const std::string vector(8, '\0');
  CHECK(code(fs.files->set_user_vector(fs.caller, file, as_bytes("abc"), 0, kWait)) == EINVAL);
  CHECK(code(fs.files->set_user_vector(fs.caller, file, as_bytes(std::string(20, '\0')), 0,
                                       kWait)) == EINVAL);
  CHECK(index.take() == Lines{});
  REQUIRE(fs.files->set_user_vector(fs.caller, file, as_bytes(vector), 0, kWait));
  CHECK(index.take() == Lines{"log_vector 2", "vector_set 2"});
  CHECK(fs.files->user_vector(Ino{file}).value() == vector);
  CHECK(code(fs.files->removexattr(fs.caller, file, "user.vexfs.vector", kWait)) == EPERM);
  REQUIRE(fs.files->remove_user_vector(fs.caller, file, kWait));
  CHECK(index.take() == Lines{"log_vector 2", "vector_removed 2"});
  CHECK(code(fs.files->user_vector(Ino{file})) == ENODATA);
  CHECK(code(fs.files->remove_user_vector(fs.caller, file, kWait)) == ENODATA);
  CHECK(code(fs.files->set_user_vector(fs.caller, kRootNode, as_bytes(vector), 0, kWait)) == EPERM);
  REQUIRE(fs.files->unlink(fs.caller, kRootNode, "g", kWait));
  CHECK(index.take() == Lines{"log_removed 2", "moved 2", "removed 2"});
  REQUIRE(fs.files->close());
  fs.files.reset();
}

TEST_CASE("content generations change with content, stay otherwise, and never come again") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", "one");
  std::set<std::uint64_t> seen;
  const auto generation = [&] { return fs.files->facts(Ino{file}).value().generation; };
  CHECK(seen.insert(generation()).second);
  fs.write(file, 0, "two");
  CHECK(seen.insert(generation()).second);
  REQUIRE(fs.truncate(file, 1));
  CHECK(seen.insert(generation()).second);
  REQUIRE(fs.files->setattr(fs.caller, file, mode_of(0600), kWait));
  CHECK(seen.contains(generation()));
  const std::uint64_t before = generation();
  fs.remount();
  CHECK(generation() == before);
}

TEST_CASE("search sees names, parents, children and permissions") {
  FilesFixture fs;
  const NodeId directory = fs.dir(kRootNode, "d");
  const NodeId file = fs.file(directory, "f", "x");
  REQUIRE(fs.files->link(fs.caller, file, kRootNode, "g", kWait));
  CHECK(fs.files->parent(Ino{directory}).value() == kRootIno);
  CHECK(fs.files->parent(kRootIno).value() == kRootIno);
  CHECK(code(fs.files->parent(Ino{999})) == ENOENT);
  std::set<std::string> names;
  REQUIRE(fs.files->names(Ino{file}, [&](Ino parent, std::string_view name) {
    names.insert(std::to_string(static_cast<std::uint64_t>(parent)) + std::string(name));
    return true;
  }));
  CHECK(names == std::set<std::string>{std::to_string(directory) + "f", "1g"});
  std::set<std::string> children;
  REQUIRE(fs.files->children(kRootIno, [&](std::string_view name, Ino, mode_t mode) {
    children.insert(std::string(name) + (S_ISDIR(mode) ? "/" : ""));
    return true;
  }));
  CHECK(children == std::set<std::string>{"d/", "g"});
  Caller other;
  other.uid = 5;
  other.gid = 5;
  REQUIRE(fs.files->setattr(fs.caller, file, mode_of(0640), kWait));
  CHECK_FALSE(fs.files->may_read(other, Ino{file}));
  other.groups = {0};
  CHECK(fs.files->may_read(other, Ino{file}));
  CHECK(fs.files->may_read(fs.caller, Ino{file}));
  CHECK(fs.files->may_enter(other, Ino{directory}));
  CHECK(code(fs.files->facts(Ino{999})) == ENOENT);
}

TEST_SUITE_END();
