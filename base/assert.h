// SPDX-License-Identifier: Apache-2.0
// VEXFS_ASSERT: a bug stops the program, in release too.
// Never for what a disk, the kernel or a user can cause: that is a Result.
#pragma once
#include <cstdio>
#include <cstdlib>

#define VEXFS_ASSERT(cond) \
  ((cond)                  \
       ? void()            \
       : (std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #cond), std::abort()))
