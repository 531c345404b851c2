// SPDX-License-Identifier: Apache-2.0
// Transactions and point reads of a volume below the file system, beside LMDB, RocksDB and
// SQLite where they are installed: same data, same directory, one run.
//   transactions_bench DIR [--only FIGURE] [--engine NAME] [--scale N]
// DIR is on the disk that is to be measured. N divides the amount of work. One line a figure:
//   bench=create_unsynced where=lmdb threads=1 n=… per_second=… p50_us=… … settings="…"
// Every engine's answers are checked: what was put is read, and counted.
#include <cstdlib>

#include "base/log.h"
#include "bench/checkpoint_figures.h"
#include "bench/create_file.h"
#include "bench/kv_figure.h"

namespace vexfs::bench {

std::vector<KvPeer> kv_peers() {
  return {
      {"vexfs", make_volume_engine},
#if defined(VEXFS_HAVE_LMDB)
      {"lmdb", make_lmdb_engine},
#endif
#if defined(VEXFS_HAVE_ROCKSDB)
      {"rocksdb", make_rocksdb_engine},
#endif
#if defined(VEXFS_HAVE_SQLITE)
      {"sqlite", make_sqlite_engine},
#endif
  };
}

namespace {

std::uint64_t payload(const auto& puts) {
  std::uint64_t bytes = 0;
  for (const Put& put : puts) bytes += put.key.size() + put.value.size();
  return bytes;
}

void check_creates(KvEngine& engine, unsigned count) {
  const std::uint64_t directories = (count + 999) / 1000;
  must(engine.count(0) == count + directories && engine.count(1) == count &&
           engine.count(2) == count,
       "every file counted");
  std::string value;
  for (unsigned i = 0; i < count; i += 997) {
    const CreateFile file(i);
    must(engine.get(0, file.inode(), value) && value == file.record(), "a file read back");
  }
}

// 16 bytes of key, 112 of value; each thread has keys of its own, which rise.
void transaction_128(Bench& bench, unsigned threads) {
  const unsigned count = bench.scaled(600'000);
  bench.each({.name = "transaction_128", .threads = threads},
             [&](KvEngine& engine, Figure& figure) {
               const std::string value(112, 'v');
               figure.run(count, [&](unsigned i) {
                 const Key key = Key().u64(i % threads).u64(i);
                 const Put put{.table = 0, .key = key, .value = as_bytes(value)};
                 engine.commit({&put, 1});
               });
               must(engine.count(0) == count / threads * threads, "every transaction counted");
             });
}

void creates(Bench& bench, const char* name, Promise promise, unsigned count) {
  bench.each({.name = name, .promise = promise}, [&](KvEngine& engine, Figure& figure) {
    figure.run(count, [&](unsigned i) {
      engine.commit(CreateFile(i).puts());
      if (promise == Promise::every_sync && i % 64 == 63) engine.sync();
    });
    check_creates(engine, count);
  });
}

// Bytes that went to the device for each byte of key and value, everything owed included.
void write_amplification(Bench& bench) {
  const unsigned count = bench.scaled(512'000);
  bench.each({.name = "write_amplification_64", .promise = Promise::every_sync},
             [&](KvEngine& engine, Figure& figure) {
               engine.settle();
               const std::uint64_t before = device_bytes_written();
               std::uint64_t bytes = 0;
               figure.run(count, [&](unsigned i) {
                 const CreateFile file(i);
                 engine.commit(file.puts());
                 bytes += payload(file.puts());
                 if (i % 64 == 63) engine.sync();
               });
               engine.settle();
               figure.add("times", static_cast<double>(device_bytes_written() - before) /
                                       static_cast<double>(bytes));
               check_creates(engine, count);
             });
}

void reads(Bench& bench) {
  const unsigned files = bench.scaled(200'000), count = bench.scaled(2'000'000);
  const auto fill = [&](KvEngine& engine) {
    for (unsigned i = 0; i < files; ++i) engine.commit(CreateFile(i).puts());
    engine.settle();
  };
  for (const unsigned threads : {1U, 2U, 4U, 8U})
    bench.each({.name = "get_cached", .threads = threads, .keep = true, .fill = fill},
               [&](KvEngine& engine, Figure& figure) {
                 figure.run(count, [&](unsigned i) {
                   thread_local std::string value;
                   const std::uint64_t number = std::uint64_t{i} * 0x9E3779B1 % files;
                   const Key key = Key().u64(number);
                   must(engine.get(0, key, value) && value.size() == 128 &&
                            value.compare(0, 8, as_text(key)) == 0,
                        "what was put");
                 });
               });
  bench.forget();
}

void run(Bench& bench) {
  for (const unsigned threads : {1U, 4U}) transaction_128(bench, threads);
  creates(bench, "create_unsynced", Promise::memory, bench.scaled(200'000));
  creates(bench, "create_64_a_sync", Promise::every_sync, bench.scaled(64'000));
  creates(bench, "create_synced", Promise::durable, bench.scaled(2'000));
  reads(bench);
  write_amplification(bench);
  checkpoint_figures(bench);
}

}  // namespace

}  // namespace vexfs::bench

int main(int argc, char** argv) {
  vexfs::bench::Bench bench;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool pair = word.starts_with("--") && i + 1 < argc;
    if (word == "--only" && pair)
      bench.only = argv[++i];
    else if (word == "--engine" && pair)
      bench.engine = argv[++i];
    else if (word == "--scale" && pair)
      bench.scale = static_cast<unsigned>(std::max(1, std::atoi(argv[++i])));
    else
      bench.folder = word;
  }
  if (bench.folder.empty()) {
    std::fputs("usage: transactions_bench DIR [--only FIGURE] [--engine NAME] [--scale N]\n",
               stderr);
    return 2;
  }
  vexfs::set_log_level(vexfs::Level::warn);
  vexfs::bench::run(bench);
  return 0;
}
