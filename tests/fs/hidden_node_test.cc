// SPDX-License-Identifier: Apache-2.0
// Goal: one description has one id while the kernel holds it, and no two look alike.
#include "fs/hidden_node.h"

#include <doctest/doctest.h>

using namespace vexfs;
using Kind = HiddenNode::Kind;

TEST_SUITE_BEGIN("fs/hidden_node");

TEST_CASE("a node keeps its id until its last lookup is forgotten") {
  HiddenTable table;
  const HiddenNode node{.kind = Kind::answer, .directory = Ino{3}, .question = "keys"};
  const NodeId id = table.look_up(node);
  CHECK(is_hidden(id));
  CHECK(table.look_up(node) == id);
  table.forget(id, 1);
  REQUIRE(table.find(id));
  CHECK(table.find(id)->question == "keys");
  table.forget(id, 1);
  CHECK_FALSE(table.find(id));
  CHECK(table.size() == 0);
  CHECK(table.look_up(node) != id);
}

TEST_CASE("a kernel that forgets too much harms nobody") {
  HiddenTable table;
  const NodeId id = table.look_up({.kind = Kind::root, .directory = Ino{1}});
  table.forget(id, 100);
  table.forget(id, 1);
  table.forget(12345, 1);
  CHECK(table.size() == 0);
}

TEST_CASE("nodes that differ in one part differ") {
  HiddenTable table;
  const NodeId ids[] = {
      table.look_up({.kind = Kind::answer, .directory = Ino{1}, .question = "a"}),
      table.look_up({.kind = Kind::answer, .directory = Ino{2}, .question = "a"}),
      table.look_up({.kind = Kind::answer, .directory = Ino{1}, .options = "a"}),
      table.look_up({.kind = Kind::answer, .directory = Ino{1}, .options = "1:a", .question = ""}),
      table.look_up({.kind = Kind::answer, .directory = Ino{1}, .question = "a:1:a"}),
      table.look_up({.kind = Kind::results_json, .directory = Ino{1}, .question = "a"})};
  for (std::size_t i = 0; i < std::size(ids); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(ids[i] != ids[j]);
}

TEST_SUITE_END();
