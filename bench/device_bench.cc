// SPDX-License-Identifier: Apache-2.0
// What each feature of the rings is worth, and the device beside fio on the same file.
//   device_bench FILE      FILE is made anew, 1 GiB, and removed
// One line a figure; the settings take turns, so that a slow moment of the disk meets all.
// cpu_us: processor time of one transfer, user and system.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/buffer_pool.h"
#include "base/clock.h"
#include "base/text.h"
#include "bench/fio_peer.h"
#include "storage/block_device.h"

using namespace vexfs;

namespace {

constexpr std::uint64_t kFileBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kNsPerTurn = 300'000'000;
constexpr unsigned kTurns = 7;

struct Setting {
  const char* name;
  RingOptions ring;
};
constexpr Setting kSettings[] = {
    {"all", {}},
    {"no_registered_buffers", {.registered_buffers = false}},
    {"no_registered_files", {.registered_files = false}},
    {"no_registered_ring", {.registered_ring = false}},
    {"no_defer_taskrun", {.defer_taskrun = false}},
    {"plain_ring",
     {.single_issuer = false,
      .defer_taskrun = false,
      .registered_ring = false,
      .registered_files = false,
      .registered_buffers = false}},
    {"no_uring", {.uring = false}},
};

struct Shape {
  const char* name;
  const char* fio;
  std::size_t bytes;
  unsigned batch;
  bool random, writes;
};
constexpr Shape kShapes[] = {
    {"read_4k", "randread", 4096, 1, true, false},
    {"read_16k_batch_100", "randread", 16384, 100, true, false},
    {"read_1m_batch_4", "read", 1 << 20, 4, false, false},
    {"write_1m_batch_4", "write", 1 << 20, 4, false, true},
};

double cpu_seconds() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

struct Figures {
  std::vector<double> per_second, cpu_us;  // of each turn
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void turn(BlockDevice& device, const Shape& shape, Figures& figures) {
  static std::mt19937_64 rng(1);
  static std::uint64_t next = 0;
  std::vector<Buffer> memory;
  for (unsigned i = 0; i < shape.batch; ++i) {
    memory.push_back(Buffer::take(shape.bytes));
    std::memset(memory.back().data(), 'w', shape.bytes);
  }
  std::vector<DeviceRead> reads(shape.batch);
  std::vector<DeviceWrite> writes(shape.batch);
  std::uint64_t count = 0;
  const double cpu = cpu_seconds();
  const std::uint64_t begin = monotonic_ns();
  while (monotonic_ns() - begin < kNsPerTurn) {
    for (unsigned i = 0; i < shape.batch; ++i) {
      const std::uint64_t at = (shape.random ? rng() : next++) % (kFileBytes / shape.bytes);
      reads[i] = {.offset = at * shape.bytes, .into = memory[i].bytes()};
      writes[i] = {.offset = at * shape.bytes, .from = memory[i].bytes()};
    }
    VEXFS_ASSERT(shape.writes ? device.write(writes) : device.read(reads));
    count += shape.batch;
  }
  const auto ns = static_cast<double>(monotonic_ns() - begin);
  figures.per_second.push_back(static_cast<double>(count) * 1e9 / ns);
  figures.cpu_us.push_back((cpu_seconds() - cpu) * 1e6 / static_cast<double>(count));
}

void compare(const std::string& path, const Shape& shape) {
  std::vector<std::unique_ptr<BlockDevice>> devices;
  for (const Setting& setting : kSettings) {
    auto device = open_file_device(path, {.lock = false, .ring = setting.ring});
    VEXFS_ASSERT(device.has_value());
    devices.push_back(std::move(*device));
  }
  std::vector<Figures> figures(devices.size());
  Figures peer;
  std::string peer_settings;
  for (unsigned t = 0; t < kTurns; ++t) {
    for (std::size_t i = 0; i < devices.size(); ++i) turn(*devices[i], shape, figures[i]);
    if (t % 3 != 0) continue;
    const auto fio = bench::run_fio({.file = path,
                                     .rw = shape.fio,
                                     .size_bytes = kFileBytes,
                                     .block_bytes = shape.bytes,
                                     .depth = shape.batch,
                                     .seconds = 1});
    if (!fio) continue;
    peer.per_second.push_back(fio->per_second);
    peer.cpu_us.push_back(fio->cpu_us);
    peer_settings = fio->settings;
  }
  for (std::size_t i = 0; i < devices.size(); ++i)
    std::puts(format("bench={} where={} per_second={:.0f} cpu_us={:.2f}", shape.name,
                     kSettings[i].name, median(figures[i].per_second), median(figures[i].cpu_us))
                  .c_str());
  if (!peer.per_second.empty())
    std::puts(format("bench={} where=fio per_second={:.0f} cpu_us={:.2f} {}", shape.name,
                     median(peer.per_second), median(peer.cpu_us), peer_settings)
                  .c_str());
  std::fflush(stdout);
}

void fill(const std::string& path) {
  const auto device = open_file_device(path, {});
  VEXFS_ASSERT(device.has_value());
  const Buffer memory = Buffer::take(std::size_t{1} << 20);
  std::memset(memory.data(), 'f', memory.size());
  for (std::uint64_t at = 0; at < kFileBytes; at += memory.size())
    VEXFS_ASSERT((*device)->write(at, memory.bytes()));
  VEXFS_ASSERT((*device)->flush(FlushSite::file_content));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: device_bench FILE\n", stderr);
    return 2;
  }
  const int file = ::open(argv[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, static_cast<off_t>(kFileBytes)) != 0) {
    std::perror("device_bench");
    return 2;
  }
  ::close(file);
  fill(argv[1]);
  for (const Shape& shape : kShapes) compare(argv[1], shape);
  ::unlink(argv[1]);
  return 0;
}
