// SPDX-License-Identifier: Apache-2.0
// Goal: text comes out of files that only libraries read, and no file does more than lose its own
// text. Method: files made here, whole, damaged and hostile; the process is killed between them.
#include "search/extract_process.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/text.h"

using namespace vexfs;

TEST_SUITE_BEGIN("search/extract_process");

namespace {

// A PDF with a page for each line of text, as small as they come.
std::string pdf_of(const std::vector<std::string>& pages) {
  std::string kids, objects;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const std::size_t page = 4 + 2 * i;
    kids += format("{} 0 R ", page);
    const std::string content = format("BT /F1 12 Tf 72 700 Td ({}) Tj ET", pages[i]);
    objects += format(
        "{} 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {} 0 R"
        "/Resources<</Font<</F1 3 0 R>>>>>> endobj\n{} 0 obj <</Length {}>> stream\n{}\n"
        "endstream endobj\n",
        page, page + 1, page + 1, content.size(), content);
  }
  return format(
      "%PDF-1.4\n1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n"
      "2 0 obj <</Type/Pages/Count {}/Kids[{}]>> endobj\n"
      "3 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj\n{}"
      "trailer <</Root 1 0 R/Size {}>>\n%%EOF\n",
      pages.size(), kids, objects, 4 + 2 * pages.size());
}

struct Reader {
  ExtractProcess process{VEXFS_EXTRACT_PROGRAM};
  ForeignText read(ForeignKind kind, std::string_view file) {
    const auto text = process.run(
        kind, [&](ExtractProcess::Sink sink) -> Result<> { return sink(as_bytes(file)); });
    REQUIRE(text.has_value());
    return *text;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Reader, "the pages of a PDF are told apart") {
  const ForeignText text = read(ForeignKind::pdf, pdf_of({"the signing keys", "the lighthouse"}));
  REQUIRE(text.status == ForeignStatus::ok);
  REQUIRE(text.pages.size() == 2);
  CHECK(text.text.substr(0, text.pages[1]).find("signing keys") != std::string::npos);
  CHECK(text.text.substr(text.pages[1]).find("lighthouse") != std::string::npos);
}

TEST_CASE_FIXTURE(Reader, "encodings are told by their bytes") {
  // "rotate the keys every spring" in Russian, a few times, in windows-1251 and KOI8-R.
  const std::string word1251 =
      "\xec\xe5\xed\xff\xe9\xf2\xe5 \xea\xeb\xfe\xf7\xe8 \xea\xe0\xe6\xe4\xf3\xfe \xe2\xe5\xf1\xed"
      "\xf3, \xef\xee\xe6\xe0\xeb\xf3\xe9\xf1\xf2\xe0. ";
  std::string file;
  for (int i = 0; i < 20; ++i) file += word1251;
  const ForeignText russian = read(ForeignKind::charset, file);
  REQUIRE(russian.status == ForeignStatus::ok);
  CHECK(russian.text.find("\u043a\u043b\u044e\u0447\u0438") != std::string::npos);
  // Japanese in Shift-JIS: "nihongo no bunsho desu".
  std::string japanese;
  for (int i = 0; i < 20; ++i)
    japanese += "\x93\xfa\x96\x7b\x8c\xea\x82\xcc\x95\xb6\x8f\x8d\x82\xc5\x82\xb7\x81\x42\n";
  const ForeignText text = read(ForeignKind::charset, japanese);
  REQUIRE(text.status == ForeignStatus::ok);
  CHECK(text.text.find("\u65e5\u672c\u8a9e") != std::string::npos);
  CHECK(read(ForeignKind::charset, "caf\xe9 au lait").status == ForeignStatus::latin);
}

TEST_CASE_FIXTURE(Reader, "what is damaged costs its own text") {
  const std::string good = pdf_of({"the signing keys"});
  CHECK(read(ForeignKind::pdf, "%PDF-1.4 and nothing more").status != ForeignStatus::ok);
  CHECK(read(ForeignKind::pdf, "no PDF at all").status == ForeignStatus::damaged);
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 40; ++round) {
    std::string bad = good;
    for (int i = 0; i < 8; ++i) bad[random() % bad.size()] = static_cast<char>(random());
    if (round % 3 == 0) bad.resize(random() % bad.size() + 1);
    read(ForeignKind::pdf, bad);
  }
  CHECK(read(ForeignKind::pdf, good).status == ForeignStatus::ok);
}

TEST_CASE_FIXTURE(Reader, "too much of anything is refused") {
  // A page that draws itself: the library must end, or be ended.
  const std::string deep =
      "%PDF-1.4\n1 0 obj " + std::string(2'000'000, '[') + "\n" + pdf_of({"x"}).substr(9);
  read(ForeignKind::pdf, deep);
  CHECK(read(ForeignKind::pdf, pdf_of({"the keys"})).status == ForeignStatus::ok);
  const std::string large(1 << 20, 'x');
  const auto refused = process.run(ForeignKind::pdf, [&](ExtractProcess::Sink sink) -> Result<> {
    for (int i = 0; i < 65; ++i) VEXFS_CHECK(sink(as_bytes(std::string_view(large))));
    return {};
  });
  CHECK(refused.error().code == EFBIG);
}

TEST_CASE("without the program there is no text, and no harm") {
  ExtractProcess none("/nonexistent/vexfs-extract");
  const auto refused = none.run(ForeignKind::pdf, [](ExtractProcess::Sink sink) -> Result<> {
    return sink(as_bytes(std::string_view("%PDF-1.4")));
  });
  CHECK_FALSE(refused.has_value());
}

TEST_CASE("a reader that ends with a file in its hands is replaced, once") {
  char folder[] = "/tmp/vexfs-test-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  const std::string script = std::string(folder) + "/reader", mark = std::string(folder) + "/ran";
  const auto write_script = [&](std::string_view next) {
    std::ofstream(script) << "#!/bin/sh\n[ -e " << mark << " ] && exec " << next << "\n"
                          << ": >" << mark << "\nexec sleep 0.1\n";
    REQUIRE(::chmod(script.c_str(), 0755) == 0);
    ::unlink(mark.c_str());
  };
  const auto read = [&] {
    ExtractProcess process(script);
    return process.run(ForeignKind::pdf, [](ExtractProcess::Sink sink) -> Result<> {
      return sink(as_bytes(pdf_of({"the lighthouse"})));
    });
  };
  write_script(VEXFS_EXTRACT_PROGRAM);
  const auto read_by_the_second = read();
  REQUIRE(read_by_the_second.has_value());
  CHECK(read_by_the_second->status == ForeignStatus::ok);
  write_script("sleep 0.1");
  const auto read_by_none = read();
  REQUIRE(read_by_none.has_value());
  CHECK(read_by_none->status == ForeignStatus::crashed);
  std::filesystem::remove_all(folder);
}

TEST_SUITE_END();
