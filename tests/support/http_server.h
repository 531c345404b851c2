// SPDX-License-Identifier: Apache-2.0
// HttpServer: as much HTTP/1.1 as a test of a client needs, on a port of 127.0.0.1: POSTs in, and
// what the test wants out, also what no server should say. Connections are kept.
// Threads: `answer` runs on one of the server's own, one connection at a time each.
#pragma once
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace vexfs {

class HttpServer {
 public:
  struct Request {
    std::string path, headers, body;
  };
  struct Response {
    int status = 200;
    std::string body = {};
    std::string headers = {};  // more of them, each with its line end
    std::size_t cut = 0;       // so many bytes of the body are not sent, and the line goes dead
  };
  using Answer = std::function<Response(const Request&)>;

  explicit HttpServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 16) == 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    accepter_ = std::thread([this] { accept_all(); });
  }
  ~HttpServer() {
    ::shutdown(listener_, SHUT_RDWR);
    accepter_.join();
    {
      Lock lock(mutex_);
      for (const int connection : connections_) ::shutdown(connection, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1"; }
  unsigned accepted() const { return accepted_; }

 private:
  void accept_all() {
    for (int connection = 0; (connection = ::accept(listener_, nullptr, nullptr)) >= 0;) {
      ++accepted_;
      {
        Lock lock(mutex_);
        connections_.push_back(connection);
      }
      threads_.emplace_back([this, connection] {
        while (serve(connection)) continue;
        Lock lock(mutex_);
        std::erase(connections_, connection);
        ::close(connection);
      });
    }
  }
  bool serve(int connection) const {
    std::string got;
    std::size_t head = got.npos;
    const auto more = [&] {
      char bytes[4096];
      const ssize_t count = ::recv(connection, bytes, sizeof bytes, 0);
      if (count > 0) got.append(bytes, static_cast<std::size_t>(count));
      return count > 0;
    };
    while ((head = got.find("\r\n\r\n")) == got.npos)
      if (!more()) return false;
    Request request{
        .path = got.substr(5, got.find(' ', 5) - 5), .headers = got.substr(0, head), .body = {}};
    const std::size_t length_at = request.headers.find("Content-Length: ");
    const std::size_t length =
        length_at == got.npos ? 0 : std::stoul(request.headers.substr(length_at + 16));
    while (got.size() < head + 4 + length)
      if (!more()) return false;
    request.body = got.substr(head + 4, length);
    const Response response = answer_(request);
    std::string reply = "HTTP/1.1 " + std::to_string(response.status) +
                        " X\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n" +
                        response.headers + "\r\n" +
                        response.body.substr(0, response.body.size() - response.cut);
    for (std::size_t at = 0; at < reply.size();) {
      const ssize_t sent = ::send(connection, reply.data() + at, reply.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      at += static_cast<std::size_t>(sent);
    }
    return response.cut == 0;
  }

  const Answer answer_;
  int listener_ = -1;
  unsigned port_ = 0;
  std::atomic<unsigned> accepted_ = 0;
  Mutex mutex_;
  std::vector<int> connections_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;  // the accepter's, until it has ended
  std::thread accepter_;
};

}  // namespace vexfs
