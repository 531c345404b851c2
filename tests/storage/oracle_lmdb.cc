// SPDX-License-Identifier: Apache-2.0
#include "tests/storage/oracle_lmdb.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "base/text.h"

#ifdef VEXFS_HAVE_LMDB
#include <lmdb.h>
#endif

namespace vexfs {

#ifdef VEXFS_HAVE_LMDB

struct LmdbOracle::State {
  std::string folder;
  MDB_env* environment = nullptr;
  MDB_dbi pairs = 0;
  MDB_txn* transaction = nullptr;
};

namespace {

void check(int code) {
  REQUIRE_MESSAGE(code == MDB_SUCCESS, mdb_strerror(code));
}
MDB_val value_of(std::string_view text) {
  return {.mv_size = text.size(), .mv_data = const_cast<char*>(text.data())};
}
std::string_view text_of(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}
// Of all trees in one database.
std::string key_of(Tree tree, std::string_view key) {
  return static_cast<char>(tree) + std::string(key);
}

}  // namespace

LmdbOracle::LmdbOracle() : state_(new State) {
  const char* const below = std::getenv("TMPDIR");
  state_->folder = std::string(below != nullptr ? below : "/tmp") + "/vexfs-oracle-XXXXXX";
  REQUIRE(::mkdtemp(state_->folder.data()) != nullptr);
  check(mdb_env_create(&state_->environment));
  check(mdb_env_set_mapsize(state_->environment, std::size_t{256} << 20));
  check(mdb_env_open(state_->environment, state_->folder.c_str(), MDB_NOSYNC | MDB_NOLOCK, 0600));
  begin();
  check(mdb_dbi_open(state_->transaction, nullptr, 0, &state_->pairs));
  commit();
}

LmdbOracle::~LmdbOracle() {
  mdb_env_close(state_->environment);
  std::filesystem::remove_all(state_->folder);
  delete state_;
}

bool LmdbOracle::is_here() {
  return true;
}

void LmdbOracle::begin() {
  check(mdb_txn_begin(state_->environment, nullptr, 0, &state_->transaction));
}

void LmdbOracle::write(Tree tree, const std::string& key, const std::optional<std::string>& value) {
  const std::string full = key_of(tree, key);
  MDB_val name = value_of(full);
  if (value) {
    MDB_val content = value_of(*value);
    return check(mdb_put(state_->transaction, state_->pairs, &name, &content, 0));
  }
  const int code = mdb_del(state_->transaction, state_->pairs, &name, nullptr);
  check(code == MDB_NOTFOUND ? MDB_SUCCESS : code);
}

void LmdbOracle::commit() {
  check(mdb_txn_commit(state_->transaction));
}

std::string LmdbOracle::difference(Volume& volume, std::span<const Tree> trees) {
  MDB_txn* reading = nullptr;
  MDB_cursor* cursor = nullptr;
  check(mdb_txn_begin(state_->environment, nullptr, MDB_RDONLY, &reading));
  check(mdb_cursor_open(reading, state_->pairs, &cursor));
  std::string fault;
  MDB_val key{}, value{};
  int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (const Tree tree : trees) {
    const auto scanned = volume.scan(tree, {}, {}, [&](Bytes mine, Bytes content) {
      const bool same = code == MDB_SUCCESS && text_of(key) == key_of(tree, as_text(mine)) &&
                        text_of(value) == as_text(content);
      if (!same)
        fault = format("tree {}: a pair of the volume alone", static_cast<unsigned>(tree));
      else
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
      return same;
    });
    if (!scanned) fault = scanned.error().what;
    if (!fault.empty()) break;
  }
  if (fault.empty() && code != MDB_NOTFOUND) fault = "a pair of LMDB alone";
  mdb_cursor_close(cursor);
  mdb_txn_abort(reading);
  return fault;
}

#else

struct LmdbOracle::State {};
LmdbOracle::LmdbOracle() : state_(nullptr) {}
LmdbOracle::~LmdbOracle() = default;
bool LmdbOracle::is_here() {
  return false;
}
void LmdbOracle::begin() {}
void LmdbOracle::write(Tree, const std::string&, const std::optional<std::string>&) {}
void LmdbOracle::commit() {}
std::string LmdbOracle::difference(Volume&, std::span<const Tree>) {
  return {};
}

#endif

}  // namespace vexfs
