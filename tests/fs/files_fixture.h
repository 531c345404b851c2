// SPDX-License-Identifier: Apache-2.0
// FilesFixture: Files on a model volume, with short words for what tests do.
#pragma once
#include <doctest/doctest.h>
#include <fcntl.h>

#include <map>
#include <memory>
#include <string>

#include "fs/files.h"
#include "tests/fs/cold_volume.h"

namespace vexfs {

inline constexpr Wait kWait = Wait::allowed;

struct FilesFixture {
  explicit FilesFixture(std::uint64_t blocks = 1 << 20) : volume(blocks) {
    REQUIRE(Files::make_root(volume, 0, 0));
    open();
  }
  ~FilesFixture() {
    if (files) CHECK(files->close());
  }
  void open() {
    auto opened = Files::open(volume, *index, options);
    REQUIRE(opened);
    files = std::move(*opened);
  }
  void remount() {
    REQUIRE(files->close());
    files.reset();
    open();
  }
  // What is not in the log is gone.
  void crash() {
    files.reset();
    open();
  }

  NodeId dir(NodeId parent, std::string_view name) {
    const auto made = files->mkdir(caller, parent, name, 0755, kWait);
    REQUIRE(made);
    return made->node;
  }
  NodeId file(NodeId parent, std::string_view name, std::string_view content = {}) {
    const auto made = files->create(caller, parent, name, 0644, O_RDWR, kWait);
    REQUIRE(made);
    write(made->entry.node, 0, content);
    CHECK(files->flush(caller, made->entry.node, 0, kWait));
    files->release(made->entry.node, 0, O_RDWR);
    return made->entry.node;
  }
  void write(NodeId node, std::uint64_t offset, std::string_view text) {
    const auto written = files->write(caller, node, 0, offset, as_bytes(text), kWait);
    REQUIRE(written);
    CHECK(*written == text.size());
  }
  std::string read(NodeId node, std::uint64_t offset = 0, std::size_t bytes = 1 << 20) {
    std::string out(bytes, '?');
    const auto got =
        files->read(caller, node, 0, offset, std::as_writable_bytes(std::span(out)), kWait);
    REQUIRE(got);
    out.resize(*got);
    return out;
  }
  int lookup_error(NodeId parent, std::string_view name) {
    const auto found = files->lookup(caller, parent, name, kWait);
    if (found) files->forget(found->node, 1);
    return found ? 0 : found.error().code;
  }
  NodeId find(NodeId parent, std::string_view name) {
    const auto found = files->lookup(caller, parent, name, kWait);
    REQUIRE(found);
    return found->node;
  }
  struct stat stat(NodeId node) {
    const auto got = files->getattr(caller, node, kWait);
    REQUIRE(got);
    return got->attr;
  }
  Result<> fsync(NodeId node) {
    Result<> result;
    Mutex mutex;
    CondVar wake;
    bool done = false;
    files->fsync(caller, node, 0, false, [&](Result<> r) {
      Lock lock(mutex);
      result = r;
      done = true;
      wake.notify_all();
    });
    Lock lock(mutex);
    while (!done) wake.wait(mutex);
    return result;
  }
  Result<> truncate(NodeId node, std::uint64_t size) {
    SetAttr set;
    set.size = true;
    set.attr.st_size = static_cast<off_t>(size);
    if (auto done = files->setattr(caller, node, set, kWait); !done)
      return std::unexpected(done.error());
    return {};
  }
  // Names and numbers, without the dots.
  std::map<std::string, NodeId> list(NodeId directory) {
    std::map<std::string, NodeId> names;
    REQUIRE(files->readdir(
        caller, directory, 0, 0, false,
        [&](const DirectoryEntry& entry) {
          if (entry.name != "." && entry.name != "..")
            CHECK(names.emplace(entry.name, entry.node).second);
          return true;
        },
        kWait));
    return names;
  }

  Caller caller;
  ColdVolume volume;
  ContentIndex null_index;
  ContentIndex* index = &null_index;
  FilesOptions options{.commit_seconds = 3600};
  std::unique_ptr<Files> files;
};

template <class T>
int code(const Result<T>& result) {
  return result ? 0 : result.error().code;
}

}  // namespace vexfs
