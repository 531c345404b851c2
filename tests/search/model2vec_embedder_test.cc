// SPDX-License-Identifier: Apache-2.0
// Goal: a model's vectors are those that its makers' library gives. Method: small models written
// here, with ids known by hand; a real tokenizer's rules one by one. tests/mount/embedders_test.py
// compares with another implementation.
#include "search/model2vec_embedder.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "search/wordpiece.h"

using namespace vexfs;

TEST_SUITE_BEGIN("search/model2vec");

namespace {

constexpr const char* kWords[] = {"[PAD]", "[UNK]", "key", "##s",    "rotate",  "the",
                                  ",",     "caf",   "##e", "\u65e5", "##board", "x"};

std::string tokenizer_of(const Json& normalizer) {
  Json vocabulary = Json::object();
  for (std::size_t i = 0; i < std::size(kWords); ++i) vocabulary[kWords[i]] = i;
  return to_text(Json{{"normalizer", normalizer},
                      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                      {"model",
                       {{"type", "WordPiece"},
                        {"unk_token", "[UNK]"},
                        {"continuing_subword_prefix", "##"},
                        {"max_input_chars_per_word", 100},
                        {"vocab", vocabulary}}}});
}
const Json kBert = {{"type", "BertNormalizer"},
                    {"clean_text", true},
                    {"handle_chinese_chars", true},
                    {"strip_accents", nullptr},
                    {"lowercase", true}};

using Ids = std::vector<std::uint32_t>;
Ids ids(std::string_view text, std::size_t ids_max = 512) {
  const auto pieces = WordPiece::parse(tokenizer_of(kBert));
  REQUIRE(pieces.has_value());
  return pieces->ids(text, ids_max);
}

struct ModelFolder {
  ModelFolder() {
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/tokenizer.json") << tokenizer_of(kBert);
  }
  ~ModelFolder() { std::filesystem::remove_all(folder); }
  // Tensors one after the other: name, type, shape, bytes.
  struct Part {
    std::string name, type;
    std::vector<std::size_t> shape;
    std::string bytes;
  };
  void put(const std::vector<Part>& parts) {
    Json header = Json::object();
    std::string values;
    for (const Part& part : parts) {
      header[part.name] = {{"dtype", part.type},
                           {"shape", part.shape},
                           {"data_offsets", {values.size(), values.size() + part.bytes.size()}}};
      values += part.bytes;
    }
    write(to_text(header), values);
  }
  void write(const std::string& header, const std::string& values) {
    const std::uint64_t size = header.size();
    std::ofstream file(folder + "/model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<const char*>(&size), sizeof size);
    file << header << values;
  }
  std::vector<float> embed(std::string_view text) {
    const auto model = load_model2vec("model2vec", folder);
    REQUIRE(model.has_value());
    const TermBag none;
    const DocumentText document{.text = text, .terms = none};
    std::vector<float> row((*model)->dimension(), -1);
    REQUIRE((*model)->embed_documents({&document, 1}, row));
    return row;
  }
  std::string folder = "/tmp/vexfs-model-" + std::to_string(::getpid());
};

template <class T>
std::string bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
// Row i is (i, 1).
std::vector<float> rows() {
  std::vector<float> all;
  for (std::size_t i = 0; i < std::size(kWords); ++i) {
    all.push_back(static_cast<float>(i));
    all.push_back(1);
  }
  return all;
}
void check_direction(const std::vector<float>& row, double x, double y) {
  const double length = std::sqrt(x * x + y * y);
  CHECK(row[0] == doctest::Approx(x / length).epsilon(1e-4));
  CHECK(row[1] == doctest::Approx(y / length).epsilon(1e-4));
}

}  // namespace

TEST_CASE("words are cut into the longest pieces, as BERT does") {
  CHECK(ids("rotate the keys") == Ids{4, 5, 2, 3});
  CHECK(ids("Rotate THE Keys") == Ids{4, 5, 2, 3});
  CHECK(ids("the,key") == Ids{5, 6, 2});
  CHECK(ids("Caf\u00e9") == Ids{7, 8});
  CHECK(ids("Cafe\u0301") == Ids{7, 8});
  CHECK(ids("\u65e5\u65e5") == Ids{9, 9});
  CHECK(ids("keyboard") == Ids{2, 10});
  CHECK(ids("zebra the").size() == 1);  // one that cannot be spelt is left out, whole
  CHECK(ids("keyz").empty());
  CHECK(ids("the\u200b\x01key") == Ids{});  // characters without a form join
  CHECK(ids("").empty());
  CHECK(ids(std::string(101, 'x')).empty());
  CHECK(ids("the the the the", 3).size() == 3);
  CHECK(ids("the\xff\xfe key") == Ids{5, 2});
  CHECK_FALSE(WordPiece::parse("{}").has_value());
  CHECK_FALSE(WordPiece::parse(R"({"model":{"type":"Unigram","vocab":[]}})").has_value());
}

TEST_CASE_FIXTURE(ModelFolder, "a text is the weighted mean of its pieces, of unit length") {
  put({{"embeddings", "F32", {std::size(kWords), 2}, bytes(rows())}});
  check_direction(embed("rotate the keys"), 4 + 5 + 2 + 3, 4);
  CHECK(embed("zebra") == std::vector<float>{0, 0});
  SUBCASE("with weights and a mapping") {
    std::vector<float> weights(std::size(kWords), 1);
    weights[4] = 0.5F;
    std::vector<std::int32_t> mapping(std::size(kWords), 11);
    mapping[4] = 2;
    put({{"weights", "F32", {weights.size()}, bytes(weights)},
         {"embeddings", "F32", {std::size(kWords), 2}, bytes(rows())},
         {"mapping", "I32", {mapping.size()}, bytes(mapping)}});
    check_direction(embed("rotate the"), 0.5 * 2 + 11, 0.5 + 1);
  }
  SUBCASE("of half floats and of small integers") {
    std::vector<std::uint16_t> halves;
    for (std::size_t i = 0; i < std::size(kWords); ++i) {
      halves.push_back(i == 4 ? 0xc400 : 0);  // -4
      halves.push_back(0x3c00);               // 1
    }
    put({{"embeddings", "F16", {std::size(kWords), 2}, bytes(halves)}});
    check_direction(embed("rotate"), -4, 1);
    std::vector<std::int8_t> small(2 * std::size(kWords), 3);
    small[8] = -6;
    put({{"embeddings", "I8", {std::size(kWords), 2}, bytes(small)}});
    check_direction(embed("rotate"), -6, 3);
  }
}

TEST_CASE_FIXTURE(ModelFolder, "a folder that is no model is refused") {
  const auto refused = [&] { return !load_model2vec("model2vec", folder).has_value(); };
  CHECK(load_model2vec("m", "/nonexistent").error().code == ENOENT);
  write("{", "");
  CHECK(refused());
  write(R"({"embeddings":{"dtype":"F32","shape":[2,2],"data_offsets":[0,99]}})", "0123");
  CHECK(refused());
  write(R"({"embeddings":{"dtype":"F32","shape":[4294967296,4294967296,16],"data_offsets":[0,0]}})",
        "");
  CHECK(refused());
  write(R"({"embeddings":{"dtype":"F32","shape":[1,0],"data_offsets":[0,0]}})", "");
  CHECK(refused());
  put({{"embeddings", "BF16", {1, 2}, "0123"}});
  CHECK(refused());
  put({{"other", "F32", {1, 1}, "0123"}});
  CHECK(refused());
}

TEST_CASE_FIXTURE(ModelFolder, "another model has another identity") {
  put({{"embeddings", "F32", {std::size(kWords), 2}, bytes(rows())}});
  const std::string first = (*load_model2vec("m", folder))->identity();
  auto changed = rows();
  changed[7] += 1;
  put({{"embeddings", "F32", {std::size(kWords), 2}, bytes(changed)}});
  CHECK((*load_model2vec("m", folder))->identity() != first);
  CHECK(first.starts_with("m model2vec "));
}

TEST_SUITE_END();
