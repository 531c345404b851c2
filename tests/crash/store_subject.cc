// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/store_subject.h"

#include <chrono>
#include <thread>

#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/text.h"
#include "tests/storage/volume_tools.h"
#include "tests/support/model_volume.h"

namespace vexfs {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};
constexpr std::uint32_t kFillerBytes = 4000;
constexpr VolumeOptions kOptions{.cache_bytes = std::size_t{4} << 20};

// An empty volume.
const MemoryDevice::Image& fresh() {
  static const MemoryDevice::Image image = [] {
    MemoryDevice disk(kVolumeBytes);
    REQUIRE(Volume::format(disk, kFormat));
    return disk.image();
  }();
  return image;
}

// The same, but its log has come so near to the end of the ring that it will go round.
const MemoryDevice::Image& worn() {
  static const MemoryDevice::Image image = [] {
    auto history = std::make_shared<DeviceHistory>();
    {
      auto volume = Volume::open(std::make_unique<FaultyDevice>(fresh(), history), kOptions);
      REQUIRE(volume);
      for (unsigned round = 0; round < 11; ++round) {
        Transaction transaction;
        for (unsigned i = 0; i < 49; ++i)
          if (round == 10)
            transaction.erase(Tree::meta, Key().u32(i));
          else
            transaction.put(Tree::meta, Key().u32(i), as_bytes(std::string(4000, 'w')));
        REQUIRE((*volume)->sync((*volume)->commit(transaction).value()));
      }
      REQUIRE((*volume)->close());
    }
    MemoryDevice::Image made = fresh();
    for (const DeviceEvent& event : history->take())
      if (event.kind == DeviceEvent::Kind::write)
        MemoryDevice::write_image(made, event.offset, as_bytes(event.data));
    return made;
  }();
  return image;
}

std::uint64_t lsn_of(Volume& volume) {
  return static_cast<std::uint64_t>(volume.last_lsn());
}

// 0 when it cannot be read.
std::uint64_t content_hash(Volume& volume) {
  const auto content = content_of(volume);
  return content ? hash64(as_bytes(*content)) : 0;
}

Result<Pairs> pairs_of(Volume& volume, Tree tree) {
  Pairs pairs;
  VEXFS_CHECK(volume.scan(tree, {}, {}, [&](Bytes key, Bytes value) {
    pairs.emplace_back(as_text(key), as_text(value));
    return true;
  }));
  return pairs;
}

// Tree::extent keeps first block -> count and hash of the data that was written there.
Key extent_key(Extent extent) {
  return Key().u64(static_cast<std::uint64_t>(extent.first));
}
Extent extent_of(const std::string& key, const std::string& value) {
  return {.first = BlockNo{KeyReader(as_bytes(key)).u64()},
          .blocks = KeyReader(as_bytes(value)).u32()};
}

// Whether every extent that the volume names holds what was written there.
bool data_holds(Volume& volume) {
  const auto pairs = pairs_of(volume, Tree::extent);
  if (!pairs) return false;
  for (const auto& [key, value] : *pairs) {
    const Extent extent = extent_of(key, value);
    KeyReader reader(as_bytes(value));
    reader.u32();
    const Buffer data = Buffer::take(std::size_t{extent.blocks} * kBlockBytes);
    if (!volume.read_blocks(extent.first, data.bytes()) || hash64(data.bytes()) != reader.u64())
      return false;
  }
  return true;
}

// Takes everything out of a volume: then all of its space must be free again.
bool drains(Volume& volume) {
  for (unsigned t = 0; t < kTreeCount; ++t) {
    const auto tree = Tree{static_cast<std::uint8_t>(t)};
    if (tree == Tree::free_space) continue;
    const auto pairs = pairs_of(volume, tree);
    if (!pairs) return false;
    for (const auto& [key, value] : *pairs) {
      Transaction transaction;
      transaction.erase(tree, as_bytes(key));
      if (tree == Tree::extent) transaction.free(extent_of(key, value));
      if (!volume.commit(transaction, {.freeing = true})) return false;
    }
  }
  static const std::uint64_t all = [] {
    return (*Volume::open(std::make_unique<MemoryDevice>(fresh()), kOptions))->space().free;
  }();
  return volume.checkpoint() && volume.space().free == all;
}

}  // namespace

