// SPDX-License-Identifier: Apache-2.0
// XXH3-64: the one checksum and hash of the volume. The value is part of the format.
#pragma once
#include <cstdint>

#include "base/bytes.h"

namespace vexfs {

std::uint64_t hash64(Bytes bytes, std::uint64_t seed = 0);

}  // namespace vexfs
