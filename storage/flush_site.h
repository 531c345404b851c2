// SPDX-License-Identifier: Apache-2.0
// FlushSite: the places that order writes, each with the promise that breaks without it. A flush
// names its site, so a test device can leave out one of them and show that it is missed.
//
// Always: a site stands in one place of the program (tests/tidy.py); the crash tests have a
// control for every one (tests/storage/flush_sites_test.cc).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace vexfs {

enum class FlushSite : std::uint8_t {
  format,            // a new volume is there when format() returns
  mount,             // what replay has shown stays, though it came from a disk's cache
  log_batch,         // a frame that somebody waits for, in one I/O with its write
  log_written,       // frames that were written before anybody asked
  checkpoint_pages,  // the pages of a checkpoint, before a superblock names them
  checkpoint_root,   // the superblock, before what it replaces is used again
  file_content,      // blocks of a file, before its extents name them
  blob_content,      // blocks of a blob, before its reference is logged
};
inline constexpr std::size_t kFlushSiteCount = std::size_t(FlushSite::blob_content) + 1;
inline constexpr std::array kFlushSiteNames = {
    "format",           "mount",           "log_batch",    "log_written",
    "checkpoint_pages", "checkpoint_root", "file_content", "blob_content",
};
static_assert(kFlushSiteNames.size() == kFlushSiteCount);

}  // namespace vexfs
