// SPDX-License-Identifier: Apache-2.0
#include "hnsw/linker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"

namespace vexfs {

namespace {

auto find_slot(std::vector<Link>& links, Slot slot) {
  return std::ranges::find(links, slot, slot_of);
}

}  // namespace

std::vector<Link> Linker::copy(LinkList list) {
  std::vector<Link> links;
  links.reserve(list.capacity());
  for_each_link(list, [&](Link link) { links.push_back(link); });
  return links;
}

void Linker::store(LinkList list, std::span<const Link> links) {
  VEXFS_ASSERT(links.size() <= list.capacity());
  const auto count = static_cast<std::uint32_t>(links.size());
  for (std::uint32_t i = 0; i < count; ++i) list.store(i, links[i]);
  for (std::uint32_t i = count; i < list.capacity(); ++i) list.store(i, kNoLink);
}

std::vector<CodeNeighbour> Linker::measured(Slot node, std::span<const Link> links) const {
  std::vector<CodeNeighbour> candidates;
  candidates.reserve(links.size() + 1);
  for (const Link link : links) candidates.push_back({.distance = 0, .link = link});
  const Buffer buffer = Buffer::take(graph_.cell_bytes());
  const std::span code(reinterpret_cast<std::uint8_t*>(buffer.data()), buffer.size());
  join_row(graph_, node, code);
  measure(graph_, code.data(), candidates, scratch_);
  return candidates;
}

std::vector<Link> Linker::chosen(std::vector<CodeNeighbour> candidates, std::uint32_t count) const {
  std::ranges::sort(candidates, [](CodeNeighbour a, CodeNeighbour b) {
    return std::pair(a.distance, a.slot()) < std::pair(b.distance, b.slot());
  });
  std::array<CodeNeighbour, kLinksMax> out;
  const std::size_t kept = choose_links(graph_, candidates, std::span(out).first(count), scratch_);
  std::vector<Link> links;
  links.reserve(kept);
  for (const CodeNeighbour& n : std::span(out).first(kept)) links.push_back(n.link);
  return links;
}

void Linker::write(Slot node, unsigned level, std::span<const CodeNeighbour> neighbours) const {
  NodeLock lock(nodes_, node);
  std::vector<Link> links;
  for (const CodeNeighbour& n : neighbours) links.push_back(n.link);
  store(nodes_.links(node, level), links);
}

void Linker::add(Slot node, unsigned level, CodeNeighbour to) const {
  NodeLock lock(nodes_, node);
  if (!nodes_.is_live(node)) return;
  const LinkList list = nodes_.links(node, level);
  std::vector<Link> links = copy(list);
  if (find_slot(links, to.slot()) != links.end()) return;
  if (links.size() < list.capacity()) {
    list.store(static_cast<std::uint32_t>(links.size()), to.link);
    return;
  }
  // The dead give way first: a pruned list has only live neighbours and tree links.
  std::erase_if(links, [&](Link l) { return !is_tree_link(l) && !nodes_.is_live(slot_of(l)); });
  std::vector<CodeNeighbour> candidates = measured(node, links);
  candidates.push_back(to);
  store(list, chosen(std::move(candidates), list.capacity()));
}

void Linker::replace(Slot node, unsigned level, Slot gone, std::span<const Slot> others) const {
  NodeLock lock(nodes_, node);
  if (!nodes_.is_live(node)) return;
  const LinkList list = nodes_.links(node, level);
  std::vector<Link> links = copy(list);
  const auto leaving = find_slot(links, gone);
  if (leaving == links.end() || is_tree_link(*leaving)) return;
  std::erase_if(links, [&](Link l) { return !is_tree_link(l) && !nodes_.is_live(slot_of(l)); });
  for (Slot other : others)
    if (other != node && nodes_.is_live(other) && find_slot(links, other) == links.end())
      links.push_back(link_to(other));
  store(list, chosen(measured(node, links), list.capacity()));
}

bool Linker::adopt(Slot parent, Slot child, AdoptOptions options) const {
  NodeLock lock(nodes_, parent);
  if (!options.also_dead && !nodes_.is_live(parent)) return false;
  const LinkList list = nodes_.links(parent, 0);
  std::vector<Link> links = copy(list);
  if (std::ranges::count_if(links, [](Link l) { return (l & kChildBit) != 0; }) >=
      static_cast<std::ptrdiff_t>(options.children_max))
    return false;
  if (const auto known = find_slot(links, child); known != links.end()) {
    *known |= kChildBit;
  } else if (links.size() < list.capacity()) {
    links.push_back(link_to(child, kChildBit));
  } else {
    if (std::ranges::all_of(links, is_tree_link)) return false;
    links.push_back(link_to(child, kChildBit));
    links = chosen(measured(parent, links), list.capacity());
  }
  store(list, links);
  return true;
}

void Linker::set_parent(Slot child, Slot parent) const {
  NodeLock lock(nodes_, child);
  const LinkList list = nodes_.links(child, 0);
  std::vector<Link> links = copy(list);
  for (Link& link : links) link &= ~kParentBit;
  if (const auto known = find_slot(links, parent); known != links.end()) {
    *known |= kParentBit;
  } else if (links.size() < list.capacity()) {
    links.push_back(link_to(parent, kParentBit));
  } else {
    // The old parent has just lost its bit, so at least one link may go.
    links.push_back(link_to(parent, kParentBit));
    links = chosen(measured(child, links), list.capacity());
  }
  store(list, links);
}

void Linker::clear_bits(Slot node, Slot to, Link clear) const {
  NodeLock lock(nodes_, node);
  const LinkList list = nodes_.links(node, 0);
  for (std::uint32_t i = 0; i < list.capacity(); ++i) {
    const Link link = list.load(i);
    if (link == kNoLink) return;
    if (to == kNoSlot || slot_of(link) == to) list.store(i, link & ~clear);
  }
}

void Linker::clear_parent(Slot child) const {
  clear_bits(child, kNoSlot, kParentBit);
}

void Linker::clear_child(Slot parent, Slot child) const {
  clear_bits(parent, child, kChildBit);
}

void Linker::remove(Slot node, Slot to) const {
  NodeLock lock(nodes_, node);
  const LinkList list = nodes_.links(node, 0);
  std::vector<Link> links = copy(list);
  std::erase_if(links, [&](Link link) { return slot_of(link) == to; });
  store(list, links);
}

}  // namespace vexfs