// A volume under random work, and what it is after each LSN.
class StoreSubject::Work {
 public:
  Work(StoreSubject& subject, Volume& volume, DeviceHistory& history, Rng& rng)
      : subject_(subject), volume_(volume), history_(history), rng_(rng) {}

  // The model begins with what the volume has come back with, which was judged.
  bool begin() {
    for (unsigned t = 0; t < kTreeCount; ++t) {
      const auto tree = Tree{static_cast<std::uint8_t>(t)};
      if (tree == Tree::free_space) continue;
      const auto pairs = pairs_of(volume_, tree);
      if (!pairs) return false;
      for (const auto& [key, value] : *pairs) {
        Transaction transaction;
        transaction.put(tree, as_bytes(key), as_bytes(value));
        REQUIRE(model_.commit(transaction));
        if (tree == Tree::extent) live_.push_back(extent_of(key, value));
      }
    }
    auto& moments = subject_.moments_;
    moments.erase(moments.upper_bound(lsn_of(volume_)), moments.end());
    moments[lsn_of(volume_)] = content_hash(model_);
    history_.note(lsn_of(volume_));
    return true;
  }

  void leave_pages(unsigned pages) {
    while (volume_.allocate(kExtentBlocksMax)) {
    }
    constexpr std::uint32_t kFillers = 4096, kFillersPerPage = kPageBytes / kFillerBytes;
    std::uint32_t count = 0;
    while (count < kFillers && fill(count)) ++count;
    REQUIRE((0 < count && count < kFillers));
    subject_.errors.clear();  // only what the work meets counts
    for (const std::uint32_t end = count - std::min(count, pages * kFillersPerPage); count > end;)
      if (!unfill(--count)) return;
    if (ok(volume_.checkpoint())) promise();
  }

  void step() {
    switch (rng_() % 12) {
      case 0:
        if (ok(volume_.checkpoint())) promise();
        return;
      case 1:
      case 2:
        if (ok(volume_.sync(volume_.last_lsn()))) promise();
        return;
      case 3:
      case 4:
        return write_data();
      case 5:
        return free_data();
      default: {
        Transaction mine, models;
        fill_random(rng_, mine, models, {.keys = 120, .records_max = 6});
        commit(mine, models);
      }
    }
  }

