// SPDX-License-Identifier: Apache-2.0
#include <poppler/cpp/poppler-document.h>
#include <poppler/cpp/poppler-global.h>
#include <poppler/cpp/poppler-page.h>

#include <algorithm>
#include <memory>

#include "extract/reading.h"

namespace vexfs {

ForeignStatus read_pdf(std::string_view file, Reading& into) {
  poppler::set_debug_error_function([](const std::string&, void*) {}, nullptr);
  const std::unique_ptr<poppler::document> document(
      poppler::document::load_from_raw_data(file.data(), static_cast<int>(file.size())));
  if (!document) return ForeignStatus::damaged;
  if (document->is_locked()) return ForeignStatus::encrypted;
  const int pages = std::min(document->pages(), static_cast<int>(kExtractPagesMax));
  for (int number = 0; number < pages; ++number) {
    into.pages.push_back(static_cast<std::uint32_t>(into.text.size()));
    const std::unique_ptr<poppler::page> page(document->create_page(number));
    if (!page) continue;  // a damaged page hides none of the others
    const poppler::byte_array text =
        page->text(poppler::rectf(), poppler::page::non_raw_non_physical_layout).to_utf8();
    if (into.text.size() + text.size() + 1 > kExtractTextMax) break;
    into.text.append(text.data(), text.size());
    into.text += '\n';
  }
  return ForeignStatus::ok;
}

}  // namespace vexfs
