// SPDX-License-Identifier: Apache-2.0
#include "search/http_client.h"

#include <curl/curl.h>

#include <utility>

namespace vexfs {

namespace {

constexpr std::size_t kIdleMax = 8;

struct Received {
  std::string body;
  std::size_t bytes_max = 0;
};

std::size_t receive(char* bytes, std::size_t, std::size_t count, void* to) {
  auto& received = *static_cast<Received*>(to);
  if (received.body.size() + count > received.bytes_max) return 0;  // ends the transfer
  received.body.append(bytes, count);
  return count;
}

Error error_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return {.code = ETIMEDOUT, .what = "http: no answer in time"};
    case CURLE_WRITE_ERROR:
      return {.code = EMSGSIZE, .what = "http: the answer is too long"};
    case CURLE_COULDNT_RESOLVE_HOST:
      return {.code = ECONNREFUSED, .what = "http: the host has no address"};
    case CURLE_COULDNT_CONNECT:
      return {.code = ECONNREFUSED, .what = "http: nobody answers there"};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {.code = EACCES, .what = "http: the certificate does not check"};
    default:
      return {.code = EPROTO, .what = "http: the answer is cut off, or no HTTP"};
  }
}

}  // namespace

struct HttpClient::Connection {
  Connection() : handle(curl_easy_init()) {}
  ~Connection() { curl_easy_cleanup(handle); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  CURL* const handle;
};

HttpClient::HttpClient(std::string url) : url_(std::move(url)) {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(once);
}

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Connection> HttpClient::take() const {
  {
    Lock lock(mutex_);
    if (!idle_.empty()) {
      auto last = std::move(idle_.back());
      idle_.pop_back();
      return last;
    }
  }
  return std::make_unique<Connection>();
}

void HttpClient::give_back(std::unique_ptr<Connection> connection) const {
  Lock lock(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(connection));
}

Result<HttpReply> HttpClient::post(std::string_view body, std::string_view bearer_key,
                                   const Limits& limits) const {
  std::unique_ptr<Connection> connection = take();
  CURL* const curl = connection->handle;
  if (curl == nullptr) return fail(ENOMEM, "http: no memory");
  curl_easy_reset(curl);  // the connection stays
  struct Free {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  std::unique_ptr<curl_slist, Free> headers(
      curl_slist_append(nullptr, "Content-Type: application/json"));
  headers.reset(curl_slist_append(headers.release(), "Expect:"));
  if (!bearer_key.empty()) {
    const std::string line = "Authorization: Bearer " + std::string(bearer_key);
    headers.reset(curl_slist_append(headers.release(), line.c_str()));
  }
  Received received{.body = {}, .bytes_max = limits.reply_bytes_max};
  curl_easy_setopt(curl, CURLOPT_URL, url_.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, limits.connect_ms);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, limits.total_ms);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &receive);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
  const CURLcode done = curl_easy_perform(curl);
  if (done != CURLE_OK) return std::unexpected(error_of(done));
  HttpReply reply{.body = std::move(received.body)};
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
  curl_off_t after = 0;
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after);
  reply.retry_after_s = static_cast<long>(after);
  give_back(std::move(connection));
  return reply;
}

}  // namespace vexfs
