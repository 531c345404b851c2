// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <cstdio>
#include <cstdlib>

#include "bench/kv_engine.h"

namespace vexfs::bench {

namespace {

// One family, the table's number in front of the key: a family each would cost it a memtable
// and a log reference more.
std::string key_of(unsigned table, Bytes key) {
  std::string whole(1, static_cast<char>('0' + table));
  return whole.append(as_text(key));
}

rocksdb::Slice slice_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class RocksdbEngine final : public KvEngine {
 public:
  explicit RocksdbEngine(const KvOptions& options) : options_(options) {
    rocksdb::Options settings;
    settings.create_if_missing = true;
    settings.compression = rocksdb::kNoCompression;
    settings.manual_wal_flush = options.promise != Promise::durable;
    settings.max_background_jobs = 2;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    settings.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    must(rocksdb::DB::Open(settings, options.folder, &db).ok(), "rocksdb: open");
    db_.reset(db);
    write_.sync = options.promise == Promise::durable;
  }
  std::string settings() const override {
    return (options_.promise == Promise::durable ? "sync=true"
                                                 : "manual_wal_flush,FlushWAL(true)") +
           (" compression=no bloom=10 memtable=64MiB cache=" +
            std::to_string(options_.cache_bytes >> 20) + "MiB");
  }
  void commit(std::span<const Put> puts) override {
    rocksdb::WriteBatch batch;
    for (const Put& put : puts) batch.Put(key_of(put.table, put.key), slice_of(put.value));
    must(db_->Write(write_, &batch).ok(), "rocksdb: write");
  }
  void sync() override { must(db_->FlushWAL(true).ok(), "rocksdb: sync"); }
  bool get(unsigned table, Bytes key, std::string& value) override {
    return db_->Get(rocksdb::ReadOptions(), key_of(table, key), &value).ok();
  }
  std::uint64_t count(unsigned table) override {
    std::uint64_t pairs = 0;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
    const std::string first = key_of(table, {});
    for (at->Seek(first); at->Valid() && at->key().starts_with(first); at->Next()) ++pairs;
    return pairs;
  }
  void settle() override {
    must(db_->Flush(rocksdb::FlushOptions()).ok(), "rocksdb: flush");
    sync();
  }

 private:
  const KvOptions options_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions write_;
};

}  // namespace

std::unique_ptr<KvEngine> make_rocksdb_engine(const KvOptions& options) {
  return std::make_unique<RocksdbEngine>(options);
}

}  // namespace vexfs::bench
