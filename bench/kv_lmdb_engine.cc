// SPDX-License-Identifier: Apache-2.0
#include <lmdb.h>

#include <cstdio>
#include <cstdlib>

#include "bench/kv_engine.h"

namespace vexfs::bench {

namespace {

MDB_val value_of(Bytes bytes) {
  return {.mv_size = bytes.size(), .mv_data = const_cast<std::byte*>(bytes.data())};
}

void well(int result, const char* what) {
  must(result == MDB_SUCCESS, what);
}

class LmdbEngine final : public KvEngine {
 public:
  explicit LmdbEngine(const KvOptions& options) : options_(options), serial_(++serials_) {
    well(mdb_env_create(&env_), "lmdb: create");
    well(mdb_env_set_maxdbs(env_, kTables), "lmdb: tables");
    well(mdb_env_set_mapsize(env_, std::size_t{4} << 30), "lmdb: map");
    const unsigned flags = options.promise == Promise::durable ? 0U : unsigned{MDB_NOSYNC};
    well(mdb_env_open(env_, options.folder.c_str(), flags | MDB_NOTLS, 0600), "lmdb: open");
    MDB_txn* txn = nullptr;
    well(mdb_txn_begin(env_, nullptr, 0, &txn), "lmdb: begin");
    for (unsigned t = 0; t < kTables; ++t) {
      const char name[] = {static_cast<char>('0' + t), 0};
      well(mdb_dbi_open(txn, name, MDB_CREATE, &tables_[t]), "lmdb: table");
    }
    well(mdb_txn_commit(txn), "lmdb: commit");
  }
  // Readers' transactions are given back with the environment; nobody uses them any more.
  ~LmdbEngine() override { mdb_env_close(env_); }

  std::string settings() const override {
    return options_.promise == Promise::durable ? "flags=0 cache=page_cache"
                                                : "flags=MDB_NOSYNC cache=page_cache";
  }
  void commit(std::span<const Put> puts) override {
    MDB_txn* txn = nullptr;
    well(mdb_txn_begin(env_, nullptr, 0, &txn), "lmdb: begin");
    for (const Put& put : puts) {
      MDB_val key = value_of(put.key), value = value_of(put.value);
      well(mdb_put(txn, tables_[put.table], &key, &value, 0), "lmdb: put");
    }
    well(mdb_txn_commit(txn), "lmdb: commit");
  }
  void sync() override { well(mdb_env_sync(env_, 1), "lmdb: sync"); }
  // A reader sees every committed transaction, so it renews its own for each question: the
  // cheapest way that LMDB has.
  bool get(unsigned table, Bytes bytes, std::string& out) override {
    thread_local MDB_txn* txn = nullptr;
    thread_local unsigned of = 0;
    if (of != serial_) {
      of = serial_;
      well(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn), "lmdb: begin to read");
    } else {
      well(mdb_txn_renew(txn), "lmdb: renew");
    }
    MDB_val key = value_of(bytes), value;
    const int result = mdb_get(txn, tables_[table], &key, &value);
    if (result == MDB_SUCCESS) out.assign(static_cast<const char*>(value.mv_data), value.mv_size);
    mdb_txn_reset(txn);
    return result == MDB_SUCCESS;
  }
  std::uint64_t count(unsigned table) override {
    MDB_txn* txn = nullptr;
    MDB_stat facts;
    well(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn), "lmdb: begin");
    well(mdb_stat(txn, tables_[table], &facts), "lmdb: facts");
    mdb_txn_abort(txn);
    return facts.ms_entries;
  }
  void settle() override { sync(); }

 private:
  static inline unsigned serials_ = 0;
  const KvOptions options_;
  const unsigned serial_;
  MDB_env* env_ = nullptr;
  MDB_dbi tables_[kTables] = {};
};

}  // namespace

std::unique_ptr<KvEngine> make_lmdb_engine(const KvOptions& options) {
  return std::make_unique<LmdbEngine>(options);
}

}  // namespace vexfs::bench
