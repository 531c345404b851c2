// SPDX-License-Identifier: Apache-2.0
// The words after -o, of `vexfs mount`, `mount -t vexfs` and /etc/fstab.
//
//   ro rw                    read-only, writable (default)
//   allow_other              users other than the mounting one may enter
//   suid dev                 obey set-user-id bits, device nodes (root only; default: neither)
//   relatime                 reading moves times of access after a change, else once a day
//   noatime strictatime      never, always; nodiratime: never of directories
//   auto_unmount             the mount point is freed though the daemon crashes (fusermount3)
//   discard                  freed space of 64 KiB in a row goes back to the host (default);
//                            nodiscard: it stays the image's, which keeps its promise of room
//   acl                      POSIX access control lists (default: refused)
//   noexec dirsync           passed to the kernel
//   sync=fsync               fsync(2) makes durable (default); also strict, none, interval=MS
//   commit=SECONDS           what was not fsynced is in the log after this long (default 5)
//   memory=SIZE              for all that the daemon holds, at least 32M (default: a quarter of
//                            what machine or control group has, 64M to 1G)
//   compress=zstd[:LEVEL]    compress file content, level 1 (default) to 19; off: do not
//   readahead=SIZE           file content that is read before it is asked for, at most (default
//                            32M and an eighth of memory=; 0: none)
//   index=0                  no search: files only
//   index_workers=N          threads that index (default 1)
//   embedder=WHAT            local (default), none, model2vec:DIR or openai:URL (with /v1)
//   embedder_model=NAME      what the endpoint is asked for; embedder_key_file=PATH: its key (else
//                            $VEXFS_EMBEDDER_KEY); embedder_dimension=N (else it is asked);
//                            embedder_document_prefix=, embedder_question_prefix=
//   writeback                let the kernel gather small writes
//   remount                  change ro, suid, dev, noexec, noatime of the mount that is there
//   _netdev nofail noauto user users defaults x-…   for others; accepted, without effect here
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fs/file_system.h"
#include "src/trouble.h"
#include "storage/volume.h"

namespace vexfs {

struct MountOptions {
  VolumeOptions volume{.warm_pages = 4096};
  FileSystemOptions files;
  bool read_only = false;
  bool allow_other = false;
  bool suid = false;
  bool dev = false;
  bool writeback = false;
  bool auto_unmount = false;
  bool remount = false;        // no new mount: change the one that is there
  std::string kernel_options;  // comma-separated
};

// An option that nobody knows is trouble: never a mount other than the one asked for.
Outcome<MountOptions> parse_mount_options(std::string_view text);

// "20G", "512M", "4096": bytes, by powers of 1024; nothing for what is no size.
std::optional<std::uint64_t> parse_size(std::string_view text);
// 21474836480 -> "20.0G"
std::string size_for_people(std::uint64_t bytes);

}  // namespace vexfs
