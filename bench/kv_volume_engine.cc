// SPDX-License-Identifier: Apache-2.0
// The engine that is ours.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "bench/kv_engine.h"
#include "storage/volume.h"

namespace vexfs::bench {

namespace {

constexpr std::uint64_t kImageBytes = std::uint64_t{4} << 30;
constexpr Tree kTrees[kTables] = {Tree::inode, Tree::dentry, Tree::backref};

class VolumeEngine final : public KvEngine {
 public:
  explicit VolumeEngine(const KvOptions& options) : options_(options) {
    const std::string image = options.folder + "/image";
    const int file = ::open(image.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(file >= 0 && ::ftruncate(file, off_t{kImageBytes}) == 0, "image");
    ::close(file);
    auto device = open_file_device(image, {});
    must(device && Volume::format(**device, {}), "format");
    const SyncPolicy policy =
        options.promise == Promise::durable ? SyncPolicy::strict : SyncPolicy::fsync;
    auto volume =
        Volume::open(std::move(*device), {.cache_bytes = options.cache_bytes, .sync = policy});
    must(volume.has_value(), "open");
    volume_ = std::move(*volume);
  }
  ~VolumeEngine() override { must(volume_->close().has_value(), "close"); }

  std::string settings() const override {
    return format("sync={} commit=log_buffer checkpoint=128MiB,30s O_DIRECT cache={}MiB",
                  options_.promise == Promise::durable ? "strict" : "fsync",
                  options_.cache_bytes >> 20);
  }
  void commit(std::span<const Put> puts) override {
    thread_local Transaction transaction;
    for (const Put& put : puts) transaction.put(kTrees[put.table], put.key, put.value);
    must(volume_->commit(transaction).has_value(), "commit");
  }
  void sync() override { must(volume_->sync(volume_->last_lsn()).has_value(), "sync"); }
  bool get(unsigned table, Bytes key, std::string& value) override {
    return volume_->get(kTrees[table], key, value).has_value();
  }
  std::uint64_t count(unsigned table) override {
    std::uint64_t pairs = 0;
    must(
        volume_->scan(kTrees[table], {}, {}, [&](Bytes, Bytes) { return ++pairs > 0; }).has_value(),
        "scan");
    return pairs;
  }
  void settle() override { must(volume_->checkpoint().has_value(), "checkpoint"); }

 private:
  const KvOptions options_;
  std::unique_ptr<Volume> volume_;
};

}  // namespace

std::unique_ptr<KvEngine> make_volume_engine(const KvOptions& options) {
  return std::make_unique<VolumeEngine>(options);
}

}  // namespace vexfs::bench
