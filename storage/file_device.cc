// SPDX-License-Identifier: Apache-2.0
// FileDevice: an image file or block device through io_uring, past the page cache.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <vector>

#include "base/assert.h"
#include "base/log.h"
#include "base/metrics.h"
#include "storage/block_device.h"
#include "storage/ring.h"
#include "storage/scheduled_device.h"
#include "storage/types.h"

namespace vexfs {

namespace {

struct DeviceMetrics {
  Histogram& read = metrics::histogram("vexfs_device_read_seconds", "One batch of reads");
  Histogram& write = metrics::histogram("vexfs_device_write_seconds", "One batch of writes");
  Histogram& flush = metrics::histogram("vexfs_device_flush_seconds", "One flush");
  Histogram& log =
      metrics::histogram("vexfs_device_write_flushed_seconds", "One write linked to its flush");
  Counter& read_bytes = metrics::counter("vexfs_device_read_bytes", "Bytes read");
  Counter& written_bytes = metrics::counter("vexfs_device_written_bytes", "Bytes written");
  Counter& errors = metrics::counter("vexfs_device_errors_total", "Transfers that failed");
};

DeviceMetrics& device_metrics() {
  static DeviceMetrics& the_one = *new DeviceMetrics;
  return the_one;
}

void check_aligned(std::uint64_t offset, const std::byte* memory, std::size_t bytes) {
  VEXFS_ASSERT(offset % kBlockBytes == 0 && bytes % kBlockBytes == 0);
  VEXFS_ASSERT(reinterpret_cast<std::uintptr_t>(memory) % kBlockBytes == 0);
}

std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

class FileDevice final : public BlockDevice {
 public:
  FileDevice(int file, std::uint64_t bytes, bool is_device, RingOptions ring)
      : file_(file), bytes_(bytes), is_device_(is_device), ring_options_(ring) {}
  ~FileDevice() override {
    // Rings of threads that go on may keep the file open for a while, but not its lock.
    struct flock whole{};
    whole.l_type = F_UNLCK;
    whole.l_whence = SEEK_SET;
    ::fcntl(file_, F_OFD_SETLK, &whole);
    ::close(file_);
  }

  std::uint64_t size_bytes() const override { return bytes_; }

  Result<> grow(std::uint64_t bytes) override {
    if (bytes <= bytes_) return {};
    if (!is_device_) {
      if (::ftruncate(file_, static_cast<off_t>(bytes)) != 0)
        return fail(errno, "device: the image cannot be made longer");
      if (::fsync(file_) != 0) return fail(errno, "device: flush failed");
      bytes_ = bytes;
      return {};
    }
    std::uint64_t now = 0;
    if (::ioctl(file_, BLKGETSIZE64, &now) != 0) return fail(errno, "device: size unknown");
    if (now < bytes) return fail(EFBIG, "device: it is shorter than that");
    bytes_ = now;
    return {};
  }

  Result<> read(std::span<const DeviceRead> batch) override {
    std::vector<Transfer> transfers;
    transfers.reserve(batch.size());
    for (const DeviceRead& each : batch)
      transfers.push_back(
          {.offset = each.offset, .memory = each.into.data(), .bytes = each.into.size()});
    return move(Ring::Direction::read, transfers);
  }

  Result<> write(std::span<const DeviceWrite> batch) override {
    std::vector<Transfer> transfers;
    transfers.reserve(batch.size());
    for (const DeviceWrite& each : batch) transfers.push_back(transfer_of(each));
    return move(Ring::Direction::write, transfers);
  }

  Result<> flush(FlushSite) override {
    Timed timed(device_metrics().flush);
    return counted(ring().sync(ring_file_));
  }

  Result<> write_flushed(const DeviceWrite& write, FlushSite) override {
    Timed timed(device_metrics().log);
    const Transfer transfer = transfer_of(write);
    check_aligned(transfer.offset, transfer.memory, transfer.bytes);
    device_metrics().written_bytes.add(transfer.bytes);
    return counted(ring().write_synced(ring_file_, transfer));
  }

