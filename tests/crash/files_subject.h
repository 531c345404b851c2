// SPDX-License-Identifier: Apache-2.0
// FilesSubject: files and directories under random work, for the simulator. It promises what
// INTERFACE says of durability:
//
//   names, modes, links, attributes   as they were after some transaction, at least the newest
//                                     that was synced: a prefix in time
//   content                           each block as some version of that file had it, none older
//                                     than what was flushed (fsync, rename over, close after a
//                                     truncation) or cut off by then; never another file's bytes
//   size                              covers no byte that is not there
// Threads: one.
#pragma once
#include <map>
#include <vector>

#include "fs/files.h"
#include "storage/compression.h"
#include "tests/crash/simulator.h"

namespace vexfs {

struct FilesSubjectOptions {
  unsigned steps = 40;
  std::size_t write_bytes_max = 30'000;
  Compression compression = {};
  std::uint64_t left_blocks = 0;  // 0: all; else a file "filler" takes all the others
};

// What the content of one file was, and what of it must be there from which LSN on.
class FileVersions {
 public:
  const std::string& newest() const { return versions_.back().content; }
  // New content, of a call that began when `lsn` was the newest transaction.
  void add(std::uint64_t lsn, std::string content);
  // Who finds `lsn` finds the newest version, or a younger one.
  void flushed(std::uint64_t lsn);
  // Who finds `lsn` finds nothing older behind block `from` than the newest version.
  void cut_off(std::uint64_t lsn, std::uint64_t from);
  // A volume came back at `lsn`: what is newer never was.
  void forget_after(std::uint64_t lsn);
  // The fault in what a volume at `lsn` shows; empty: none.
  std::string judge(std::uint64_t lsn, const std::string& shown) const;

 private:
  struct Version {
    std::uint64_t after = 0;  // visible only in what is newer than this LSN
    std::string content;
  };
  struct Floor {
    std::uint64_t lsn = 0;
    std::size_t version = 0;
    std::uint64_t from_block = 0;
  };
  bool visible(std::size_t version, std::uint64_t lsn, std::size_t floor) const;
  std::vector<Version> versions_;
  std::vector<Floor> floors_;
};

class FilesSubject final : public CrashSubject {
 public:
  explicit FilesSubject(const FilesSubjectOptions& options) : options_(options) {}
  MemoryDevice::Image start(Rng& rng) override;
  std::string live(std::unique_ptr<BlockDevice> device, DeviceHistory& history, Rng& rng) override;
  Verdict judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                const Circumstances& circumstances) override;

 private:
  class Work;
  std::string judge_names(std::uint64_t lsn, const std::string& names) const;

  const FilesSubjectOptions options_;
  // LSN -> the names after it; between two, either may be seen.
  std::multimap<std::uint64_t, std::string> moments_;
  std::map<NodeId, FileVersions> files_;
};

}  // namespace vexfs
