// SPDX-License-Identifier: Apache-2.0
// Bench, Figure: one figure of every engine, each in a folder of its own that goes away.
#pragma once
#include <algorithm>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "bench/kv_engine.h"

namespace vexfs::bench {

// Bytes that this process has caused to be written to disks (/proc/self/io).
std::uint64_t device_bytes_written();
// CPU of all threads of this process: what a busy machine leaves alone.
std::uint64_t cpu_ns();

class Figure {
 public:
  explicit Figure(unsigned threads) : threads_(threads) {}
  // Runs `operation(i)` for 0 <= i < count, rounded down to whole threads, and times each.
  void run(unsigned count, const std::function<void(unsigned)>& operation);
  void take(std::vector<std::uint64_t> ns);  // what was timed elsewhere, one after the other
  void add(const char* name, double value) { extra_ += format(" {}={:.2f}", name, value); }
  void print(const char* name, const char* where, const std::string& settings);

 private:
  const unsigned threads_;
  std::vector<std::uint64_t> took_;
  std::uint64_t elapsed_ns_ = 0;
  std::string extra_;
};

struct FigureOptions {
  const char* name = "";
  unsigned threads = 1;
  Promise promise = Promise::memory;
  bool keep = false;  // the filled engine, for the next figure that says so too
  std::function<void(KvEngine&)> fill = nullptr;
};

class Bench {
 public:
  std::string folder, only, engine;  // empty: all of them
  unsigned scale = 1;
  unsigned scaled(unsigned count) const { return std::max(count / scale, 512U); }
  bool wants(const char* figure, const char* where) const;
  void each(const FigureOptions& options, const std::function<void(KvEngine&, Figure&)>& measure);
  void forget() { kept_.clear(); }

  // A folder that goes away with this.
  class Folder {
   public:
    Folder(const std::string& parent, const std::string& name);
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const std::string& path() const { return path_; }

   private:
    std::string path_;
  };

 private:
  struct Made {  // the engine ends before its folder
    std::string where;
    std::unique_ptr<Folder> folder;
    std::unique_ptr<KvEngine> engine;
  };
  Made make(const KvPeer& peer, const FigureOptions& options) const;
  std::list<Made> kept_;  // a list: nothing moves
};

}  // namespace vexfs::bench
