// SPDX-License-Identifier: Apache-2.0
// CreateFile: the transaction that the creation of a file logs, as four puts.
#pragma once
#include <array>
#include <string>

#include "base/key.h"
#include "base/text.h"
#include "bench/kv_engine.h"

namespace vexfs::bench {

// An inode, a name, a back reference, the directory's new times.
class CreateFile {
 public:
  explicit CreateFile(std::uint64_t number)
      : inode_(Key().u64(number)),
        dentry_(Key().u64(number / 1000).u64(number * 0x9E3779B97F4A7C15)),
        backref_(Key().u64(number).u64(number / 1000).u64(number * 0x9E3779B97F4A7C15)),
        directory_(Key().u64(kDirectories + number / 1000)),
        name_(format("file-{:08}", number)),
        target_(format("{:016}{}", number, name_)),
        record_(128, 'i') {
    record_.replace(0, 8, std::string_view(as_text(inode_)).substr(0, 8));
  }
  std::array<Put, 4> puts() const {
    return {Put{0, inode_, as_bytes(record_)}, Put{1, dentry_, as_bytes(target_)},
            Put{2, backref_, as_bytes(name_)}, Put{0, directory_, as_bytes(record_)}};
  }
  const Key& inode() const { return inode_; }
  const std::string& record() const { return record_; }
  static constexpr std::uint64_t kDirectories = std::uint64_t{1} << 40;

 private:
  Key inode_, dentry_, backref_, directory_;
  std::string name_, target_, record_;
};

}  // namespace vexfs::bench
