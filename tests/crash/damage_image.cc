// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/damage_image.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <random>
#include <set>

#include "base/buffer_pool.h"
#include "base/text.h"
#include "storage/blob.h"
#include "storage/check_report.h"
#include "storage/faulty_device.h"
#include "storage/file_extent.h"
#include "storage/page.h"
#include "storage/superblock.h"
#include "storage/superblock_format.h"
#include "storage/wal_reader.h"
#include "tests/crash/files_work.h"

namespace vexfs {

namespace {

using Image = MemoryDevice::Image;
using Rng = std::mt19937_64;

constexpr Wait kWait = Wait::allowed;
constexpr unsigned kFiles = 120;
constexpr Tree kBlobs = Tree::chunk;  // references of blobs, here

std::string text_of(Rng& rng, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(rng());
  return text;
}

Image image_after(Image image, const std::vector<DeviceEvent>& events) {
  for (const DeviceEvent& event : events)
    if (event.kind == DeviceEvent::Kind::write)
      MemoryDevice::write_image(image, event.offset, as_bytes(event.data));
  return image;
}

// Long, so that few of them fill a page.
std::string name_of(unsigned number) {
  return format("{:03}-{}", number, std::string(200, static_cast<char>('a' + number % 26)));
}

NodeId make_file(OpenFiles& open, unsigned number) {
  const auto made =
      open.files->create(open.caller, kRootNode, name_of(number), 0644, O_RDWR, kWait);
  REQUIRE(made);
  open.files->release(made->entry.node, 0, O_RDWR);
  open.files->forget(made->entry.node, 1);
  return made->entry.node;
}

void write(OpenFiles& open, Rng& rng, NodeId node, unsigned number) {
  constexpr std::size_t kSizes[] = {0, 700, 9000, 40'000};
  std::string text = text_of(rng, kSizes[number % 4]);
  if (number % 8 == 7)  // some can be compressed
    for (char& c : text) c = static_cast<char>('a' + (c & 7));
  if (!text.empty()) REQUIRE(open.files->write(open.caller, node, 0, 0, as_bytes(text), kWait));
}

// Bytes that an fsync puts into the log, and that have no place of their own.
void write_riders(OpenFiles& open, Rng& rng, const std::vector<NodeId>& nodes, unsigned first) {
  for (unsigned i = first; i < kFiles; i += 24) {
    const std::string text = text_of(rng, 60);
    REQUIRE(open.files->write(open.caller, nodes[i], 0, 100 + i, as_bytes(text), kWait));
    REQUIRE(open.fsync(nodes[i]));
  }
}

void write_blobs(OpenFiles& open, Rng& rng) {
  for (unsigned i = 0; i < 4; ++i) {
    Transaction transaction;
    const std::string text = text_of(rng, 20'000 + i);
    const Bytes part = as_bytes(text);
    const auto reference = write_blob(*open.volume, transaction, std::span(&part, 1));
    REQUIRE(reference);
    transaction.put(kBlobs, Key().u32(i), as_bytes(*reference));
    REQUIRE(open.volume->flush_data(FlushSite::blob_content));
    REQUIRE(open.volume->commit(transaction));
  }
}

// Everything twice: what is lost of the second time is there of the first.
void fill(OpenFiles& open, Rng& rng, DeviceHistory& history, DamageImage& made) {
  std::vector<NodeId> nodes;
  for (unsigned i = 0; i < kFiles; ++i) nodes.push_back(make_file(open, i));
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned i = round; i < kFiles; i += 1 + round) {
      write(open, rng, nodes[i], i + round);
      if (i % 6 == round)
        REQUIRE(open.files->setxattr(open.caller, nodes[i], "user.a", as_bytes(text_of(rng, 1500)),
                                     0, kWait));
    }
    if (round == 0) write_blobs(open, rng);
    REQUIRE(open.sync_all());
    write_riders(open, rng, nodes, 3);
    REQUIRE(open.volume->checkpoint());
    if (round == 0) made.before = image_after(made.now, history.take());
    if (round == 0) made.now = made.before;
  }
  // An orphan (without content: nobody reads it), and frames of the log, each of which knows the
  // one before to be durable.
  REQUIRE(open.files->open_file(open.caller, nodes[8], O_RDWR, kWait));
  REQUIRE(open.files->unlink(open.caller, kRootNode, name_of(8), kWait));
  for (unsigned i = 10; i < 18; ++i) {
    SetAttr set;
    set.mode = true;
    set.attr.st_mode = S_IFREG | 0600;
    REQUIRE(open.files->setattr(open.caller, nodes[i], set, kWait));
    REQUIRE(open.fsync(nodes[i]));
  }
  write_riders(open, rng, nodes, 11);
}

class Finder {
 public:
  explicit Finder(DamageImage& image) : image_(image), device_(image.now) {}

