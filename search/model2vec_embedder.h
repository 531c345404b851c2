// SPDX-License-Identifier: Apache-2.0
// Static embedding models in the layout of model2vec (potion-*): a vector for each piece of a
// word; a text's is their weighted mean. A folder with model.safetensors (`embeddings` [V, D],
// perhaps `weights` [V] and `mapping` [V] from piece to row) and tokenizer.json.
// Threads: any.
#pragma once
#include <memory>
#include <string>

#include "search/embedder.h"

namespace vexfs {

// ENOENT: there is no model. EINVAL: of another layout. The model is read into memory, whole.
Result<std::shared_ptr<const Embedder>> load_model2vec(const std::string& name,
                                                       const std::string& folder);

}  // namespace vexfs
