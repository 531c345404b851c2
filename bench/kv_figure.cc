// SPDX-License-Identifier: Apache-2.0
#include "bench/kv_figure.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

namespace vexfs::bench {

std::uint64_t device_bytes_written() {
  std::ifstream file("/proc/self/io");
  std::string name;
  for (std::uint64_t value = 0; file >> name >> value;)
    if (name == "write_bytes:") return value;
  must(false, "/proc/self/io");
  return 0;
}

std::uint64_t cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

void Figure::run(unsigned count, const std::function<void(unsigned)>& operation) {
  std::vector<std::vector<std::uint64_t>> took(threads_);
  std::vector<std::thread> running;
  const unsigned each = count / threads_;
  const std::uint64_t start = monotonic_ns(), cpu_start = cpu_ns();
  for (unsigned t = 0; t < threads_; ++t)
    running.emplace_back([&, t] {
      took[t].reserve(each);
      std::uint64_t begin = monotonic_ns();
      for (unsigned n = 0; n < each; ++n) {
        operation(n * threads_ + t);
        const std::uint64_t end = monotonic_ns();
        took[t].push_back(end - begin);
        begin = end;
      }
    });
  for (std::thread& thread : running) thread.join();
  elapsed_ns_ = monotonic_ns() - start;
  add("cpu_us", static_cast<double>(cpu_ns() - cpu_start) * 1e-3 / count);
  for (const auto& each_thread : took)
    took_.insert(took_.end(), each_thread.begin(), each_thread.end());
}

void Figure::take(std::vector<std::uint64_t> ns) {
  took_ = std::move(ns);
  for (const std::uint64_t each : took_) elapsed_ns_ += each;
}

void Figure::print(const char* name, const char* where, const std::string& settings) {
  std::ranges::sort(took_);
  const auto us = [&](double q) {
    const auto rank = static_cast<std::size_t>(q * static_cast<double>(took_.size() - 1));
    return static_cast<double>(took_[rank]) * 1e-3;
  };
  std::puts(
      format("bench={} where={} threads={} n={} per_second={:.0f} p50_us={:.2f} p99_us={:.2f} "
             "p999_us={:.1f}{} settings=\"{}\"",
             name, where, threads_, took_.size(),
             static_cast<double>(took_.size()) * 1e9 / static_cast<double>(elapsed_ns_), us(.5),
             us(.99), us(.999), extra_, settings)
          .c_str());
  std::fflush(stdout);
}

bool Bench::wants(const char* figure, const char* where) const {
  return (only.empty() || only == figure) && (engine.empty() || engine == where);
}

Bench::Made Bench::make(const KvPeer& peer, const FigureOptions& options) const {
  Made made{
      .where = peer.name, .folder = std::make_unique<Folder>(folder, peer.name), .engine = nullptr};
  made.engine = peer.make({.folder = made.folder->path(), .promise = options.promise});
  if (options.fill) options.fill(*made.engine);
  return made;
}

void Bench::each(const FigureOptions& options,
                 const std::function<void(KvEngine&, Figure&)>& measure) {
  for (const KvPeer& peer : kv_peers()) {
    if (!wants(options.name, peer.name)) continue;
    // SQLite's one connection has nothing to say about threads.
    if (options.threads > 1 && std::string_view(peer.name) == "sqlite") continue;
    auto found = std::ranges::find(kept_, peer.name, &Made::where);
    if (found == kept_.end()) found = kept_.insert(kept_.end(), make(peer, options));
    Figure figure(options.threads);
    measure(*found->engine, figure);
    figure.print(options.name, peer.name, found->engine->settings());
    if (!options.keep) kept_.erase(found);
  }
}

Bench::Folder::Folder(const std::string& parent, const std::string& name)
    : path_(format("{}/transactions-bench-{}-{}", parent, ::getpid(), name)) {
  must(std::filesystem::create_directory(path_), "a new folder");
}

Bench::Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace vexfs::bench
