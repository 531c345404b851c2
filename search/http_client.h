// SPDX-License-Identifier: Apache-2.0
// HttpClient: POSTs to one server over connections that are kept. The one home of libcurl.
//
// Always: http and https only, no redirect is followed (a key would go along), nothing that is
// sent or received is logged. Threads: any, each waits for its own answer; never one that answers
// the kernel.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"

namespace vexfs {

struct HttpReply {
  long status = 0;         // of HTTP
  long retry_after_s = 0;  // what the server asks for; 0: nothing
  std::string body = {};
};

class HttpClient {
 public:
  struct Limits {
    long connect_ms = 3000;
    long total_ms = 30000;
    std::size_t reply_bytes_max = std::size_t{64} << 20;
  };
  explicit HttpClient(std::string url);
  ~HttpClient();

  // The whole reply, whatever its status. ECONNREFUSED: nobody there. ETIMEDOUT. EMSGSIZE: the
  // reply is too long. EPROTO: it is cut off, or not HTTP. EACCES: the certificate does not check.
  Result<HttpReply> post(std::string_view body, std::string_view bearer_key,
                         const Limits& limits) const;

 private:
  struct Connection;
  std::unique_ptr<Connection> take() const;
  void give_back(std::unique_ptr<Connection> connection) const;

  const std::string url_;
  mutable Mutex mutex_;
  mutable std::vector<std::unique_ptr<Connection>> idle_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
