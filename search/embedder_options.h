// SPDX-License-Identifier: Apache-2.0
// EmbedderOptions: which embedder a mount defines, and what an endpoint is to be told.
#pragma once
#include <cstdint>
#include <string>

namespace vexfs {

struct EmbedderOptions {
  std::string spec = "local";  // local, none, model2vec:DIR, openai:URL: where none is named
  std::string model = {}, key_file = {}, document_prefix = {}, question_prefix = {};  // openai
  std::uint32_t dimension = 0;  // openai; 0: the endpoint is asked
};

}  // namespace vexfs
