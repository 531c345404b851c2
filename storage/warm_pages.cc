// SPDX-License-Identifier: Apache-2.0
#include "storage/warm_pages.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "storage/io_class.h"
#include "storage/warm_pages_format.h"

namespace vexfs {

namespace {

constexpr std::size_t kPagesPerBatch = 16;  // what somebody else may have to wait behind
constexpr unsigned kStandBackMs = 2;

struct WarmMetrics {
  Counter& kept = metrics::counter("vexfs_warm_pages_total",
                                   "Tree pages read back because they were hot before");
  Counter& left_out = metrics::counter("vexfs_warm_left_out_total",
                                       "Hot tree pages that are not there any more, or no room");
};

WarmMetrics& warm_metrics() {
  static WarmMetrics& the_one = *new WarmMetrics;
  return the_one;
}

std::uint64_t list_check(Bytes pointers, const Superblock& superblock) {
  return hash64(pointers, superblock.id_low);
}

// The pages of the newest checkpoint that were hot when it closed; none for no such list.
std::vector<PagePointer> read_list(BlockDevice& device, const Superblock& superblock) {
  const Buffer buffer = Buffer::take(kWarmListBytes);
  if (!device.read(kWarmListOffset, buffer.bytes())) return {};
  WarmListHeader header;
  std::memcpy(&header, buffer.data(), sizeof header);
  if (header.magic != kWarmListMagic || header.version != kWarmListVersion ||
      header.count > kWarmPagesMax || header.generation != superblock.generation)
    return {};
  const Bytes pointers = buffer.bytes().subspan(kBlockBytes, header.count * sizeof(PagePointer));
  if (list_check(pointers, superblock) != header.check) return {};
  std::vector<PagePointer> list(header.count);
  if (!list.empty()) std::memcpy(list.data(), pointers.data(), pointers.size());
  std::erase_if(list, [&](const PagePointer& pointer) {
    return pointer.address < superblock.data_first ||
           pointer.address + kPageBlocks > superblock.data_end;
  });
  return list;
}

// False when the cache is full.
bool read_batch(BlockDevice& device, PageCache& cache, std::span<const PagePointer> batch,
                const Buffer& buffer, WarmUpCounts& counts) {
  std::array<DeviceRead, kPagesPerBatch> reads;
  for (std::size_t i = 0; i < batch.size(); ++i)
    reads[i] = {.offset = batch[i].address * kBlockBytes,
                .into = buffer.bytes().subspan(i * kPageBytes, kPageBytes)};
  // What cannot be read now will be missed by who needs it.
  if (!device.read(std::span(reads).first(batch.size()))) return true;
  counts.read += batch.size();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const PageCache::Offer offer = cache.offer(batch[i], reads[i].into);
    if (offer == PageCache::Offer::no_room) return false;
    counts.kept += offer == PageCache::Offer::taken;
  }
  return true;
}

}  // namespace

Result<> save_warm_pages(BlockDevice& device, PageCache& cache, const Superblock& superblock,
                         std::size_t max) {
  std::vector<PageRef> pages;
  cache.visit_hottest(std::min<std::size_t>(max, kWarmPagesMax),
                      [&](CachedPage& page) { pages.push_back(PageRef(&page)); });
  const Buffer buffer = Buffer::take(kWarmListBytes);
  std::memset(buffer.data(), 0, buffer.size());
  std::byte* at = buffer.data() + kBlockBytes;
  for (const PageRef& page : pages) {
    const PagePointer pointer{
        .address = page->address, .check = page_check(page->bytes()), .birth = page->birth};
    std::memcpy(at, &pointer, sizeof pointer);
    at += sizeof pointer;
  }
  const Bytes pointers = buffer.bytes().subspan(kBlockBytes, pages.size() * sizeof(PagePointer));
  const WarmListHeader header{.magic = kWarmListMagic,
                              .version = kWarmListVersion,
                              .count = static_cast<std::uint32_t>(pages.size()),
                              .reserved = 0u,
                              .generation = superblock.generation,
                              .check = list_check(pointers, superblock)};
  std::memcpy(buffer.data(), &header, sizeof header);
  return device.write(kWarmListOffset, buffer.bytes());
}

WarmUpCounts read_warm_pages(BlockDevice& device, PageCache& cache, const Superblock& superblock,
                             const std::atomic<bool>& stop) {
  std::vector<PagePointer> list = read_list(device, superblock);
  WarmUpCounts counts{.listed = list.size()};
  const Buffer buffer = Buffer::take(kPagesPerBatch * kPageBytes);
  bool room = true;
  std::ranges::sort(list, {}, [](const PagePointer& p) { return std::uint64_t{p.address}; });
  for (std::size_t i = 0; i < list.size() && room; i += kPagesPerBatch) {
    if (stop) return counts;
    const std::uint64_t missed = cache.stats().misses;
    const auto batch = std::span(list).subspan(i, std::min(kPagesPerBatch, list.size() - i));
    room = read_batch(device, cache, batch, buffer, counts);
    if (cache.stats().misses != missed)
      std::this_thread::sleep_for(std::chrono::milliseconds(kStandBackMs));
  }
  warm_metrics().kept.add(counts.kept);
  warm_metrics().left_out.add(counts.listed - counts.kept);
  if (counts.listed > 0)
    log(Level::info, "cache", "warm", {{"listed", counts.listed}, {"kept", counts.kept}});
  return counts;
}

WarmUp::WarmUp(BlockDevice& device, PageCache& cache, const Superblock& superblock)
    : thread_([this, &device, &cache, superblock] {
        // Linux gives each thread its own; without the right to it, it is as others are.
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
        const IoClassScope scope(IoClass::background);
        read_warm_pages(device, cache, superblock, stop_);
      }) {
  pthread_setname_np(thread_.native_handle(), "vexfs-warm");
}

WarmUp::~WarmUp() {
  stop_ = true;
  thread_.join();
}

}  // namespace vexfs
