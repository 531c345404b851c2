// SPDX-License-Identifier: Apache-2.0
// Two subjects that do one thing each: make a volume, and save the rows of a space.
// Threads: one.
#pragma once
#include "tests/crash/simulator.h"

namespace vexfs {

// Promises that there is a volume once format() has returned.
class FormatSubject final : public CrashSubject {
 public:
  MemoryDevice::Image start(Rng& rng) override;
  std::string live(std::unique_ptr<BlockDevice> device, DeviceHistory& history, Rng& rng) override;
  Verdict judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                const Circumstances& circumstances) override;
  std::optional<CheckOptions> check() const override { return std::nullopt; }
};

// Promises that every row which the space's record counts reads back as it was saved.
class SpaceSubject final : public CrashSubject {
 public:
  MemoryDevice::Image start(Rng& rng) override;
  std::string live(std::unique_ptr<BlockDevice> device, DeviceHistory& history, Rng& rng) override;
  Verdict judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                const Circumstances& circumstances) override;
  // What only the check of search knows is not checked here.
  std::optional<CheckOptions> check() const override { return std::nullopt; }
};

}  // namespace vexfs
