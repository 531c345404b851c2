// SPDX-License-Identifier: Apache-2.0
// KvEngine: what transactions_bench measures: ordered tables of bytes that change by
// transactions. One implementation is a Volume, the others are peers from Debian.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace vexfs::bench {

inline constexpr unsigned kTables = 3;  // inodes, names, back references

struct Put {
  unsigned table = 0;
  Bytes key, value;
};

// What a commit() that returned has promised.
enum class Promise : std::uint8_t {
  memory,      // to be seen by all; nothing about a crash
  every_sync,  // the same, and sync() makes everything so far durable
  durable,     // to survive a crash
};

struct KvOptions {
  std::string folder;  // empty and the engine's own
  Promise promise = Promise::memory;
  std::size_t cache_bytes = std::size_t{512} << 20;
};

class KvEngine {
 public:
  virtual ~KvEngine() = default;
  // What makes the promise, and what may be kept in memory: stands beside each figure.
  virtual std::string settings() const = 0;
  // All of these: any thread. Any failure ends the program: it is no figure.
  virtual void commit(std::span<const Put> puts) = 0;
  virtual void sync() = 0;
  virtual bool get(unsigned table, Bytes key, std::string& value) = 0;
  virtual std::uint64_t count(unsigned table) = 0;
  // Writes what is still owed to the files that stay: checkpoints, memtables.
  virtual void settle() = 0;
};

struct KvPeer {
  const char* name;
  std::unique_ptr<KvEngine> (*make)(const KvOptions&);
};
// The volume first.
std::vector<KvPeer> kv_peers();

std::unique_ptr<KvEngine> make_volume_engine(const KvOptions& options);
std::unique_ptr<KvEngine> make_lmdb_engine(const KvOptions& options);
std::unique_ptr<KvEngine> make_rocksdb_engine(const KvOptions& options);
std::unique_ptr<KvEngine> make_sqlite_engine(const KvOptions& options);

// Ends the program: a bench that fails has no figure.
inline void must(bool well, const char* what) {
  if (well) return;
  std::fprintf(stderr, "bench: failed: %s\n", what);
  std::exit(2);
}

}  // namespace vexfs::bench
