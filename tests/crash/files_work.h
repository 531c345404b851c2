// SPDX-License-Identifier: Apache-2.0
// Files with short words, on a volume of its own: what a FilesSubject works with and judges by.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fs/files.h"
#include "storage/volume.h"

namespace vexfs {

// A file that the listings leave out.
inline constexpr const char* kFiller = "filler";

class OpenFiles {
 public:
  explicit OpenFiles(Compression compression = {}) : compression_(compression) {}
  // The fault; empty: open. Files are made on what `around` makes of the volume.
  using Around = std::function<std::unique_ptr<Volume>(std::unique_ptr<Volume>)>;
  std::string open(std::unique_ptr<BlockDevice> device, const Around& around = {});
  // In two steps: the volume, then files on it.
  std::string open_volume(std::unique_ptr<BlockDevice> device, const VolumeOptions& options);
  std::string open_files();
  ~OpenFiles();

  // What stands below the root, sorted by path.
  struct Named {
    NodeId parent = 0, node = 0;
    std::string name, path;
    mode_t type = 0;
    std::string facts;  // number, mode, links, target, attributes
  };
  Result<std::vector<Named>> names();
  static std::string text_of(const std::vector<Named>& names);
  Result<std::string> facts_of(NodeId node);
  Result<std::string> content(NodeId node);
  Result<> fsync(NodeId node);
  Result<> fsync_directory(NodeId node);
  Result<> sync_all();
  Result<> truncate(NodeId node, std::uint64_t size);
  Result<> remove_all();
  std::uint64_t last_lsn() const { return static_cast<std::uint64_t>(volume->last_lsn()); }

  std::unique_ptr<Volume> volume;
  std::uint64_t came_back_at = 0;  // LSN, before orphans and intents were seen to
  std::unique_ptr<Files> files;
  const Caller caller{};

 private:
  const Compression compression_;
  Result<> list(NodeId directory, const std::string& path, std::vector<Named>& into);
  ContentIndex index_;
};

}  // namespace vexfs