  // A batch that nobody waits for is written when it has grown old; asked for once it is.
  void write_unasked() {
    REQUIRE(volume_.sync(volume_.last_lsn()));
    promise();
    const std::size_t events = history_.size();
    Transaction mine, models;
    fill_random(rng_, mine, models, {.keys = 120, .records_max = 6});
    commit(mine, models);
    for (int i = 0; i < 2000 && history_.size() == events; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(volume_.sync(volume_.last_lsn()));
    promise();
  }

 private:
  template <class T>
  bool ok(const Result<T>& result) {
    return subject_.is_ok(result);
  }
  void promise() { history_.note(lsn_of(volume_)); }
  bool commit(Transaction& mine, Transaction& models, Volume::CommitOptions options = {}) {
    const std::uint64_t before = lsn_of(volume_);
    if (!ok(volume_.commit(mine, options))) return false;
    REQUIRE(model_.commit(models));
    REQUIRE(lsn_of(volume_) == before + 1);
    subject_.moments_[before + 1] = content_hash(model_);
    return true;
  }
  bool fill(std::uint32_t number) {
    const std::string value(kFillerBytes, 'f');
    Transaction mine, models;
    for (Transaction* each : {&mine, &models})
      each->put(Tree::xattr, Key().u32(number), as_bytes(value));
    return commit(mine, models);
  }
  bool unfill(std::uint32_t number) {
    Transaction mine, models;
    for (Transaction* each : {&mine, &models}) each->erase(Tree::xattr, Key().u32(number));
    return commit(mine, models, {.freeing = true});
  }
  void write_data() {
    const auto extent = volume_.allocate(static_cast<std::uint32_t>(1 + rng_() % 12));
    if (!ok(extent)) return;
    const Buffer data = Buffer::take(std::size_t{extent->blocks} * kBlockBytes);
    std::memset(data.data(), static_cast<int>(rng_()), data.size());
    for (std::size_t at = 0; at < data.size(); at += 512) data.data()[at] = std::byte(rng_());
    const Key value = Key().u32(extent->blocks).u64(hash64(data.bytes()));
    Transaction mine, models;
    mine.adopt(*extent);
    for (Transaction* each : {&mine, &models}) each->put(Tree::extent, extent_key(*extent), value);
    if (ok(volume_.write_blocks(extent->first, data.bytes())) &&
        ok(volume_.flush_data(FlushSite::file_content)) && commit(mine, models))
      live_.push_back(*extent);
    else
      volume_.release(*extent);
  }
  void free_data() {
    if (live_.empty()) return;
    std::swap(live_[rng_() % live_.size()], live_.back());
    const Extent extent = live_.back();
    Transaction mine, models;
    mine.free(extent);
    for (Transaction* each : {&mine, &models}) each->erase(Tree::extent, extent_key(extent));
    if (commit(mine, models)) live_.pop_back();
  }

  StoreSubject& subject_;
  Volume& volume_;
  DeviceHistory& history_;
  Rng& rng_;
  ModelVolume model_{1 << 30};
  std::vector<Extent> live_;
};

MemoryDevice::Image StoreSubject::start(Rng& rng) {
  return rng() % 2 == 0 ? worn() : fresh();
}

std::string StoreSubject::live(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                               Rng& rng) {
  auto volume = Volume::open(std::move(device), kOptions);
  if (!volume) return format("open: {}", volume.error().what);
  Work work(*this, **volume, history, rng);
  if (!work.begin()) return "what was judged cannot be read";
  if (options_.left_pages) work.leave_pages(*options_.left_pages);
  for (unsigned i = 0; i < options_.steps; ++i) work.step();
  if (options_.writes_unasked) work.write_unasked();
  return {};
}

std::optional<CheckOptions> StoreSubject::check() const {
  const auto references = [](Tree, Bytes key, Bytes value,
                             std::vector<BlockReference>& into) -> Result<> {
    into.push_back({.extent = extent_of(std::string(as_text(key)), std::string(as_text(value)))});
    return {};
  };
  return CheckOptions{.threads = 1, .references = references};
}

std::string StoreSubject::compare(Volume& volume, std::uint64_t lsn) const {
  const auto moment = moments_.find(lsn);
  if (moment == moments_.end()) return "an lsn that never was";
  if (!volume.scan(Tree::free_space, {}, {}, [](Bytes, Bytes) { return true; }))
    return "the map cannot be read";
  if (content_hash(volume) != moment->second) return "content of no moment";
  return data_holds(volume) ? std::string() : "data of no moment";
}

Verdict StoreSubject::judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                            const Circumstances& circumstances) {
  auto opened = Volume::open(std::move(device), kOptions);
  if (!opened) return {.fault = format("open: {}", opened.error().what)};
  Volume& volume = **opened;
  const std::uint64_t lsn = lsn_of(volume);
  if (volume.read_only()) return {.fault = "read-only", .lsn = lsn};
  if (lsn < circumstances.promised)
    return {.fault = format("lsn {} < {} promised", lsn, circumstances.promised), .lsn = lsn};
  if (std::string fault = compare(volume, lsn); !fault.empty())
    return {.fault = std::move(fault), .lsn = lsn};
  // What recovery has shown is durable.
  history.note(lsn);
  if (circumstances.afterwards == Afterwards::checkpoint && !volume.checkpoint())
    return {.fault = "no checkpoint", .lsn = lsn};
  if (circumstances.afterwards == Afterwards::drain && !drains(volume))
    return {.fault = "space was lost", .lsn = lsn};
  if (circumstances.afterwards == Afterwards::close && !volume.close())
    return {.fault = "no close", .lsn = lsn};
  return {.fault = {}, .lsn = lsn};
}

}  // namespace vexfs
