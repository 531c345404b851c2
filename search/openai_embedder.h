// SPDX-License-Identifier: Apache-2.0
// OpenAI-compatible endpoints (Ollama, llama.cpp, vLLM, TEI): POST URL/embeddings,
// {"model":M,"input":[…],"encoding_format":"float"}.
//
//   up ──refused, slow, 5xx, nonsense──> down for 1, 2, 4 … 60 s: EAGAIN at once ──> up
//
// A request has at most 32 texts and 1 MB; one that is too long for the server (413) is halved, a
// text that is too long alone is cut. What comes back is believed when it is as many vectors of the
// right dimension, finite, one for each index.
// Threads: any; each waits for the server, so never one that answers the kernel.
#pragma once
#include <memory>
#include <string>

#include "search/embedder.h"

namespace vexfs {

struct OpenAiOptions {
  std::string name = "openai";  // as collections name it
  std::string url;              // up to and with /v1
  std::string model = "default";
  std::string key_file = {};  // read anew for each connection; else $VEXFS_EMBEDDER_KEY
  std::string document_prefix = {}, question_prefix = {};
  unsigned tries = 3;             // of a request that may go better
  unsigned first_pause_ms = 250;  // before the second; doubled then
  unsigned down_ms_min = 1000, down_ms_max = 60000;
  unsigned document_ms_max = 60000, question_ms_max = 5000;  // for one answer
};

// What vectors of this endpoint hang on; the URL is not in it, a server may move.
std::string identity_of(const OpenAiOptions& options, std::uint32_t dimension);

// The connection and the state of the server, shared by all embedders of one definition.
class OpenAiEndpoint;
std::shared_ptr<OpenAiEndpoint> open_endpoint(OpenAiOptions options);
// Asks the server. EAGAIN.
Result<std::uint32_t> dimension_of(OpenAiEndpoint& endpoint);
std::shared_ptr<const Embedder> make_embedder(std::shared_ptr<OpenAiEndpoint> endpoint,
                                              std::uint32_t dimension);

}  // namespace vexfs
