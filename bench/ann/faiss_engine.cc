// SPDX-License-Identifier: Apache-2.0
#include <faiss/IndexHNSW.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <omp.h>

#include <algorithm>

#include "bench/ann/engine.h"

namespace vexfs::bench {

namespace {

// Counts what is written and keeps none of it.
struct CountingWriter : faiss::IOWriter {
  std::uint64_t bytes = 0;
  std::size_t operator()(const void*, std::size_t size, std::size_t count) override {
    bytes += size * count;
    return count;
  }
};

class FaissEngine : public AnnEngine {
 public:
  explicit FaissEngine(bool sq8) : sq8_(sq8) {}
  std::string name() const override { return sq8_ ? "faiss_hnsw_sq8" : "faiss_hnsw_flat"; }
  void build(const DataSet& data, BuildOptions options) override {
    omp_set_num_threads(1);
    const auto dimension = static_cast<int>(data.rows.dimension());
    const auto m = static_cast<int>(options.m);
    const auto metric = data.metric == Metric::l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    if (sq8_)
      index_ = std::make_unique<faiss::IndexHNSWSQ>(dimension, faiss::ScalarQuantizer::QT_8bit, m,
                                                    metric);
    else
      index_ = std::make_unique<faiss::IndexHNSWFlat>(dimension, m, metric);
    index_->hnsw.efConstruction = static_cast<int>(options.ef_construction);
    constexpr Slot kBatch = 10000;
    std::vector<float> batch;
    for (Slot begin = 0; begin < data.rows.size(); begin += kBatch) {
      const Slot end = std::min(begin + kBatch, data.rows.size());
      batch.clear();
      for (Slot slot = begin; slot < end; ++slot)
        batch.insert(batch.end(), data.rows.row(slot), data.rows.row(slot) + dimension);
      if (begin == 0) index_->train(end, batch.data());
      index_->add(end - begin, batch.data());
    }
  }
  std::size_t search(std::span<const float> query, std::uint32_t ef, std::span<Slot> answer,
                     Graph::Accept) override {
    index_->hnsw.efSearch = static_cast<int>(ef);
    distances_.resize(answer.size());
    labels_.resize(answer.size());
    index_->search(1, query.data(), static_cast<long>(answer.size()), distances_.data(),
                   labels_.data());
    std::size_t count = 0;
    for (auto label : labels_)
      if (label >= 0) answer[count++] = static_cast<Slot>(label);
    return count;
  }
  std::uint64_t disk_bytes() override {
    CountingWriter writer;
    faiss::write_index(index_.get(), &writer);
    return writer.bytes;
  }

 private:
  const bool sq8_;
  std::unique_ptr<faiss::IndexHNSW> index_;
  std::vector<float> distances_;
  std::vector<faiss::Index::idx_t> labels_;
};

}  // namespace

std::unique_ptr<AnnEngine> make_faiss_flat_engine() {
  return std::make_unique<FaissEngine>(false);
}
std::unique_ptr<AnnEngine> make_faiss_sq8_engine() {
  return std::make_unique<FaissEngine>(true);
}

}  // namespace vexfs::bench
