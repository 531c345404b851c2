// SPDX-License-Identifier: Apache-2.0
// Target: where a bench runs. The same calls go through a mount (or any other file system, as
// its peer) by system calls, or straight to FileSystem on a volume of the bench's own.
//
// A refusal ends the bench with a message: a figure over failing calls is no figure.
// Threads: one.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace vexfs::bench {

class Target {
 public:
  virtual ~Target() = default;
  virtual std::string where() const = 0;

  virtual void mkdir(const std::string& name) = 0;
  virtual void create(const std::string& name) = 0;  // and close
  virtual bool exists(const std::string& name) = 0;  // a lookup and its attributes
  virtual bool getattr(const std::string& name) = 0;  // asked for anew, whatever a cache knows
  virtual void statfs() = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;
  virtual void unlink(const std::string& name) = 0;
  virtual void rmdir(const std::string& name) = 0;
  virtual std::size_t list() = 0;  // entries of the directory, with attributes
  // Of a file, or with an empty name of the directory itself.
  virtual void set_xattr(const std::string& file, const std::string& name, Bytes value) = 0;
  virtual std::string xattr(const std::string& file, const std::string& name) = 0;

  using File = std::uint64_t;
  virtual File open(const std::string& name) = 0;  // made if absent, for reading and writing
  virtual void write(File file, std::uint64_t offset, Bytes from) = 0;
  virtual std::size_t read(File file, std::uint64_t offset, MutableBytes into) = 0;
  virtual void sync(File file) = 0;
  virtual void close(File file) = 0;
  virtual void drop_caches(File file) = 0;  // so that the next read asks the device

  // Questions as JSON lines to .vexfs/query, their answers as text.
  virtual std::string ask(const std::string& line) = 0;
  virtual void wait_until_indexed() = 0;  // fsync of .vexfs/status
};

// Works in a new directory below `directory`, and removes it at the end.
std::unique_ptr<Target> posix_target(const std::string& directory);
// A sparse image of `bytes` beside `directory`'s other files, removed at the end; with as much
// memory as `-o memory=` would give a mount.
struct VolumeTargetOptions {
  std::uint64_t bytes = std::uint64_t{8} << 30;
  std::size_t memory_bytes = std::size_t{1} << 30;
};
std::unique_ptr<Target> volume_target(const std::string& directory,
                                      const VolumeTargetOptions& options);

// --dir DIR: through DIR; --below DIR: on an image in DIR. Both are measured if both are given.
std::vector<std::unique_ptr<Target>> targets_of(int argc, char** argv,
                                                const VolumeTargetOptions& below = {});

}  // namespace vexfs::bench
