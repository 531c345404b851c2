// SPDX-License-Identifier: Apache-2.0
// HashedTerms: stems and their character n-grams hashed with a sign into a few hundred dimensions
// (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009). It knows no
// statistics, so it never grows stale: rarity is the question's affair.
// Threads: any.
#pragma once
#include <span>

#include "base/function_ref.h"
#include "search/terms.h"

namespace vexfs {

// Adds (1 + ln count) * weight_of(stem) of each stem to its place, and as much, spread over them,
// of its n-grams to theirs; then scales to unit length. Zero, and false, when nothing remains.
bool hash_terms(const TermBag& terms, FunctionRef<float(TermId)> weight_of, std::span<float> into);

}  // namespace vexfs
