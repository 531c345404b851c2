// SPDX-License-Identifier: Apache-2.0
// EngineFixture: an engine on a model volume and a map of files, and the naive answers to compare.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/endian.h"
#include "search/engine.h"
#include "tests/support/map_files.h"
#include "tests/support/model_volume.h"

namespace vexfs {

// Power goes after so many commits: later ones change nothing.
class CutVolume final : public ModelVolume {
 public:
  using Volume::commit;
  Result<Lsn> commit(Transaction& transaction, CommitOptions options) override {
    if (left_.fetch_sub(1) <= 0) return fail(EIO, "model: no power");
    return ModelVolume::commit(transaction, options);
  }
  void cut_after(std::int64_t commits) { left_ = commits; }
  void restore() { left_ = kPlenty; }
  bool is_cut() const { return left_ < 0; }

 private:
  static constexpr std::int64_t kPlenty = std::int64_t{1} << 60;
  std::atomic<std::int64_t> left_{kPlenty};
};

struct EngineFixture {
  EngineFixture() { open(); }
  ~EngineFixture() {
    files.tell(nullptr);
    if (engine) engine->stop();
  }
  void open() {
    auto opened = Engine::open(volume, engine_options);
    REQUIRE(opened.has_value());
    engine = std::move(*opened);
    files.tell(engine.get());
    engine->start(files);
  }
  // As unmount and mount do.
  void remount() {
    files.tell(nullptr);
    engine->stop();
    engine.reset();
    open();
  }
  // As a kill does: nothing is saved that was not.
  void crash() {
    files.tell(nullptr);
    engine.reset();
    open();
  }
  Result<> wait(Ino scope = kRootIno) {
    std::promise<Result<>> promise;
    auto future = promise.get_future();
    engine->when_indexed(scope, [&](Result<> done) { promise.set_value(done); });
    return future.get();
  }
  // Everything is indexed, and no space is to be made again.
  void settle() {
    REQUIRE(wait().has_value());
    while (rebuilding()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  bool rebuilding(Ino scope = kRootIno) {
    const auto counts = engine->counts(scope);
    REQUIRE(counts.has_value());
    return !counts->rebuilding.empty();
  }

  Answer ask(Question question) {
    const auto answer = engine->ask(question);
    REQUIRE(answer.has_value());
    return *answer;
  }
  Answer ask(const std::string& text, QuestionOptions options = {}, Ino scope = kRootIno) {
    return ask(Question{.scope = scope, .text = text, .options = options});
  }
  Answer near(const std::vector<float>& vector, QuestionOptions options = {},
              Ino scope = kRootIno) {
    return ask(Question{.scope = scope, .vector = vector, .options = options});
  }
  std::string status(Ino ino) {
    const auto line = engine->file_status(ino);
    REQUIRE(line.has_value());
    return *line;
  }

  EngineOptions engine_options = {};
  CutVolume volume;
  MapFiles files{volume};
  std::unique_ptr<Engine> engine;
};

inline std::vector<std::string> paths(const Answer& answer) {
  std::vector<std::string> all;
  for (const Hit& hit : answer.hits) all.push_back(hit.path);
  return all;
}
inline bool has(const Answer& answer, const std::string& path) {
  return std::ranges::count(paths(answer), path) != 0;
}

inline std::vector<float> random_vector(std::mt19937& random, std::uint32_t dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  for (float& value : vector) value = normal(random);
  return vector;
}
inline std::string fvecs(const std::vector<std::vector<float>>& rows) {
  std::string bytes;
  for (const std::vector<float>& row : rows) {
    const le32 dimension(static_cast<std::uint32_t>(row.size()));
    bytes += as_text(bytes_of(dimension));
    bytes += as_text(std::as_bytes(std::span(row)));
  }
  return bytes;
}

}  // namespace vexfs
