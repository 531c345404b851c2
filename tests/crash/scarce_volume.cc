// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/scarce_volume.h"

namespace vexfs {

namespace {

class ScarceVolume final : public Volume {
 public:
  ScarceVolume(std::unique_ptr<Volume> volume, DeviceHistory& history, const SpaceFaults& faults)
      : volume_(std::move(volume)), history_(history), faults_(faults) {}

  // --- what may take space
  using Volume::commit;
  Result<Lsn> commit(Transaction& transaction, CommitOptions options) override {
    if (!transaction.empty() && (!options.freeing || faults_.freeing)) VEXFS_CHECK(take());
    return volume_->commit(transaction, options);
  }
  Result<Extent> allocate(std::uint32_t blocks, BlockNo hint) override {
    VEXFS_CHECK(take());
    return volume_->allocate(blocks, hint);
  }
  Result<> reserve(std::uint64_t blocks) override {
    VEXFS_CHECK(take());
    return volume_->reserve(blocks);
  }

  // --- the rest
  Result<> close() override { return volume_->close(); }
  Result<> get(Tree tree, Bytes key, std::string& value, Wait wait) override {
    return volume_->get(tree, key, value, wait);
  }
  Result<> scan(Tree tree, Bytes from, Bytes to, Visit visit, Wait wait) override {
    return volume_->scan(tree, from, to, visit, wait);
  }
  void prefetch(Tree tree, std::span<const std::string> keys) override {
    volume_->prefetch(tree, keys);
  }
  Result<> sync(Lsn lsn) override { return volume_->sync(lsn); }
  void sync(Lsn lsn, Done done) override { volume_->sync(lsn, std::move(done)); }
  Lsn last_lsn() const override { return volume_->last_lsn(); }
  Result<> checkpoint() override { return volume_->checkpoint(); }
  Result<> grow(std::uint64_t bytes) override { return volume_->grow(bytes); }
  Result<> flush_data(FlushSite site) override { return volume_->flush_data(site); }
  void release(Extent extent) override { volume_->release(extent); }
  void unreserve(std::uint64_t blocks) override { volume_->unreserve(blocks); }
  SpaceInfo space() const override { return volume_->space(); }
  using Volume::read_blocks;
  Result<> read_blocks(std::span<const BlockRead> runs, Wait wait) override {
    return volume_->read_blocks(runs, wait);
  }
  Result<> write_blocks(BlockNo first, Bytes from) override {
    return volume_->write_blocks(first, from);
  }
  VolumeInfo info() const override { return volume_->info(); }
  bool read_only() const override { return volume_->read_only(); }
  std::size_t cache_bytes() override { return volume_->cache_bytes(); }
  void set_cache_bytes_max(std::size_t bytes) override { volume_->set_cache_bytes_max(bytes); }
  void request_checkpoint() override { volume_->request_checkpoint(); }
  std::uint64_t newest_snapshot() const override { return volume_->newest_snapshot(); }

 private:
  Result<> take() {
    const std::uint64_t number = ++calls_;
    if (faults_.at == 0 || number < faults_.at || (number > faults_.at && !faults_.forever))
      return {};
    history_.count_fault();
    return fail(ENOSPC, "scarce volume: full");
  }

  const std::unique_ptr<Volume> volume_;
  DeviceHistory& history_;
  const SpaceFaults faults_;
  std::atomic<std::uint64_t> calls_{0};
};

}  // namespace

std::unique_ptr<Volume> make_scarce(std::unique_ptr<Volume> volume, DeviceHistory& history,
                                    const SpaceFaults& faults) {
  return std::make_unique<ScarceVolume>(std::move(volume), history, faults);
}

}  // namespace vexfs
