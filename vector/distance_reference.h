// SPDX-License-Identifier: Apache-2.0
// What each kernel of vector/ means, in plain loops. Tests hold the kernels to these; nothing
// that has to be fast calls them. Threads: any.
#pragma once
#include <span>

#include "vector/metric.h"

namespace vexfs::reference {

// Summed in double, so a kernel may differ by rounding only.
float distance(Metric metric, std::span<const float> a, std::span<const float> b);

}  // namespace vexfs::reference
