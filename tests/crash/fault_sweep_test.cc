// SPDX-License-Identifier: Apache-2.0
// Goal: whichever transfer fails, once or for good, with an error or in the middle: the right
// errno, no crash, no hang, and afterwards a sound device has everything that was promised, with
// nothing for fsck to find.
// Method: the work of the crash tests on a device whose k-th read, write or flush fails, for k
// from 1 until none does; then judged twice, with the writes that no flush covered, and cut.
// The same with requests of space that are refused, and on volumes that have next to none left.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/text.h"
#include "tests/crash/files_subject.h"
#include "tests/crash/quiet_log.h"
#include "tests/crash/store_subject.h"

using namespace vexfs;

TEST_SUITE_BEGIN("crash/fault sweep");

namespace {

enum class Transfer : std::uint8_t { read, write, flush };
constexpr const char* kTransferNames[] = {"read", "write", "flush"};

DeviceFaults faults_at(Transfer transfer, std::uint64_t k, bool forever) {
  DeviceFaults faults{.code = k % 3 == 0 ? ENOSPC : EIO, .forever = forever, .partly = k % 2 == 0};
  if (transfer == Transfer::read) faults.code = EIO;
  (transfer == Transfer::read    ? faults.read
   : transfer == Transfer::write ? faults.write
                                 : faults.flush) = k;
  return faults;
}

struct Totals {
  std::uint64_t runs = 0, refused = 0;
  std::map<int, std::uint64_t> errors;  // in how many runs an errno was seen
};

std::string judge(CrashSubject& subject, const MemoryDevice::Image& image, std::uint64_t promised) {
  auto unused = std::make_shared<DeviceHistory>();
  return subject
      .judge(std::make_unique<FaultyDevice>(image, unused), *unused,
             {.promised = promised, .afterwards = Afterwards::drain})
      .fault;
}

// What did not open has promised nothing; it must open on a sound device.
std::string live_on(CrashSubject& subject, const MemoryDevice::Image& image) {
  Rng rng(6);
  subject.is_tolerant = false;
  auto unused = std::make_shared<DeviceHistory>();
  return subject.live(std::make_unique<FaultyDevice>(image, unused), *unused, rng);
}

// One life on a device that fails, and what a sound one has of it. Whether anything failed.
bool run(CrashSubject& subject, const MemoryDevice::Image& image, const DeviceFaults& faults,
         Totals& totals) {
  Rng rng(5);
  auto history = std::make_shared<DeviceHistory>();
  subject.is_tolerant = true;
  const std::string refused =
      subject.live(std::make_unique<FaultyDevice>(image, history, faults), *history, rng);
  if (history->faults() == 0 && subject.errors.empty()) return false;
  ++totals.runs;
  if (!refused.empty()) ++totals.refused;
  for (const int code : subject.errors) {
    ++totals.errors[code];
    CHECK_MESSAGE((code == faults.code || code == EROFS || code == ENOSPC),
                  std::string(strerror(code)));
  }
  const std::vector<DeviceEvent> events = history->take();
  CrashStates states(image, events);
  states.cut_after(events.size());
  MemoryDevice::Image whole = image;
  for (const DeviceEvent& event : events)
    if (event.kind == DeviceEvent::Kind::write)
      MemoryDevice::write_image(whole, event.offset, as_bytes(event.data));
  for (const MemoryDevice::Image& left : {whole, states.state(rng)}) {
    const std::string fault =
        refused.empty() ? judge(subject, left, states.newest_note()) : live_on(subject, left);
    CHECK_MESSAGE(fault == "", fault);
    const std::string found = findings(subject, left);
    CHECK_MESSAGE(found == "", found);
  }
  return true;
}

template <class Make>
Totals sweep(Make make) {
  Totals totals;
  for (const Transfer transfer : {Transfer::read, Transfer::write, Transfer::flush})
    for (const bool forever : {false, true})
      for (std::uint64_t k = 1;; ++k) {
        const std::string name = kTransferNames[static_cast<unsigned>(transfer)];
        CAPTURE(name);
        CAPTURE(k);
        CAPTURE(forever);
        const auto subject = make();
        Rng rng(4);
        const MemoryDevice::Image image = subject->start(rng);
        if (!run(*subject, image, faults_at(transfer, k, forever), totals)) break;
      }
  return totals;
}

void report(const char* what, const Totals& totals) {
  std::string text = format("{}: {} runs, {} refused to open;", what, totals.runs, totals.refused);
  for (const auto& [code, runs] : totals.errors)
    text += format(" {} {},", strerrorname_np(code), runs);
  text.back() = ' ';
  MESSAGE(text);
}

}  // namespace

TEST_CASE("whichever transfer of a volume fails, what it promised is there afterwards") {
  const QuietLog quiet;
  const Totals totals =
      sweep([] { return std::make_unique<StoreSubject>(StoreSubjectOptions{.steps = 120}); });
  CHECK(totals.runs > 100);
  report("a volume", totals);
}

TEST_CASE("whichever transfer below files fails, what they promised is there afterwards") {
  const QuietLog quiet;
  const Totals totals =
      sweep([] { return std::make_unique<FilesSubject>(FilesSubjectOptions{.steps = 60}); });
  CHECK(totals.runs > 100);
  report("files", totals);
}

TEST_CASE("whichever request of space fails, files say ENOSPC and keep what they promised") {
  const QuietLog quiet;
  for (const bool freeing : {false, true})
    for (const bool forever : {false, true}) {
      Totals totals;
      for (std::uint64_t k = 1;; ++k) {
        CAPTURE(freeing);
        CAPTURE(forever);
        CAPTURE(k);
        FilesSubject subject({.steps = 60});
        subject.space_faults = {.at = k, .forever = forever, .freeing = freeing};
        Rng rng(4);
        const MemoryDevice::Image image = subject.start(rng);
        if (!run(subject, image, {.code = ENOSPC}, totals)) break;
        CHECK((subject.errors.empty() || subject.errors == std::set<int>{ENOSPC}));
      }
      CHECK(totals.runs > 40);
      report(forever ? "no space from one request on" : "no space for one request", totals);
    }
}

TEST_CASE("wherever tree pages run out, a volume says ENOSPC and keeps what it promised") {
  const QuietLog quiet;
  Totals totals;
  for (unsigned left = 0; left < 40; ++left) {
    CAPTURE(left);
    StoreSubject subject({.steps = 60, .left_pages = left});
    Rng rng(left);
    const MemoryDevice::Image image = subject.start(rng);
    run(subject, image, {.code = ENOSPC}, totals);
    CHECK((subject.errors.empty() || subject.errors == std::set<int>{ENOSPC}));
  }
  CHECK(totals.runs > 20);
  report("a volume without tree pages", totals);
}

TEST_CASE("wherever space runs out, files say ENOSPC and keep what they promised") {
  const QuietLog quiet;
  Totals totals;
  for (std::uint64_t left = 0; left < 60; ++left) {
    CAPTURE(left);
    FilesSubject subject({.steps = 80, .left_blocks = 2 * left + 1});
    Rng rng(left);
    const MemoryDevice::Image image = subject.start(rng);
    run(subject, image, {}, totals);
    CHECK((subject.errors.empty() || subject.errors == std::set<int>{ENOSPC}));
  }
  CHECK(totals.runs > 20);
  report("a full volume", totals);
}

TEST_SUITE_END();