  void find() {
    const Superblock superblock = read_superblock(device_).value();
    find_superblocks(superblock);
    find_frames(superblock);
    for (unsigned i = 0; i < kTreeCount; ++i)
      if (!superblock.roots[i].page.none())
        find_pages(superblock.roots[i].page.address, superblock.roots[i].level,
                   std::string(name_of(Tree{static_cast<std::uint8_t>(i)})));
    find_data();
  }

 private:
  void add(std::string kind, std::vector<Extent> where) {
    image_.targets.push_back({.kind = std::move(kind), .where = std::move(where)});
  }
  void find_superblocks(const Superblock& newest) {
    for (unsigned slot = 0; slot < kSuperblockSlots; ++slot) {
      std::vector<Extent> both;
      for (unsigned copy = 0; copy < kSuperblockCopies; ++copy) {
        both.push_back(
            {.first = BlockNo{superblock_offset(slot, copy) / kBlockBytes}, .blocks = 1});
        add("superblock, a copy", {both.back()});
      }
      const bool is_newest = newest.sequence % kSuperblockSlots == slot;
      add(is_newest ? "superblock, newest slot" : "superblock, older slot", both);
    }
  }
  void find_frames(const Superblock& superblock) {
    WalReader reader(device_, {.bytes = superblock.log_bytes, .seed = superblock.id_low},
                     {.position = superblock.log_position,
                      .last_lsn = superblock.checkpoint_lsn,
                      .epoch_max = superblock.mount_epoch});
    std::uint64_t at = superblock.log_position;
    for (WalReader::Frame frame; reader.next(frame).value(); at = reader.position())
      add("log frame",
          {{.first = BlockNo{(kLogOffset + at % superblock.log_bytes) / kBlockBytes},
            .blocks = static_cast<std::uint32_t>((reader.position() - at) / kBlockBytes)}});
    image_.targets.back().kind = "log, last frame";
    image_.lsn = static_cast<std::uint64_t>(reader.last_lsn());
  }
  void find_pages(std::uint64_t address, unsigned level, const std::string& tree) {
    add(format("page of {}, level {}", tree, level),
        {{.first = BlockNo{address}, .blocks = kPageBlocks}});
    if (level == 0) return;
    const Buffer page = Buffer::take(kPageBytes);
    REQUIRE(device_.read(address * kBlockBytes, page.bytes()));
    const PageView view(page.data());
    for (unsigned i = 0; i < view.count(); ++i) find_pages(view.child(i).address, level - 1, tree);
  }
  void find_data() {
    auto volume = Volume::open(std::make_unique<MemoryDevice>(image_.now), {.read_only = true});
    REQUIRE(volume);
    std::set<std::uint64_t> ridden;
    REQUIRE((*volume)->scan(Tree::rider, {}, {}, [&](Bytes key, Bytes) {
      ridden.insert(KeyReader(key).u64());
      return true;
    }));
    REQUIRE((*volume)->scan(Tree::extent, {}, {}, [&](Bytes key, Bytes value) {
      const auto extent = FileExtent::decode(key, value);
      REQUIRE(extent);
      if (extent->kind != ExtentKind::data) return true;
      std::string kind = extent->compressed() ? "file data, compressed" : "file data";
      // A block that a rider stands for is not read.
      if (ridden.contains(KeyReader(key).u64())) kind += ", riders above";
      add(std::move(kind), {extent->where()});
      return true;
    }));
    REQUIRE((*volume)->scan(kBlobs, {}, {}, [&](Bytes, Bytes value) {
      Transaction freeing;
      REQUIRE(free_blob(freeing, value));
      TransactionReader reader(freeing);
      for (TransactionReader::Record record; reader.next(record);) add("blob", {record.extent});
      return true;
    }));
  }

