// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/simulator.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/text.h"

namespace vexfs {

namespace {

using Image = MemoryDevice::Image;

void write_all(Image& image, const std::vector<DeviceEvent>& events) {
  for (const DeviceEvent& event : events)
    if (event.kind == DeviceEvent::Kind::write)
      MemoryDevice::write_image(image, event.offset, as_bytes(event.data));
}

// A sparse file, for `vexfs info`, `vexfs fsck` and a debugger.
std::string keep(const Image& image, const std::string& name) {
  const char* const folder = std::getenv("VEXFS_CRASH_KEEP");
  if (folder == nullptr) return {};
  const std::string path = format("{}/{}.img", folder, name);
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0) return {};
  bool whole = ::ftruncate(file, static_cast<off_t>(image.size() * kBlockBytes)) == 0;
  for (std::size_t i = 0; i < image.size(); ++i)
    if (image[i] != nullptr)
      whole = ::pwrite(file, image[i]->data(), kBlockBytes, static_cast<off_t>(i * kBlockBytes)) ==
                  kBlockBytes &&
              whole;
  ::close(file);
  return whole ? ", kept as " + path : std::string();
}

class Simulator {
 public:
  Simulator(CrashSubject& subject, const SimulationOptions& options)
      : subject_(subject), options_(options), rng_(options.seed) {}

  Simulation run() {
    Image image = subject_.start(rng_);
    for (life_ = 0; life_ < options_.lives && !is_over(); ++life_) {
      std::optional<Image> next = live(std::move(image));
      if (!next) break;
      image = std::move(*next);
    }
    return std::move(result_);
  }

 private:
  bool is_over() const { return options_.faults.skipped && result_.violations > 0; }

  // One life and all cuts of it; where the next begins.
  std::optional<Image> live(const Image& start) {
    std::vector<DeviceEvent> events;
    Image now = start;
    const unsigned programs = rng_() % 3 == 0 ? 2 : 1;
    for (unsigned i = 0; i < programs; ++i) {
      auto history = std::make_shared<DeviceHistory>();
      const std::string fault = subject_.live(
          std::make_unique<FaultyDevice>(now, history, options_.faults), *history, rng_);
      std::vector<DeviceEvent> more = history->take();
      write_all(now, more);
      std::ranges::move(more, std::back_inserter(events));
      if (!fault.empty()) {
        note_violation({.fault = fault}, now, events.size());
        return std::nullopt;
      }
    }
    const std::size_t end = rng_() % (events.size() + 1);
    std::optional<Image> next;
    CrashStates states(start, events);
    for (std::size_t cut = 0; cut <= events.size() && !is_over(); ++cut) {
      states.cut_after(cut);
      for (unsigned i = 0; i < options_.states_per_cut; ++i) {
        Image image = states.state(rng_);
        const bool good = check(image, states.newest_note(), cut);
        if (cut == end && good) next = std::move(image);
      }
    }
    return next;
  }

  bool check(Image image, std::uint64_t promised, std::size_t cut) {
    Circumstances circumstances{.promised = promised};
    for (unsigned depth = 0;; ++depth) {
      ++result_.states;
      const bool again = rng_() % (depth == 0 ? 3 : 2) == 0 && depth < 3;
      circumstances.afterwards = afterwards(again);
      auto history = std::make_shared<DeviceHistory>();
      const Verdict verdict =
          subject_.judge(std::make_unique<FaultyDevice>(image, history), *history, circumstances);
      if (!verdict.fault.empty()) {
        note_violation(verdict, image, cut);
        return false;
      }
      if (!again) return true;
      const std::vector<DeviceEvent> events = history->take();
      CrashStates states(std::move(image), events);
      states.cut_after(rng_() % (events.size() + 1));
      image = states.state(rng_);
      circumstances.promised = std::max(circumstances.promised, states.newest_note());
      circumstances.newest = std::min(circumstances.newest, verdict.lsn);
    }
  }

  Afterwards afterwards(bool again) {
    switch (rng_() % 8) {
      case 0:
        return Afterwards::checkpoint;
      case 1:
        return Afterwards::close;
      case 2:
        return again ? Afterwards::nothing : Afterwards::drain;
      default:
        return Afterwards::nothing;
    }
  }

  void note_violation(const Verdict& verdict, const Image& image, std::size_t cut) {
    if (++result_.violations > 1) return;
    result_.first = format("VEXFS_CRASH_SEED={}: life {} cut {} lsn {}: {}", options_.seed, life_,
                           cut, verdict.lsn, verdict.fault);
    result_.first += keep(image, format("crash-{}-{}-{}", options_.seed, life_, cut));
  }

  CrashSubject& subject_;
  const SimulationOptions options_;
  Rng rng_;
  unsigned life_ = 0;
  Simulation result_;
};

}  // namespace

std::string findings(const CrashSubject& subject, const Image& image) {
  const std::optional<CheckOptions> options = subject.check();
  if (!options) return {};
  MemoryDevice device(image);
  CheckReport report;
  if (const auto done = check_volume(device, *options, report); !done) return done.error().what;
  std::string text;
  // A superblock torn while it was written is what the other slot is for.
  for (const Finding& finding : report.findings())
    if (finding.severity != Severity::note && finding.code != std::string_view("superblock-copy"))
      text += format("{} {}: {}; ", finding.code, finding.where, finding.sentence);
  return text;
}

Simulation simulate(CrashSubject& subject, const SimulationOptions& options) {
  return Simulator(subject, options).run();
}

std::vector<unsigned> crash_seeds(unsigned count) {
  if (const char* const one = std::getenv("VEXFS_CRASH_SEED"))
    return {static_cast<unsigned>(std::atoi(one))};
  const char* const times = std::getenv("VEXFS_CRASH_TIMES");
  if (times != nullptr) count *= static_cast<unsigned>(std::max(1, std::atoi(times)));
  std::vector<unsigned> seeds;
  for (unsigned seed = 1; seed <= count; ++seed) seeds.push_back(seed);
  return seeds;
}

}  // namespace vexfs
