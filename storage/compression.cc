// SPDX-License-Identifier: Apache-2.0
#include "storage/compression.h"

#include <zstd.h>

#include <cstring>
#include <memory>

#include "base/assert.h"
#include "base/metrics.h"
#include "storage/extent_format.h"

namespace vexfs {

namespace {

struct CompressionMetrics {
  Counter& raw = metrics::counter("vexfs_compress_raw_bytes", "Content of extents compressed");
  Counter& stored = metrics::counter("vexfs_compress_stored_bytes", "What they take on the disk");
  Counter& skipped =
      metrics::counter("vexfs_compress_skipped_bytes", "Content that a sample said not to try");
  Counter& vain =
      metrics::counter("vexfs_compress_vain_bytes", "Content tried that did not save an eighth");
};

CompressionMetrics& figures() {
  static CompressionMetrics all;
  return all;
}

struct EndCompress {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct EndDecompress {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, EndCompress> context(ZSTD_createCCtx());
  return context.get();
}
ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, EndDecompress> context(ZSTD_createDCtx());
  return context.get();
}

constexpr std::size_t kSampleBytes = 4096;

// Compresses 4 KiB from the middle, at the fastest level: noise, images and archives show there.
// It errs to the side of trying.
bool worth_trying(Bytes raw, MutableBytes scratch) {
  if (raw.size() < 4 * kSampleBytes) return true;  // trying costs as much
  const Bytes sample = raw.subspan(raw.size() / kBlockBytes / 2 * kBlockBytes, kSampleBytes);
  const std::size_t bytes = ZSTD_compressCCtx(compressor(), scratch.data(), scratch.size(),
                                              sample.data(), sample.size(), 1);
  return ZSTD_isError(bytes) == 0 && bytes < sample.size() - sample.size() / 16;
}

}  // namespace

std::uint32_t compress_extent(Bytes raw, MutableBytes into, Compression how) {
  VEXFS_ASSERT(raw.size() % kBlockBytes == 0 && into.size() >= raw.size());
  const std::size_t blocks = raw.size() / kBlockBytes;
  VEXFS_ASSERT(blocks <= kCompressedBlocksMax);
  const std::size_t kept = blocks - (blocks + 7) / 8;
  if (how.level == 0 || kept == 0 || compressor() == nullptr) return 0;
  if (!worth_trying(raw, into)) {
    figures().skipped.add(raw.size());
    return 0;
  }
  // Without room for more than what would be kept, it gives up as soon as it can.
  const std::size_t bytes = ZSTD_compressCCtx(compressor(), into.data(), kept * kBlockBytes,
                                              raw.data(), raw.size(), how.level);
  if (ZSTD_isError(bytes) != 0) {
    figures().vain.add(raw.size());
    return 0;
  }
  const std::size_t stored = (bytes + kBlockBytes - 1) / kBlockBytes;
  std::memset(into.data() + bytes, 0, stored * kBlockBytes - bytes);
  figures().raw.add(raw.size());
  figures().stored.add(stored * kBlockBytes);
  return static_cast<std::uint32_t>(stored);
}

Result<> decompress_extent(Bytes stored, MutableBytes raw) {
  const auto bad = [] { return fail(EUCLEAN, "data: compressed extent makes no sense"); };
  if (decompressor() == nullptr) return fail(ENOMEM, "data: no memory to decompress");
  const std::size_t frame = ZSTD_findFrameCompressedSize(stored.data(), stored.size());
  if (ZSTD_isError(frame) != 0 || frame > stored.size()) return bad();
  const std::size_t bytes =
      ZSTD_decompressDCtx(decompressor(), raw.data(), raw.size(), stored.data(), frame);
  if (ZSTD_isError(bytes) != 0 || bytes != raw.size()) return bad();
  return {};
}

}  // namespace vexfs