  DamageImage& image_;
  MemoryDevice device_;
};

void observe_blobs(Volume& volume, Observation& seen) {
  std::map<std::string, std::string> references;
  const auto scanned = volume.scan(kBlobs, {}, {}, [&](Bytes key, Bytes value) {
    references.emplace(as_text(key), as_text(value));
    return true;
  });
  seen.errors = seen.errors || !scanned;
  for (const auto& [key, reference] : references) {
    const auto bytes = blob_bytes(as_bytes(reference));
    std::string content(bytes.value_or(0), '\0');
    if (bytes &&
        read_blob(volume, as_bytes(reference), 0, std::as_writable_bytes(std::span(content))))
      seen.shown["blob " + key] = content;
    else
      seen.errors = true;
  }
}

}  // namespace

DamageImage make_damage_image() {
  DamageImage made;
  MemoryDevice disk(std::uint64_t{64} << 20);
  REQUIRE(Volume::format(disk, {.log_bytes = std::uint64_t{2} << 20}));
  made.now = disk.image();
  auto history = std::make_shared<DeviceHistory>();
  {
    OpenFiles open({.level = 1});
    REQUIRE(open.open_volume(std::make_unique<FaultyDevice>(made.now, history), {}) == "");
    REQUIRE(Files::make_root(*open.volume, 0, 0));
    REQUIRE(open.open_files() == "");
    Rng rng(1);
    fill(open, rng, *history, made);
  }
  made.now = image_after(made.now, history->take());
  Finder(made).find();
  const Observation whole = observe(made.now);
  REQUIRE(whole.opened);
  REQUIRE_FALSE((whole.errors || whole.read_only));
  REQUIRE(whole.shown.size() == 2 * (kFiles - 1) + 4);
  made.shown = whole.shown;
  return made;
}

Observation observe(const Image& image) {
  Observation seen;
  OpenFiles open;
  const std::string fault = open.open_volume(std::make_unique<MemoryDevice>(image),
                                             {.cache_bytes = std::size_t{4} << 20});
  seen.read_only = open.volume != nullptr && open.volume->read_only();
  if (!fault.empty()) return seen;
  seen.lsn = open.came_back_at;
  seen.opened = open.open_files().empty();
  if (!seen.opened) return seen;
  // One by one: what can be read is looked at even where the listing breaks off.
  for (unsigned i = 0; i < kFiles; ++i) {
    const auto found = open.files->lookup(open.caller, kRootNode, name_of(i), kWait);
    seen.errors = seen.errors || (!found && found.error().code != ENOENT);
    if (!found) continue;
    if (const auto facts = open.facts_of(found->node))
      seen.shown["facts " + name_of(i)] = *facts;
    else
      seen.errors = true;
    if (auto content = open.content(found->node))
      seen.shown["content " + name_of(i)] = std::move(*content);
    else
      seen.errors = true;
    open.files->forget(found->node, 1);
  }
  seen.errors = seen.errors || !open.names();
  // The map of free space is read at mount, and the ways back only when they are asked for.
  for (const Tree tree : {Tree::free_space, Tree::backref, Tree::orphan, Tree::meta})
    seen.errors =
        seen.errors || !open.volume->scan(tree, {}, {}, [](Bytes, Bytes) { return true; });
  observe_blobs(*open.volume, seen);
  return seen;
}

}  // namespace vexfs
