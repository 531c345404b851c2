// SPDX-License-Identifier: Apache-2.0
// Simulator: lets a subject live on a device that remembers every write and flush, cuts the power
// after each of these events, and asks the subject whether what comes back is what it promised.
//
//   a life    the subject works, is now and then killed and works on (a disk forgets nothing
//             then), until the power goes; its end is one of the states below, and the next
//             life begins there
//   a cut     after each event; what no flush has covered is there, is not, or is torn
//             (storage/faulty_device.h), in `states_per_cut` ways
//   a state   judged; every third one cut again while it recovers, and half of these once more
//
// The seed decides all but the order in which threads of one volume reach the device. A state
// that broke a promise is written to $VEXFS_CRASH_KEEP as an image, where that is set.
// Threads: one.
#pragma once
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "storage/check.h"
#include "storage/faulty_device.h"
#include "tests/crash/scarce_volume.h"

namespace vexfs {

using Rng = std::mt19937_64;

struct Verdict {
  std::string fault;      // empty: as promised
  std::uint64_t lsn = 0;  // where the volume came back
};

// What a judge does after he has looked, for the sake of a second cut.
enum class Afterwards : std::uint8_t { nothing, checkpoint, close, drain };

// What stands behind a state: a promise is an LSN that must be there.
struct Circumstances {
  std::uint64_t promised = 0;
  // An earlier recovery came back here; what is newer is of that recovery's own making.
  std::uint64_t newest = ~std::uint64_t{0};
  Afterwards afterwards = Afterwards::nothing;
};

class CrashSubject {
 public:
  virtual ~CrashSubject() = default;
  // What the first life begins on.
  virtual MemoryDevice::Image start(Rng& rng) = 0;
  // Opens what stands there, works, notes each promise in the history, and stops like a program
  // that is killed. The fault that it met, on a device that may leave out flushes.
  virtual std::string live(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                           Rng& rng) = 0;
  // Opens one state. Notes in the history what it has shown, for that is durable.
  virtual Verdict judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                        const Circumstances& circumstances) = 0;
  // How every tenth state is checked as well, by check_volume(); nothing: it may be no volume.
  virtual std::optional<CheckOptions> check() const { return CheckOptions{.threads = 1}; }

  // A life on a device that fails goes on without what failed, and keeps the errors here;
  // otherwise an error ends the test.
  bool is_tolerant = false;
  std::set<int> errors;
  // What a life of files is refused of space.
  SpaceFaults space_faults;

 protected:
  template <class T>
  bool is_ok(const Result<T>& result) {
    if (result) return true;
    if (!is_tolerant) throw std::runtime_error(result.error().what);
    errors.insert(result.error().code);
    return false;
  }
};

struct SimulationOptions {
  unsigned seed = 1;
  unsigned lives = 3;
  unsigned states_per_cut = 2;
  DeviceFaults faults{};
};

struct Simulation {
  std::size_t states = 0;      // judged, those after a second and third cut among them
  std::size_t violations = 0;  // stops at the first when flushes are left out
  std::string first;           // violation, with what it takes to see it again
};

// What check_volume() finds in an image, beyond the traces of a crash.
std::string findings(const CrashSubject& subject, const MemoryDevice::Image& image);

Simulation simulate(CrashSubject& subject, const SimulationOptions& options);

// 1 ..= count, or the one of $VEXFS_CRASH_SEED, or $VEXFS_CRASH_TIMES times as many.
std::vector<unsigned> crash_seeds(unsigned count);

}  // namespace vexfs
