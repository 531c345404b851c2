// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "bench/kv_engine.h"

namespace vexfs::bench {

namespace {

// One connection in serialised mode; a lock keeps the statements of a transaction together.
class SqliteEngine final : public KvEngine {
 public:
  explicit SqliteEngine(const KvOptions& options) : options_(options) {
    must(sqlite3_open((options.folder + "/db").c_str(), &db_) == SQLITE_OK, "sqlite: open");
    run("PRAGMA journal_mode=WAL");
    run(options.promise == Promise::durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
    run("PRAGMA cache_size=-" + std::to_string(options.cache_bytes >> 10));
    run("PRAGMA wal_autocheckpoint=10000");  // 40 MiB: ten times the default, in its favour
    for (unsigned t = 0; t < kTables; ++t) {
      const std::string name = "t" + std::to_string(t);
      run("CREATE TABLE " + name + "(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID");
      put_[t] = prepared("INSERT OR REPLACE INTO " + name + " VALUES(?,?)");
      get_[t] = prepared("SELECT v FROM " + name + " WHERE k=?");
      count_[t] = prepared("SELECT COUNT(*) FROM " + name);
    }
    begin_ = prepared("BEGIN IMMEDIATE");
    end_ = prepared("COMMIT");
  }
  ~SqliteEngine() override {
    for (sqlite3_stmt* each : {put_[0], put_[1], put_[2], get_[0], get_[1], get_[2], count_[0],
                               count_[1], count_[2], begin_, end_})
      sqlite3_finalize(each);
    sqlite3_close(db_);
  }
  std::string settings() const override {
    const char* const sync = options_.promise == Promise::durable      ? "FULL"
                             : options_.promise == Promise::every_sync ? "OFF,FULL_for_each_sync"
                                                                       : "OFF";
    return std::string("journal_mode=WAL synchronous=") + sync +
           " autocheckpoint=40MiB cache=" + std::to_string(options_.cache_bytes >> 20) + "MiB";
  }
  void commit(std::span<const Put> puts) override {
    const std::lock_guard lock(mutex_);
    write(puts);
  }
  // SQLite syncs its log in a commit only: one more transaction, of one put, that does.
  void sync() override {
    const std::lock_guard lock(mutex_);
    run("PRAGMA synchronous=FULL");
    const Put mark{.table = 2, .key = as_bytes("sync"), .value = {}};
    write({&mark, 1});
    synced_ = true;
    run("PRAGMA synchronous=OFF");
  }
  bool get(unsigned table, Bytes key, std::string& value) override {
    const std::lock_guard lock(mutex_);
    sqlite3_stmt* const get = get_[table];
    bind(get, 1, key);
    const bool found = sqlite3_step(get) == SQLITE_ROW;
    if (found)
      value.assign(static_cast<const char*>(sqlite3_column_blob(get, 0)),
                   static_cast<std::size_t>(sqlite3_column_bytes(get, 0)));
    sqlite3_reset(get);
    return found;
  }
  std::uint64_t count(unsigned table) override {
    must(sqlite3_step(count_[table]) == SQLITE_ROW, "sqlite: count");
    const auto pairs = static_cast<std::uint64_t>(sqlite3_column_int64(count_[table], 0));
    sqlite3_reset(count_[table]);
    return pairs - (table == 2 && synced_ ? 1 : 0);
  }
  void settle() override { run("PRAGMA wal_checkpoint(TRUNCATE)"); }

 private:
  void run(const std::string& text) {
    must(sqlite3_exec(db_, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK, text.c_str());
  }
  sqlite3_stmt* prepared(const std::string& text) {
    sqlite3_stmt* statement = nullptr;
    must(sqlite3_prepare_v3(db_, text.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement,
                            nullptr) == SQLITE_OK,
         text.c_str());
    return statement;
  }
  static void bind(sqlite3_stmt* statement, int at, Bytes bytes) {
    // An empty blob, not NULL.
    const void* const data = bytes.empty() ? "" : static_cast<const void*>(bytes.data());
    sqlite3_bind_blob(statement, at, data, static_cast<int>(bytes.size()), SQLITE_STATIC);
  }
  void step(sqlite3_stmt* statement) {
    must(sqlite3_step(statement) == SQLITE_DONE, sqlite3_errmsg(db_));
    sqlite3_reset(statement);
  }
  void write(std::span<const Put> puts) {
    step(begin_);
    for (const Put& put : puts) {
      bind(put_[put.table], 1, put.key);
      bind(put_[put.table], 2, put.value);
      step(put_[put.table]);
    }
    step(end_);
  }

  const KvOptions options_;
  std::mutex mutex_;
  bool synced_ = false;
  sqlite3* db_ = nullptr;
  sqlite3_stmt *put_[kTables], *get_[kTables], *count_[kTables], *begin_, *end_;
};

}  // namespace

std::unique_ptr<KvEngine> make_sqlite_engine(const KvOptions& options) {
  return std::make_unique<SqliteEngine>(options);
}

}  // namespace vexfs::bench
