// SPDX-License-Identifier: Apache-2.0
// Runs a test body once on each SIMD target that this CPU has.
#pragma once
#include <doctest/doctest.h>

#include <hwy/highway.h>

namespace vexfs::test {

template <class Body>
void on_every_target(Body body) {
  for (std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    CAPTURE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace vexfs::test
