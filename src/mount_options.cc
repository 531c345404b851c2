// SPDX-License-Identifier: Apache-2.0
#include "src/mount_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace vexfs {

namespace {

constexpr std::string_view kForTheKernel[] = {"noexec", "exec",       "noatime",
                                              "atime",  "nodiratime", "dirsync"};
// Words of mount(8), fstab(5) and systemd that mean nothing to the daemon.
constexpr std::string_view kForOthers[] = {
    "defaults", "rw",    "nosuid", "nodev",  "auto",       "noauto",
    "users",    "user",  "nouser", "nofail", "_netdev",    "async",
    "owner",    "group", "loud",   "silent", "nolazytime", "default_permissions"};

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::string_view (&words)[N]) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

// The kernel leaves times of access to the daemon; it is told only for what `mount` shows.
void take_atime(std::string_view word, FileSystemOptions& files) {
  if (word == "noatime") files.atime = Atime::never;
  if (word == "relatime" || word == "atime") files.atime = Atime::relatime;
  if (word == "strictatime") files.atime = Atime::strict;
  if (word == "nodiratime") files.nodiratime = true;
}

// Options without a value; false: not one of them.
bool take_word(std::string_view word, MountOptions& out) {
  if (word == "ro") {
    out.read_only = out.volume.read_only = out.files.read_only = true;
  } else if (word == "rw") {
    out.read_only = out.volume.read_only = out.files.read_only = false;
  } else if (word == "remount") {
    out.remount = true;
  } else if (word == "allow_other") {
    out.allow_other = true;
  } else if (word == "suid") {
    out.suid = true;
  } else if (word == "dev") {
    out.dev = true;
  } else if (word == "writeback") {
    out.writeback = true;
  } else if (word == "acl" || word == "noacl") {
    out.files.acl = word == "acl";
  } else if (word == "discard" || word == "nodiscard") {
    out.volume.discard = word == "discard";
  } else if (word == "auto_unmount") {
    out.auto_unmount = true;
  } else if (word == "relatime" || word == "strictatime") {
    take_atime(word, out.files);
  } else if (is_one_of(word, kForTheKernel)) {
    take_atime(word, out.files);
    if (!out.kernel_options.empty()) out.kernel_options += ',';
    out.kernel_options += word;
  } else {
    return word.empty() || word.starts_with("x-") || is_one_of(word, kForOthers);
  }
  return true;
}

bool take_sync(std::string_view policy, MountOptions& out) {
  constexpr std::string_view kInterval = "interval=";
  if (policy == "strict") {
    out.volume.sync = SyncPolicy::strict;
  } else if (policy == "fsync") {
    out.volume.sync = SyncPolicy::fsync;
  } else if (policy == "none") {
    out.volume.sync = SyncPolicy::none;
  } else if (policy.starts_with(kInterval)) {
    const auto ms = parse_number(policy.substr(kInterval.size()));
    if (!ms || *ms == 0 || *ms > 3'600'000) return false;
    out.volume.sync = SyncPolicy::interval;
    out.volume.interval_ms = static_cast<unsigned>(*ms);
  } else {
    return false;
  }
  return true;
}

bool take_compression(std::string_view how, MountOptions& out) {
  constexpr std::string_view kLevel = "zstd:";
  int& level = out.files.compression.level;
  if (how == "off") {
    level = 0;
  } else if (how == "zstd") {
    level = 1;
  } else {
    const auto number =
        how.starts_with(kLevel) ? parse_number(how.substr(kLevel.size())) : std::nullopt;
    if (!number || *number == 0 || *number > std::uint64_t{kCompressionLevelMax}) return false;
    level = static_cast<int>(*number);
  }
  return true;
}

bool take_embedder(std::string_view key, std::string_view value, EmbedderOptions& out) {
  const std::pair<std::string_view, std::string*> texts[] = {
      {"embedder", &out.spec},
      {"embedder_model", &out.model},
      {"embedder_key_file", &out.key_file},
      {"embedder_document_prefix", &out.document_prefix},
      {"embedder_question_prefix", &out.question_prefix}};
  for (const auto& [name, field] : texts)
    if (key == name && !value.empty()) {
      *field = value;
      return true;
    }
  const auto dimension = parse_number(value);
  if (key != "embedder_dimension" || !dimension || *dimension == 0 || *dimension > 4096)
    return false;
  out.dimension = static_cast<std::uint32_t>(*dimension);
  return true;
}

// Options with a value; false: unknown, or a value that means nothing.
bool take_pair(std::string_view key, std::string_view value, MountOptions& out) {
  if (key == "sync") return take_sync(value, out);
  if (key == "compress") return take_compression(value, out);
  // Who mounted, which mount(8) adds; and what it finds in the table of mounts at a remount.
  for (const std::string_view known : {"user", "user_id", "group_id", "subtype", "fsname"})
    if (key == known) return true;
  if (key == "memory") {
    const auto bytes = parse_size(value);
    if (!bytes || *bytes < (32u << 20)) return false;
    out.files.memory_bytes = *bytes;
    return true;
  }
  if (key == "readahead") {
    const auto bytes = parse_size(value);
    if (!bytes) return false;
    out.files.read_ahead_bytes = *bytes;
    return true;
  }
  if (key.starts_with("embedder")) return take_embedder(key, value, out.files.embedder);
  const auto number = parse_number(value);
  if (!number || *number > std::numeric_limits<unsigned>::max()) return false;
  const auto n = static_cast<unsigned>(*number);
  if (key == "commit" && n >= 1 && n <= 3600) {
    out.files.commit_seconds = n;
  } else if (key == "index" && n <= 1) {
    out.files.index = n == 1;
  } else if (key == "index_workers" && n >= 1 && n <= 256) {
    out.files.index_workers = n;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Outcome<MountOptions> parse_mount_options(std::string_view text) {
  MountOptions out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view option = text.substr(0, comma);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    const auto equals = option.find('=');
    const bool known = equals == std::string_view::npos
                           ? take_word(option, out)
                           : option.starts_with("x-") || take_pair(option.substr(0, equals),
                                                                   option.substr(equals + 1), out);
    if (!known)
      return trouble(format("-o {}: unknown option or bad value", option),
                     "the options are listed by: vexfs mount --help");
  }
  return out;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  unsigned shift = 0;
  if (text.ends_with("iB")) text.remove_suffix(2);
  if (!text.empty()) {
    const char unit = text.back() >= 'a' ? static_cast<char>(text.back() - 32) : text.back();
    if (const auto at = kUnits.find(unit); at != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(at) + 1);
      text.remove_suffix(1);
    }
  }
  const auto number = parse_number(text);
  if (!number || *number > (std::numeric_limits<std::uint64_t>::max() >> shift))
    return std::nullopt;
  return *number << shift;
}

std::string size_for_people(std::uint64_t bytes) {
  constexpr std::array kUnits = {"", "K", "M", "G", "T"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 ? format("{}", bytes) : format("{:.1f}{}", value, kUnits[unit]);
}

}  // namespace vexfs
