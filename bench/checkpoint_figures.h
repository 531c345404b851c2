// SPDX-License-Identifier: Apache-2.0
// What only a volume can be asked: commits while a checkpoint runs, recovery of a long log.
#pragma once
#include "bench/kv_figure.h"

namespace vexfs::bench {

void checkpoint_figures(Bench& bench);

}  // namespace vexfs::bench
