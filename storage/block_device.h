// SPDX-License-Identifier: Apache-2.0
// BlockDevice: what a volume stands on. One interface; io_uring on a file or device, memory,
// and a faulty one for the tests implement it.
//
// Always: offsets, sizes and addresses of buffers are multiples of kBlockBytes.
// A write is durable only after a flush() that began when the write had returned.
// Threads: any.
#pragma once
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/flush_site.h"
#include "storage/ring_options.h"

namespace vexfs {

struct DeviceRead {
  std::uint64_t offset = 0;
  MutableBytes into;
};
struct DeviceWrite {
  std::uint64_t offset = 0;
  Bytes from;
};

class BlockDevice {
 public:
  virtual ~BlockDevice() = default;
  virtual std::uint64_t size_bytes() const = 0;
  // All of a batch, or an error; a batch is one submission. EIO also for a short transfer.
  virtual Result<> read(std::span<const DeviceRead> batch) = 0;
  virtual Result<> write(std::span<const DeviceWrite> batch) = 0;
  virtual Result<> flush(FlushSite site) = 0;
  // A write and the flush after it, linked: the one I/O of a log batch.
  virtual Result<> write_flushed(const DeviceWrite& write, FlushSite site) = 0;
  // At least this many bytes from now on, durably. A file is made longer; a device that has been
  // is asked again. EFBIG: it is too short. ENOSPC, … as ftruncate(2).
  virtual Result<> grow(std::uint64_t bytes) {
    if (bytes <= size_bytes()) return {};
    return fail(EFBIG, "device: too short, and cannot be made longer");
  }
  // Gives the range back to the host where it can (hole in a sparse file); content may then be
  // anything. Never an error: it is an optimisation.
  virtual void discard(std::uint64_t offset, std::uint64_t bytes) = 0;

  Result<> read(std::uint64_t offset, MutableBytes into) {
    const DeviceRead one{offset, into};
    return read(std::span(&one, 1));
  }
  Result<> write(std::uint64_t offset, Bytes from) {
    const DeviceWrite one{offset, from};
    return write(std::span(&one, 1));
  }
};

struct FileDeviceOptions {
  bool read_only = false;
  bool direct_io = true;  // falls back to buffered, with a warning, where the host refuses it
  bool lock = true;       // EBUSY when another process holds the image
  RingOptions ring = {};
  bool scheduled = true;  // background waits for foreground (storage/scheduled_device.h)
};
// An image file or a block device. ENOENT, EACCES, EBUSY, … as open(2).
Result<std::unique_ptr<BlockDevice>> open_file_device(const std::string& path,
                                                      FileDeviceOptions options);

}  // namespace vexfs
