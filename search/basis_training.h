// SPDX-License-Identifier: Apache-2.0
// Training of a basis from the stems of a text index: block power iteration on X'X, where X has a
// row for each chunk (EMBEDDER, "The algorithm"). Nothing of a file is read again.
// Threads: any; one thread's work for seconds, with the index locked for one chunk at a time.
#pragma once
#include "base/function_ref.h"
#include "base/result.h"
#include "search/basis.h"
#include "search/text_index.h"

namespace vexfs {

inline constexpr std::uint32_t kTrainingChunksMin = 10;      // fewer teach nothing
inline constexpr std::uint32_t kTrainingChunksMax = 100000;  // of more, a sample

// EAGAIN below kTrainingChunksMin chunks. ECANCELED: `stop`, asked between chunks, said so.
Result<Basis> train_basis(const TextIndex& text, FunctionRef<bool()> stop);

// Dimensions that `documents` chunks can fill.
std::uint32_t basis_dimension(std::uint32_t documents);

}  // namespace vexfs
