// SPDX-License-Identifier: Apache-2.0
#include "vector/mapping.h"

#include <sys/mman.h>

#include <cstdint>

#include "base/assert.h"

namespace vexfs {

namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

constexpr std::size_t round_up(std::size_t bytes) {
  return (bytes + kHugePageBytes - 1) & ~(kHugePageBytes - 1);
}

void unmap(std::byte* from, std::size_t bytes) {
  if (bytes != 0) VEXFS_ASSERT(munmap(from, bytes) == 0);
}

}  // namespace

Result<Mapping> Mapping::make(std::size_t bytes) {
  // One huge page more than asked for; what lies outside the aligned part is given back.
  const std::size_t kept = round_up(bytes);
  void* raw = mmap(nullptr, kept + kHugePageBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return fail(ENOMEM, "vector: no memory for a segment");
  auto* const begin = static_cast<std::byte*>(raw);
  const std::size_t before =
      round_up(reinterpret_cast<std::uintptr_t>(raw)) - reinterpret_cast<std::uintptr_t>(raw);
  unmap(begin, before);
  unmap(begin + before + kept, kHugePageBytes - before);
  Mapping mapping;
  mapping.data_ = begin + before;
  mapping.bytes_ = kept;
  return mapping;
}

void Mapping::use_huge_pages() {
  constexpr int kCollapse = 25;  // MADV_COLLAPSE: Linux 6.1; glibc 2.36 does not know it yet
  // Both are advice: a kernel that does not take it changes nothing but speed.
  (void)madvise(data_, bytes_, MADV_HUGEPAGE);
  (void)madvise(data_, bytes_, kCollapse);
}

Mapping::~Mapping() {
  unmap(data_, bytes_);
}

}  // namespace vexfs
