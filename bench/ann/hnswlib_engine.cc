// SPDX-License-Identifier: Apache-2.0
#include <hnswlib/hnswlib.h>
#include <unistd.h>

#include <filesystem>

#include "bench/ann/engine.h"

namespace vexfs::bench {

namespace {

class HnswlibEngine : public AnnEngine {
 public:
  std::string name() const override { return "hnswlib"; }
  void build(const DataSet& data, BuildOptions options) override {
    if (data.metric == Metric::l2)
      space_ = std::make_unique<hnswlib::L2Space>(data.rows.dimension());
    else
      space_ = std::make_unique<hnswlib::InnerProductSpace>(data.rows.dimension());
    index_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(space_.get(), data.rows.size(),
                                                               options.m, options.ef_construction);
    for (Slot slot = 0; slot < data.rows.size(); ++slot)
      index_->addPoint(data.rows.row(slot), slot);
  }
  std::size_t search(std::span<const float> query, std::uint32_t ef, std::span<Slot> answer,
                     Graph::Accept) override {
    index_->setEf(ef);
    auto found = index_->searchKnn(query.data(), answer.size());
    const std::size_t count = found.size();
    for (std::size_t i = count; i-- > 0; found.pop())
      answer[i] = static_cast<Slot>(found.top().second);
    return count;
  }
  std::uint64_t disk_bytes() override {
    const std::string path =
        (std::filesystem::temp_directory_path() / ("ann_bench." + std::to_string(getpid())))
            .string();
    index_->saveIndex(path);
    const std::uint64_t bytes = std::filesystem::file_size(path);
    std::filesystem::remove(path);
    return bytes;
  }

 private:
  std::unique_ptr<hnswlib::SpaceInterface<float>> space_;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> index_;
};

}  // namespace

std::unique_ptr<AnnEngine> make_hnswlib_engine() {
  return std::make_unique<HnswlibEngine>();
}

}  // namespace vexfs::bench
