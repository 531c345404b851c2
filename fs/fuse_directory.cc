// SPDX-License-Identifier: Apache-2.0
// Callbacks for reading directories: a page of entries at a time, in pooled memory.
#include <string>
#include <utility>

#include "fs/fuse_request.h"

namespace vexfs {

namespace {

void on_opendir(fuse_req_t req, fuse_ino_t node, fuse_file_info*) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait,
                       NodeId of) -> Result<OpenedFile> {
    VEXFS_TRY(const Opened opened, files.opendir(caller, of, wait));
    return OpenedFile{.node = of, .opened = opened};
  };
  serve(req, FuseOp::opendir, kind_of(node), call, NodeId{node});
}

void on_releasedir(fuse_req_t req, fuse_ino_t node, fuse_file_info* file) noexcept {
  Reply reply(req, FuseOp::releasedir);
  border_of(req).files.releasedir(node, file->fh);
  std::move(reply).done();
}

// Writes entries in the kernel's layout. An entry's name is borrowed and has no NUL, which
// libfuse wants, so it passes through `name_`.
class PageWriter {
 public:
  PageWriter(DirectoryPage& page, bool plus) : page_(page), plus_(plus) {}

  // False: it does not fit.
  bool add(const DirectoryEntry& entry) {
    VEXFS_ASSERT(entry.name.size() <= kNameBytesMax);
    name_ = entry.name;
    auto* const at = reinterpret_cast<char*>(page_.buffer.data()) + page_.bytes;
    const std::size_t room = page_.buffer.size() - page_.bytes;
    const std::size_t size = plus_ ? write_plus(entry, at, room) : write_plain(entry, at, room);
    if (size > room) return false;
    page_.bytes += size;
    if (plus_ && entry.entry != nullptr && !is_dot(entry.name))
      page_.lookups.push_back(entry.entry->node);
    return true;
  }

 private:
  static bool is_dot(std::string_view name) { return name == "." || name == ".."; }

  std::size_t write_plain(const DirectoryEntry& entry, char* at, std::size_t room) {
    struct stat attr{};
    attr.st_ino = entry.node;
    attr.st_mode = entry.mode;
    return fuse_add_direntry(nullptr, at, room, name_.c_str(), &attr,
                             static_cast<off_t>(entry.next));
  }

  // An entry without attributes goes as node 0: the kernel then takes only name and type.
  std::size_t write_plus(const DirectoryEntry& entry, char* at, std::size_t room) {
    fuse_entry_param param{};
    param.attr.st_ino = entry.node;
    param.attr.st_mode = entry.mode;
    if (entry.entry != nullptr && !is_dot(entry.name)) {
      param.ino = entry.entry->node;
      param.generation = entry.entry->generation;
      param.attr = entry.entry->attr;
      param.attr_timeout = entry.entry->attr_seconds;
      param.entry_timeout = entry.entry->entry_seconds;
    }
    return fuse_add_direntry_plus(nullptr, at, room, name_.c_str(), &param,
                                  static_cast<off_t>(entry.next));
  }

  DirectoryPage& page_;
  const bool plus_;
  std::string name_;
};

void read_page(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
               fuse_file_info* file, bool plus) {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::uint64_t handle, std::uint64_t after, std::size_t bytes,
                       bool with_attributes) -> Result<DirectoryPage> {
    DirectoryPage page{.buffer = Buffer::take(bytes)};
    PageWriter writer(page, with_attributes);
    const auto emit = [&writer](const DirectoryEntry& entry) { return writer.add(entry); };
    const Result<> read = files.readdir(caller, of, handle, after, with_attributes, emit, wait);
    // What has been taken is delivered; what stopped it comes back with the next page.
    if (!read && page.bytes == 0) return std::unexpected(read.error());
    return page;
  };
  serve(req, plus ? FuseOp::readdirplus : FuseOp::readdir, kind_of(node), call, NodeId{node},
        file->fh, static_cast<std::uint64_t>(offset), size, plus);
}

void on_readdir(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                fuse_file_info* file) noexcept {
  read_page(req, node, size, offset, file, false);
}

void on_readdirplus(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                    fuse_file_info* file) noexcept {
  read_page(req, node, size, offset, file, true);
}

}  // namespace

void add_directory_operations(fuse_lowlevel_ops& ops) {
  ops.opendir = on_opendir;
  ops.readdir = on_readdir;
  ops.readdirplus = on_readdirplus;
  ops.releasedir = on_releasedir;
}

}  // namespace vexfs
