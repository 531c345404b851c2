// SPDX-License-Identifier: Apache-2.0
// repair_round: writes what one check found can be put right.
// Threads: one.
#pragma once
#include <memory>

#include "storage/check.h"
#include "storage/check_fix.h"

namespace vexfs {

Result<> repair_round(std::unique_ptr<BlockDevice> device, const CheckOutcome& found,
                      const CheckFixes& fixes);

}  // namespace vexfs
