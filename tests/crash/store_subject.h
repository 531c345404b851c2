// SPDX-License-Identifier: Apache-2.0
// StoreSubject: a volume under random transactions, syncs, data and checkpoints, for the
// simulator. It promises every transaction that was synced, and a state that it had after one of
// its transactions.
// Threads: one.
#pragma once
#include <map>
#include <optional>
#include <vector>

#include "storage/volume.h"
#include "tests/crash/simulator.h"

namespace vexfs {

struct StoreSubjectOptions {
  unsigned steps = 45;
  // Now and then frames are written that nobody waits for, and asked for once they are.
  bool writes_unasked = false;
  // A life begins with next to no space: all that data may take is held, and a filler has taken
  // all tree pages but about so many.
  std::optional<unsigned> left_pages = {};
};

class StoreSubject final : public CrashSubject {
 public:
  explicit StoreSubject(const StoreSubjectOptions& options) : options_(options) {}
  MemoryDevice::Image start(Rng& rng) override;
  std::string live(std::unique_ptr<BlockDevice> device, DeviceHistory& history, Rng& rng) override;
  Verdict judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                const Circumstances& circumstances) override;
  std::optional<CheckOptions> check() const override;

 private:
  class Work;
  std::string compare(Volume& volume, std::uint64_t lsn) const;

  const StoreSubjectOptions options_;
  std::map<std::uint64_t, std::uint64_t> moments_;  // LSN -> hash of the content after it
};

}  // namespace vexfs
