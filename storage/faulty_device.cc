// SPDX-License-Identifier: Apache-2.0
#include "storage/faulty_device.h"

#include <algorithm>

namespace vexfs {

namespace {

constexpr std::size_t kSectorBytes = 512;

DeviceEvent write_event(const DeviceWrite& write) {
  return {.kind = DeviceEvent::Kind::write,
          .offset = write.offset,
          .data = std::string(as_text(write.from))};
}

}  // namespace

void DeviceHistory::add(DeviceEvent event) {
  Lock lock(mutex_);
  events_.push_back(std::move(event));
}

void DeviceHistory::note(std::uint64_t note) {
  add({.kind = DeviceEvent::Kind::note, .data = {}, .note = note});
}

std::size_t DeviceHistory::size() const {
  Lock lock(mutex_);
  return events_.size();
}

std::vector<DeviceEvent> DeviceHistory::take() {
  Lock lock(mutex_);
  return std::exchange(events_, {});
}

FaultyDevice::FaultyDevice(MemoryDevice::Image image, std::shared_ptr<DeviceHistory> history,
                           DeviceFaults faults)
    : memory_(std::move(image)), history_(std::move(history)), faults_(faults) {}

bool FaultyDevice::fails(std::uint64_t& count, std::uint64_t at) {
  ++count;
  const bool failing = at != 0 && (count == at || (faults_.forever && count > at));
  if (failing) history_->count_fault();
  return failing;
}

Result<> FaultyDevice::read(std::span<const DeviceRead> batch) {
  {
    Lock lock(mutex_);
    if (fails(reads_, faults_.read)) return fail(faults_.code, "faulty: read");
  }
  return memory_.read(batch);
}

Result<> FaultyDevice::write(std::span<const DeviceWrite> batch) {
  bool failing = false;
  {
    Lock lock(mutex_);
    failing = fails(writes_, faults_.write);
  }
  if (failing && faults_.partly) write_half(batch);
  if (failing) return fail(faults_.code, "faulty: write");
  VEXFS_CHECK(memory_.write(batch));
  for (const DeviceWrite& each : batch) history_->add(write_event(each));
  return {};
}

// Ends in the middle of a block, at a sector.
void FaultyDevice::write_half(std::span<const DeviceWrite> batch) {
  std::size_t left = 0;
  for (const DeviceWrite& each : batch) left += each.from.size();
  left = left / 2 / kSectorBytes * kSectorBytes;
  for (const DeviceWrite& each : batch) {
    const std::size_t moved = std::min(left, each.from.size());
    const std::size_t blocks = (moved + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    std::string there(blocks, '\0');
    if (!memory_.read(each.offset, std::as_writable_bytes(std::span(there)))) return;
    there.replace(0, moved, as_text(each.from.first(moved)));
    const DeviceWrite half{.offset = each.offset, .from = as_bytes(there)};
    if (!memory_.write(std::span(&half, 1))) return;
    history_->add(write_event(half));
    left -= moved;
  }
}

Result<> FaultyDevice::flush(FlushSite site) {
  {
    Lock lock(mutex_);
    if (fails(flushes_, faults_.flush)) return fail(faults_.code, "faulty: flush");
  }
  if (site != faults_.skipped) history_->add({.kind = DeviceEvent::Kind::flush, .data = {}});
  return {};
}

Result<> FaultyDevice::write_flushed(const DeviceWrite& write, FlushSite site) {
  VEXFS_CHECK(this->write(std::span(&write, 1)));
  return flush(site);
}

void FaultyDevice::discard(std::uint64_t offset, std::uint64_t bytes) {
  // As a write of garbage: what is discarded may be anything, and a disk may or may not have done
  // it when the power goes. So who still needs it is found out.
  const std::string garbage(bytes, '\xdb');
  const DeviceWrite write{.offset = offset, .from = as_bytes(garbage)};
  [[maybe_unused]] const auto written = memory_.write(std::span(&write, 1));
  history_->add(write_event(write));
}

void CrashStates::cut_after(std::size_t count) {
  for (; count_ < count; ++count_) {
    const DeviceEvent& event = events_[count_];
    switch (event.kind) {
      case DeviceEvent::Kind::write:
        unflushed_.push_back(&event);
        break;
      case DeviceEvent::Kind::flush:
        for (const DeviceEvent* write : unflushed_)
          MemoryDevice::write_image(durable_, write->offset, as_bytes(write->data));
        unflushed_.clear();
        break;
      case DeviceEvent::Kind::note:
        newest_note_ = std::max(newest_note_, event.note);
        break;
    }
  }
}

MemoryDevice::Image CrashStates::state(std::mt19937_64& rng) const {
  MemoryDevice::Image image = durable_;
  std::vector<const DeviceEvent*> writes = unflushed_;
  std::ranges::shuffle(writes, rng);
  // From "all is lost" to "all is there", and everything between.
  const unsigned percent_kept = static_cast<unsigned>(rng() % 6) * 20;
  const bool tears = rng() % 2 == 0;
  for (const DeviceEvent* write : writes) {
    const std::size_t step = tears ? kSectorBytes : write->data.size();
    for (std::size_t at = 0; at < write->data.size(); at += step)
      if (rng() % 100 < percent_kept)
        MemoryDevice::write_image(image, write->offset + at,
                                  as_bytes(std::string_view(write->data).substr(at, step)));
  }
  return image;
}

}  // namespace vexfs
