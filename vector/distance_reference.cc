// SPDX-License-Identifier: Apache-2.0
#include "vector/distance_reference.h"

#include "base/assert.h"

namespace vexfs::reference {

float distance(Metric metric, std::span<const float> a, std::span<const float> b) {
  VEXFS_ASSERT(a.size() == b.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    sum += metric == Metric::l2 ? (x - y) * (x - y) : x * y;
  }
  switch (metric) {
    case Metric::cosine:
      return static_cast<float>(1 - sum);
    case Metric::l2:
      return static_cast<float>(sum);
    case Metric::ip:
      return static_cast<float>(-sum);
  }
  return 0;
}

}  // namespace vexfs::reference