  void discard(std::uint64_t offset, std::uint64_t bytes) override {
    if (!discards_) return;
    std::uint64_t range[2] = {offset, bytes};
    constexpr int kHole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    const int refused = is_device_ ? ::ioctl(file_, BLKDISCARD, range)
                                   : ::fallocate(file_, kHole, static_cast<off_t>(offset),
                                                 static_cast<off_t>(bytes));
    // File systems without holes and plain disks refuse; nothing depends on it.
    if (refused != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) discards_ = false;
  }

 private:
  Ring& ring() const { return Ring::mine(ring_options_); }
  static Transfer transfer_of(const DeviceWrite& write) {
    // The ring only reads from it.
    return {.offset = write.offset,
            .memory = const_cast<std::byte*>(write.from.data()),
            .bytes = write.from.size()};
  }
  static Result<> counted(Result<> outcome) {
    if (!outcome) device_metrics().errors.add();
    return outcome;
  }
  Result<> move(Ring::Direction direction, std::span<Transfer> transfers) {
    const bool reading = direction == Ring::Direction::read;
    std::uint64_t bytes = 0;
    for (const Transfer& each : transfers) {
      check_aligned(each.offset, each.memory, each.bytes);
      if (each.offset + each.bytes > bytes_) return fail(EIO, "device: transfer past the end");
      bytes += each.bytes;
    }
    Timed timed(reading ? device_metrics().read : device_metrics().write);
    (reading ? device_metrics().read_bytes : device_metrics().written_bytes).add(bytes);
    return counted(ring().move(ring_file_, direction, transfers));
  }

  const int file_;
  std::atomic<std::uint64_t> bytes_;
  const bool is_device_;
  std::atomic<bool> discards_{true};  // not refused yet
  const RingOptions ring_options_;
  const RingFile ring_file_{.descriptor = file_, .serial = next_serial()};
};

// One writer or many readers, of this process and of others, until the descriptor closes.
Result<> lock_file(int file, bool read_only) {
  struct flock range{};
  range.l_type = read_only ? F_RDLCK : F_WRLCK;
  range.l_whence = SEEK_SET;
  if (::fcntl(file, F_OFD_SETLK, &range) == 0) return {};
  if (errno == EAGAIN || errno == EACCES) return fail(EBUSY, "device: already mounted");
  return fail(errno, "device: cannot be locked");
}

Result<int> open_file(const std::string& path, const FileDeviceOptions& options) {
  const int flags = (options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  if (options.direct_io) {
    if (const int file = ::open(path.c_str(), flags | O_DIRECT); file >= 0) return file;
    if (errno != EINVAL) return fail(errno, "device: cannot be opened");
    log(Level::warn, "device", "the host refuses O_DIRECT; using its page cache");
  }
  const int file = ::open(path.c_str(), flags);
  if (file < 0) return fail(errno, "device: cannot be opened");
  return file;
}

Result<std::uint64_t> size_of(int file, const struct stat& facts) {
  if (S_ISREG(facts.st_mode)) return static_cast<std::uint64_t>(facts.st_size);
  if (!S_ISBLK(facts.st_mode)) return fail(ENOTBLK, "device: neither a file nor a block device");
  std::uint64_t bytes = 0;
  if (::ioctl(file, BLKGETSIZE64, &bytes) != 0) return fail(errno, "device: size unknown");
  return bytes;
}

}  // namespace

Result<std::unique_ptr<BlockDevice>> open_file_device(const std::string& path,
                                                      FileDeviceOptions options) {
  VEXFS_TRY(const int file, open_file(path, options));
  struct stat facts{};
  // From here on the device owns the descriptor.
  const bool known = ::fstat(file, &facts) == 0;
  const Result<std::uint64_t> bytes =
      known ? size_of(file, facts) : fail(errno, "device: facts unknown");
  auto device = std::make_unique<FileDevice>(file, bytes.value_or(0),
                                             known && S_ISBLK(facts.st_mode), options.ring);
  if (!bytes) return std::unexpected(bytes.error());
  if (options.lock) VEXFS_CHECK(lock_file(file, options.read_only));
  if (!options.scheduled) return device;
  return std::make_unique<ScheduledDevice>(std::move(device));
}

}  // namespace vexfs
