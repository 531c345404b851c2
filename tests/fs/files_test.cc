// SPDX-License-Identifier: Apache-2.0
// Goal: each call of Files does what POSIX says, and refuses what it must.
// Method: one call a case on a model volume, good and bad; what must survive is asked again after
// a remount.
#include "fs/files.h"

#include <sys/xattr.h>

#include <chrono>
#include <thread>

#include "fs/inode_format.h"
#include "tests/fs/files_fixture.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/files");

TEST_CASE("a file is made, written, read and found again after a remount") {
  FilesFixture fs;
  const NodeId docs = fs.dir(kRootNode, "docs");
  const NodeId note = fs.file(docs, "note.txt", "hello");
  CHECK(fs.read(note) == "hello");
  CHECK(fs.stat(note).st_size == 5);
  fs.remount();
  const NodeId again = fs.find(fs.find(kRootNode, "docs"), "note.txt");
  CHECK(again == note);
  CHECK(fs.read(again) == "hello");
}

TEST_CASE("fsync keeps content and name over a crash, and only that file's") {
  FilesFixture fs;
  const NodeId kept = fs.file(kRootNode, "kept", std::string(100'000, 'k'));
  const NodeId lost = fs.file(kRootNode, "lost", std::string(100'000, 'l'));
  REQUIRE(fs.fsync(kept));
  fs.crash();
  CHECK(fs.read(fs.find(kRootNode, "kept")) == std::string(100'000, 'k'));
  // The name was logged; its size covers nothing that was not written.
  CHECK(fs.stat(fs.find(kRootNode, "lost")).st_size == 0);
  CHECK(lost != kept);
}

TEST_CASE("a change of attributes does not log a size that covers unwritten content") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", std::string(5000, 'a'));
  REQUIRE(fs.fsync(file));
  fs.write(file, 5000, std::string(90'000, 'b'));
  SetAttr set;
  set.mode = true;
  set.attr.st_mode = 0600;
  REQUIRE(fs.files->setattr(fs.caller, file, set, kWait));
  CHECK(fs.stat(file).st_size == 95'000);
  fs.crash();
  CHECK(fs.stat(file).st_mode == (S_IFREG | 0600));
  CHECK(fs.read(file) == std::string(5000, 'a'));
}

TEST_CASE("a name goes away with unlink, content lives until the last close") {
  FilesFixture fs;
  const auto made = fs.files->create(fs.caller, kRootNode, "f", 0600, O_RDWR, kWait);
  REQUIRE(made);
  const NodeId node = made->entry.node;
  fs.write(node, 0, "still here");
  CHECK(fs.files->unlink(fs.caller, kRootNode, "f", kWait));
  CHECK(fs.lookup_error(kRootNode, "f") == ENOENT);
  CHECK(fs.stat(node).st_nlink == 0);
  CHECK(fs.read(node) == "still here");
  CHECK(fs.fsync(node));
  fs.files->release(node, 0, O_RDWR);
  fs.files->forget(node, 1);
  fs.remount();
  CHECK(code(fs.files->getattr(fs.caller, node, kWait)) == ENOENT);
}

TEST_CASE("an unlinked open file is removed at the mount after a crash") {
  FilesFixture fs;
  const auto made = fs.files->create(fs.caller, kRootNode, "f", 0600, O_RDWR, kWait);
  REQUIRE(made);
  fs.write(made->entry.node, 0, std::string(50'000, 'x'));
  REQUIRE(fs.fsync(made->entry.node));
  CHECK(fs.files->unlink(fs.caller, kRootNode, "f", kWait));
  fs.crash();
  CHECK(code(fs.files->getattr(fs.caller, made->entry.node, kWait)) == ENOENT);
}

TEST_CASE("a removal that failed is tried again without a remount") {
  FilesFixture fs;
  fs.options.commit_seconds = 1;
  fs.remount();
  const NodeId file = fs.file(kRootNode, "f");
  // More extents than one transaction takes.
  for (off_t block = 0; block < 2200; block += 2)
    REQUIRE(fs.files->fallocate(fs.caller, file, 0, 0, block * 4096, 4096, kWait));
  REQUIRE(fs.fsync(file));
  REQUIRE(fs.volume.owned().size() == 1100);
  SUBCASE("of a file that is closed after its unlink") {
    REQUIRE(fs.files->open_file(fs.caller, file, O_RDWR, kWait));
    REQUIRE(fs.files->unlink(fs.caller, kRootNode, "f", kWait));
    fs.volume.failing_commit = 1;
    fs.files->release(file, 0, O_RDWR);
  }
  SUBCASE("of the rest of a file that is large") {
    fs.volume.failing_commit = 2;
    REQUIRE(fs.files->unlink(fs.caller, kRootNode, "f", kWait));
  }
  std::string record;
  const auto there = [&] { return fs.volume.get(Tree::orphan, ino_key(Ino{file}), record, kWait); };
  for (unsigned i = 0; i < 1000 && there(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(code(there()) == ENOENT);
  CHECK(fs.volume.failing_commit <= 0);
  CHECK(fs.volume.owned().empty());
}

TEST_CASE("rename moves, replaces, refuses and exchanges") {
  FilesFixture fs;
  const NodeId a = fs.dir(kRootNode, "a"), b = fs.dir(kRootNode, "b");
  const NodeId file = fs.file(a, "f", "one");
  const auto rename = [&](NodeId from, const char* name, NodeId to, const char* new_name,
                          unsigned flags = 0) {
    return code(fs.files->rename(fs.caller, from, name, to, new_name, flags, kWait));
  };
  CHECK(rename(a, "f", b, "g") == 0);
  CHECK(fs.list(a).empty());
  CHECK(fs.list(b) == std::map<std::string, NodeId>{{"g", file}});
  const NodeId other = fs.file(b, "h", "two");
  CHECK(rename(b, "g", b, "h", RENAME_NOREPLACE) == EEXIST);
  CHECK(rename(b, "g", b, "h", RENAME_EXCHANGE) == 0);
  CHECK(fs.list(b) == std::map<std::string, NodeId>{{"g", other}, {"h", file}});
  CHECK(rename(b, "g", b, "h") == 0);
  CHECK(fs.list(b) == std::map<std::string, NodeId>{{"h", other}});
  CHECK(rename(b, "none", b, "h") == ENOENT);
  CHECK(rename(kRootNode, "a", a, "inside") == EINVAL);
  CHECK(rename(kRootNode, "a", b, "h") == ENOTDIR);
  CHECK(rename(b, "h", kRootNode, "a") == EISDIR);
  CHECK(rename(kRootNode, "a", kRootNode, "b") == ENOTEMPTY);
  CHECK(rename(kRootNode, "a", kRootNode, ".vexfs") == EPERM);
  CHECK(rename(b, "h", b, "x", 1u << 10) == EINVAL);
  CHECK(rename(kRootNode, "a", b, "a2") == 0);
  CHECK(fs.stat(b).st_nlink == 3);
  CHECK(fs.stat(kRootNode).st_nlink == 3);
  CHECK(fs.find(a, "..") == b);
  fs.remount();
  CHECK(fs.find(a, "..") == b);
}

TEST_CASE("attributes in parts, to 64 KiB, come back whole") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f");
  for (const std::size_t bytes : {0u, 1u, 4000u, 4096u, 20'000u, 65'536u}) {
    const std::string value(bytes, static_cast<char>('a' + bytes % 7));
    CAPTURE(bytes);
    REQUIRE(fs.files->setxattr(fs.caller, file, "user.big", as_bytes(value), 0, kWait));
    CHECK(fs.files->getxattr(fs.caller, file, "user.big", kWait).value() == value);
  }
  const auto set = [&](std::string_view name, std::size_t bytes, int flags = 0) {
    const std::string value(bytes, 'v');
    return code(fs.files->setxattr(fs.caller, file, name, as_bytes(value), flags, kWait));
  };
  CHECK(set("user.big", 65'537) == E2BIG);
  CHECK(set("user.big", 1, XATTR_CREATE) == EEXIST);
  CHECK(set("user.new", 1, XATTR_REPLACE) == ENODATA);
  CHECK(set("system.x", 1) == EOPNOTSUPP);
  CHECK(set("user.vexfs.vector", 4) == EPERM);
  CHECK(set("trusted.t", 3) == 0);
  CHECK(fs.files->listxattr(fs.caller, file, kWait).value().size() == 9 + 10);
  CHECK(fs.files->removexattr(fs.caller, file, "user.big", kWait));
  CHECK(code(fs.files->getxattr(fs.caller, file, "user.big", kWait)) == ENODATA);
  CHECK(code(fs.files->removexattr(fs.caller, file, "user.big", kWait)) == ENODATA);
  fs.remount();
  CHECK(fs.files->getxattr(fs.caller, file, "trusted.t", kWait).value() == "vvv");
}

TEST_SUITE_END();
