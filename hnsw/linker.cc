// SPDX-License-Identifier: Apache-2.0
#include "hnsw/linker.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "vector/distance.h"

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

// Is it nearer to one that stays than to the node? Four at a time: most are refused early.
bool Linker::is_dominated(Slot slot, float distance, std::span<const float* const> kept) const {
  const std::span row(rows_.row(slot), rows_.dimension());
  std::array<float, 4> between;
  for (std::size_t i = 0; i < kept.size(); i += between.size()) {
    const std::size_t count = std::min(between.size(), kept.size() - i);
    const std::span out(between.data(), count);
    distances(metric_, row, kept.subspan(i, count), out);
    if (std::ranges::min(out) <= distance) return true;
  }
  return false;
}

std::vector<Neighbour> Linker::choose(std::span<const Neighbour> candidates,
                                      std::uint32_t count) const {
  std::vector<Neighbour> chosen;
  std::vector<const float*> rows;
  for (const Neighbour& candidate : candidates) {
    if (chosen.size() == count) break;
    if (is_dominated(candidate.slot, candidate.distance, rows)) continue;
    chosen.push_back(candidate);
    rows.push_back(rows_.row(candidate.slot));
  }
  return chosen;
}

std::vector<Linker::Candidate> Linker::measured(Slot node, std::span<const Link> links) const {
  std::vector<const float*> rows;
  for (Link link : links) rows.push_back(rows_.row(slot_of(link)));
  std::vector<float> out(links.size());
  distances(metric_, {rows_.row(node), rows_.dimension()}, rows, out);
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < links.size(); ++i)
    candidates.push_back({.distance = out[i], .link = links[i]});
  return candidates;
}

std::vector<Link> Linker::chosen(std::vector<Candidate> candidates, std::uint32_t count) const {
  std::ranges::sort(candidates);
  std::size_t tree_left = static_cast<std::size_t>(
      std::ranges::count_if(candidates, [](const Candidate& c) { return is_tree_link(c.link); }));
  std::vector<Link> links;
  std::vector<const float*> rows;
  for (const Candidate& c : candidates) {
    if (is_tree_link(c.link))
      --tree_left;
    else if (links.size() + tree_left >= count || is_dominated(slot_of(c.link), c.distance, rows))
      continue;
    links.push_back(c.link);
    rows.push_back(rows_.row(slot_of(c.link)));
  }
  return links;
}

void Linker::write(Slot node, unsigned level, std::span<const Neighbour> neighbours) const {
  NodeLock lock(nodes_, node);
  std::vector<Link> links;
  for (const Neighbour& n : neighbours) links.push_back(link_to(n.slot));
  store(nodes_.links(node, level), links);
}

void Linker::add(Slot node, unsigned level, Neighbour to) const {
  NodeLock lock(nodes_, node);
  if (!nodes_.is_live(node)) return;
  const LinkList list = nodes_.links(node, level);
  std::vector<Link> links = copy(list);
  if (find_slot(links, to.slot) != links.end()) return;
  if (links.size() < list.capacity()) {
    list.store(static_cast<std::uint32_t>(links.size()), link_to(to.slot));
    return;
  }
  // The dead give way first: a pruned list has only live neighbours and tree links.
  std::erase_if(links, [&](Link l) { return !is_tree_link(l) && !nodes_.is_live(slot_of(l)); });
  std::vector<Candidate> candidates = measured(node, links);
  candidates.push_back({.distance = to.distance, .link = link_to(to.slot)});
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

void Linker::set_bits(Slot node, Slot to, Link clear, Link set) const {
  NodeLock lock(nodes_, node);
  const LinkList list = nodes_.links(node, 0);
  for (std::uint32_t i = 0; i < list.capacity(); ++i) {
    const Link link = list.load(i);
    if (link == kNoLink) return;
    if (to == kNoSlot || slot_of(link) == to) list.store(i, (link & ~clear) | set);
  }
}

void Linker::clear_parent(Slot child) const {
  set_bits(child, kNoSlot, kParentBit, 0);
}

void Linker::clear_child(Slot parent, Slot child) const {
  set_bits(parent, child, kChildBit, 0);
}

void Linker::remove(Slot node, Slot to) const {
  NodeLock lock(nodes_, node);
  const LinkList list = nodes_.links(node, 0);
  std::vector<Link> links = copy(list);
  std::erase_if(links, [&](Link link) { return slot_of(link) == to; });
  store(list, links);
}

}  // namespace vexfs
