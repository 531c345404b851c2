// SPDX-License-Identifier: Apache-2.0
// Goal: a page holds what was put into it, and bytes that are not a page are refused.
// Method: random inserts, removes, splits and merges against std::map, printed seed; every
// header and slot byte of a page damaged.
#include "storage/page.h"

#include <doctest/doctest.h>

#include <map>

#include "base/buffer_pool.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/page");

namespace {

using Pairs = std::map<std::string, std::string>;

struct TestPage {
  Buffer buffer = Buffer::take(kPageBytes);
  PageEditor editor{buffer.data()};
  explicit TestPage(unsigned level = 0) { editor.init(Tree::meta, level, 4, 1); }
};

bool holds(const PageView& page, const Pairs& pairs) {
  if (page.count() != pairs.size()) return false;
  unsigned i = 0;
  for (const auto& [key, value] : pairs) {
    bool equal = false;
    if (page.lower_bound(as_bytes(key), equal) != i || !equal) return false;
    if (as_text(page.key(i)) != key || as_text(page.value(i)) != value) return false;
    ++i;
  }
  return true;
}

std::string any_key(Rng& rng) {
  std::string key(rng() % 3, 'p');
  key += random_bytes(rng, 1 + rng() % 6);
  if (rng() % 20 == 0) key += std::string(rng() % 280, '\0');
  return key;
}

}  // namespace

TEST_CASE("a page holds what a map holds") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    TestPage page;
    Pairs pairs;
    for (unsigned step = 0; step < 400; ++step) {
      const std::string key = any_key(rng), value = random_bytes(rng, random_size(rng));
      bool equal = false;
      const unsigned i = page.editor.lower_bound(as_bytes(key), equal);
      const auto expected = pairs.lower_bound(key);
      REQUIRE(i == static_cast<unsigned>(std::distance(pairs.begin(), expected)));
      REQUIRE(equal == pairs.contains(key));
      if (equal || (rng() % 3 == 0 && !pairs.empty())) {
        const auto victim = static_cast<unsigned>(rng() % pairs.size());
        page.editor.remove(victim);
        pairs.erase(std::next(pairs.begin(), victim));
      } else if (page.editor.fits(as_bytes(key), as_bytes(value))) {
        page.editor.insert(i, as_bytes(key), as_bytes(value));
        pairs[key] = value;
      }
    }
    CHECK(holds(page.editor, pairs));
    CHECK((pairs.empty() || PageView::validate(page.buffer.bytes()).has_value()));
  }
}

TEST_CASE("a split loses nothing, and absorbing undoes it") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    TestPage left, right;
    Pairs pairs;
    for (;;) {
      const std::string key = any_key(rng), value = random_bytes(rng, random_size(rng));
      bool equal = false;
      const unsigned i = left.editor.lower_bound(as_bytes(key), equal);
      if (equal) continue;
      pairs[key] = value;
      if (left.editor.fits(as_bytes(key), as_bytes(value))) {
        left.editor.insert(i, as_bytes(key), as_bytes(value));
        continue;
      }
      const auto place =
          left.editor.split(right.editor, i, as_bytes(key), as_bytes(value),
                            seed % 3 == 0 ? PageEditor::Order::rising : PageEditor::Order::any);
      PageEditor& target = place.in_right ? right.editor : left.editor;
      REQUIRE(target.fits(as_bytes(key), as_bytes(value)));
      target.insert(place.index, as_bytes(key), as_bytes(value));
      break;
    }
    REQUIRE(PageView::validate(left.buffer.bytes()));
    REQUIRE(PageView::validate(right.buffer.bytes()));
    const auto border = std::next(pairs.begin(), left.editor.count());
    CHECK(holds(left.editor, Pairs(pairs.begin(), border)));
    CHECK(holds(right.editor, Pairs(border, pairs.end())));
    // Thin both out, then join them, in either direction.
    for (TestPage* page : {&left, &right})
      while (page->editor.used() > PageView::kRoom / 3 && page->editor.count() > 1) {
        const auto victim = static_cast<unsigned>(rng() % page->editor.count());
        pairs.erase(std::string(as_text(page->editor.key(victim))));
        page->editor.remove(victim);
      }
    if (seed % 2 == 0)
      left.editor.absorb(right.editor, true);
    else
      right.editor.absorb(left.editor, false);
    CHECK(holds((seed % 2 == 0 ? left : right).editor, pairs));
  }
}

TEST_CASE("above the leaves the first child takes whatever is below the second key") {
  TestPage page(1);
  const auto pointer = [](std::uint64_t address) {
    return PagePointer{.address = address, .check = std::uint64_t{1}, .birth = std::uint64_t{1}};
  };
  page.editor.insert(0, {}, bytes_of(pointer(8)));
  page.editor.insert(1, as_bytes("prefix-m"), bytes_of(pointer(12)));
  page.editor.insert(2, as_bytes("prefix-t"), bytes_of(pointer(16)));
  REQUIRE(PageView::validate(page.buffer.bytes()));
  CHECK(page.editor.child_of(as_bytes("a")) == 0);
  CHECK(page.editor.child_of(as_bytes("prefix-a")) == 0);
  CHECK(page.editor.child_of(as_bytes("prefix-m")) == 1);
  CHECK(page.editor.child_of(as_bytes("prefix-s")) == 1);
  CHECK(page.editor.child_of(as_bytes("z")) == 2);
  CHECK(page.editor.child(2).address == 16);
}

TEST_CASE("a page with any damaged byte of header, slots or cell headers is no page") {
  TestPage page;
  for (unsigned i = 0; i < 20; ++i)
    page.editor.insert(i, Key().u64(i), as_bytes("some value of a pair"));
  REQUIRE(PageView::validate(page.buffer.bytes()));
  const std::uint64_t check = page_check(page.buffer.bytes());
  Rng rng(5);
  for (std::size_t at = 0; at < kPageBytes; ++at) {
    const auto flip = static_cast<std::byte>(1u << (rng() % 8));
    page.buffer.data()[at] ^= flip;
    REQUIRE(page_check(page.buffer.bytes()) != check);
    // Whatever it says, it must not read past the page.
    [[maybe_unused]] const auto outcome = PageView::validate(page.buffer.bytes());
    page.buffer.data()[at] ^= flip;
  }
  for (const std::size_t at : {0u, 4u, 7u, 24u, 26u, 28u, 30u, 32u, 34u}) {
    CAPTURE(at);
    page.buffer.data()[at] ^= std::byte{0x40};
    CHECK_FALSE(PageView::validate(page.buffer.bytes()));
    page.buffer.data()[at] ^= std::byte{0x40};
  }
}

TEST_SUITE_END();
