// SPDX-License-Identifier: Apache-2.0
#include "bench/checkpoint_figures.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "bench/create_file.h"
#include "storage/superblock_format.h"
#include "storage/volume.h"

namespace vexfs::bench {

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kRecoveredLog = 512 * kMiB;

// A device whose checkpoints never end: the log goes on, everything else waits for stop().
class StuckDevice final : public BlockDevice {
 public:
  struct Valve {
    Mutex mutex;
    CondVar opened;
    bool stuck GUARDED_BY(mutex) = false;
    bool stopped GUARDED_BY(mutex) = false;
    void set_stuck() {
      Lock lock(mutex);
      stuck = true;
    }
    void stop() {
      Lock lock(mutex);
      stopped = true;
      opened.notify_all();
    }
  };
  StuckDevice(std::unique_ptr<BlockDevice> below, std::uint64_t log_end, Valve& valve)
      : below_(std::move(below)), log_end_(log_end), valve_(valve) {}
  std::uint64_t size_bytes() const override { return below_->size_bytes(); }
  Result<> read(std::span<const DeviceRead> batch) override { return below_->read(batch); }
  Result<> write(std::span<const DeviceWrite> batch) override {
    for (const DeviceWrite& each : batch)
      if (each.offset < kLogOffset || each.offset >= log_end_) VEXFS_CHECK(wait());
    return below_->write(batch);
  }
  Result<> flush(FlushSite site) override { return below_->flush(site); }
  Result<> write_flushed(const DeviceWrite& write, FlushSite site) override {
    return below_->write_flushed(write, site);
  }
  void discard(std::uint64_t offset, std::uint64_t bytes) override {
    below_->discard(offset, bytes);
  }

 private:
  Result<> wait() {
    Lock lock(valve_.mutex);
    while (valve_.stuck && !valve_.stopped) valve_.opened.wait(valve_.mutex);
    if (valve_.stopped) return fail(EIO, "bench: the crash");
    return {};
  }
  const std::unique_ptr<BlockDevice> below_;
  const std::uint64_t log_end_;
  Valve& valve_;
};

std::unique_ptr<BlockDevice> open_image(const std::string& path) {
  // After a crash the kernel may hold the ring, and with it the lock, for a moment longer.
  for (int tries = 0; tries < 500; ++tries) {
    auto device = open_file_device(path, {});
    if (device) return std::move(*device);
    must(device.error().code == EBUSY, "image");
    ::usleep(10'000);
  }
  must(false, "image is locked");
  return nullptr;
}

std::string make_image(const Bench::Folder& folder, std::uint64_t log_bytes) {
  std::string path = folder.path() + "/image";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  must(file >= 0 && ::ftruncate(file, off_t{4} << 30) == 0, "image");
  ::close(file);
  must(Volume::format(*open_image(path), {.log_bytes = log_bytes}).has_value(), "format");
  return path;
}

Lsn create(Volume& volume, std::uint64_t number) {
  constexpr Tree kTrees[kTables] = {Tree::inode, Tree::dentry, Tree::backref};
  thread_local Transaction transaction;
  const CreateFile file(number);
  for (const Put& put : file.puts()) transaction.put(kTrees[put.table], put.key, put.value);
  const auto lsn = volume.commit(transaction);
  must(lsn.has_value(), "commit");
  return *lsn;
}

// Commits one after the other while checkpoints run one after the other; only those that met a
// checkpoint count.
void commit_in_checkpoint(Bench& bench) {
  const Bench::Folder folder(bench.folder, "checkpoint");
  const std::string path = make_image(folder, 0);
  auto opened = Volume::open(open_image(path), {.cache_bytes = 512 * kMiB});
  must(opened.has_value(), "open");
  Volume& volume = **opened;
  std::uint64_t next = 0;
  while (next < bench.scaled(200'000)) create(volume, next++);
  std::atomic<unsigned> state = 0;  // odd: a checkpoint runs
  std::atomic<bool> ending = false;
  std::thread checkpoints([&] {
    for (unsigned i = 0; i < 8; ++i) {
      ::usleep(200'000);
      ++state;
      must(volume.checkpoint().has_value(), "checkpoint");
      ++state;
    }
    ending = true;
  });
  std::vector<std::uint64_t> took;
  while (!ending) {
    const unsigned before = state;
    const std::uint64_t start = monotonic_ns();
    create(volume, next++);
    const std::uint64_t ns = monotonic_ns() - start;
    if (before % 2 == 1 || before != state) took.push_back(ns);
  }
  checkpoints.join();
  Figure figure(1);
  figure.take(std::move(took));
  figure.print("commit_in_checkpoint", "vexfs", "checkpoint() every 200ms, cache=512MiB");
  must(volume.close().has_value(), "close");
}

void recovery(Bench& bench) {
  const std::uint64_t log_bytes = kRecoveredLog / bench.scale / kMiB * kMiB;
  const Bench::Folder folder(bench.folder, "recovery");
  const std::string path = make_image(folder, log_bytes + 64 * kMiB);
  StuckDevice::Valve valve;
  std::uint64_t files = 0;
  Lsn last{};
  {
    auto device =
        std::make_unique<StuckDevice>(open_image(path), kLogOffset + log_bytes + 64 * kMiB, valve);
    auto opened = Volume::open(std::move(device), {.cache_bytes = 4096 * kMiB});
    must(opened.has_value(), "open");
    valve.set_stuck();
    const std::uint64_t before = device_bytes_written();
    while (files % 1024 != 0 || device_bytes_written() - before < log_bytes)
      last = create(**opened, files++);
    must((*opened)->sync(last).has_value(), "sync");
    valve.stop();
  }
  Figure figure(1);
  auto device = open_image(path);
  const std::uint64_t start = monotonic_ns(), cpu_start = cpu_ns();
  auto volume = Volume::open(std::move(device), {.cache_bytes = 512 * kMiB});
  must(volume.has_value(), "recovery");
  figure.take({monotonic_ns() - start});
  figure.add("seconds", static_cast<double>(monotonic_ns() - start) * 1e-9);
  figure.add("cpu_seconds", static_cast<double>(cpu_ns() - cpu_start) * 1e-9);
  figure.add("log_mib", static_cast<double>(log_bytes >> 20));
  figure.print("recovery", "vexfs", "one crash, cache=512MiB, O_DIRECT");
  must((*volume)->last_lsn() == last, "everything synced came back");
  std::uint64_t names = 0;
  must((*volume)->scan(Tree::dentry, {}, {}, [&](Bytes, Bytes) { return ++names > 0; }).has_value(),
       "scan");
  must(names == files, "every file came back");
}

}  // namespace

void checkpoint_figures(Bench& bench) {
  if (bench.wants("commit_in_checkpoint", "vexfs")) commit_in_checkpoint(bench);
  if (bench.wants("recovery", "vexfs")) recovery(bench);
}

}  // namespace vexfs::bench
