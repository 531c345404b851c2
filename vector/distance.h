// SPDX-License-Identifier: Apache-2.0
// Distances between float32 vectors, on the best SIMD target the CPU has.
// Each has a scalar reference that defines it (vector/distance_reference.h).
// Threads: any. Vectors need no alignment; 64-byte aligned rows are faster.
#pragma once
#include <cstddef>
#include <span>

#include "vector/metric.h"

namespace vexfs {

// One pair, as Metric defines; for cosine both are expected normalised (it is 1 - dot).
float distance(Metric metric, std::span<const float> a, std::span<const float> b);

// One query against `rows.size()` gathered rows of query.size() floats each; prefetches ahead.
// out[i] is the distance to rows[i]. rows and out have equal size.
void distances(Metric metric, std::span<const float> query, std::span<const float* const> rows,
               std::span<float> out);

// Scales to unit length. False, and unchanged, for a zero vector or one with NaN or Inf.
bool normalise(std::span<float> v);
// Neither NaN nor Inf anywhere.
bool all_finite(std::span<const float> v);

}  // namespace vexfs
