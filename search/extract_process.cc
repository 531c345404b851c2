// SPDX-License-Identifier: Apache-2.0
#include "search/extract_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/log.h"
#include "search/utf8.h"

namespace vexfs {

namespace {

constexpr std::string_view kProgramName = "vexfs-extract";
constexpr int kSecondsMax = 3 * static_cast<int>(kExtractSeconds);  // on a busy machine

std::string beside_this_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  for (const char* folder : {"", "../libexec/vexfs", "../lib/vexfs"}) {
    const auto program = self.parent_path() / folder / kProgramName;
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return {};
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

Result<> write_all(int file, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return fail(errno, "extract: the copy of a file cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

// What the process left, believed only as far as it adds up.
ForeignText read_text(int file) {
  ForeignText found{.status = ForeignStatus::damaged};
  ExtractedHeader header;
  if (::pread(file, &header, sizeof header, 0) != ssize_t{sizeof header}) return found;
  if (header.magic != kExtractMagic || header.pages > kExtractPagesMax ||
      header.text_bytes > kExtractTextMax)
    return found;
  std::vector<le32> pages(header.pages);
  const auto pages_bytes = static_cast<ssize_t>(pages.size() * sizeof(le32));
  if (::pread(file, pages.data(), pages.size() * sizeof(le32), sizeof header) != pages_bytes)
    return found;
  std::string text(header.text_bytes, '\0');
  if (::pread(file, text.data(), text.size(), ssize_t{sizeof header} + pages_bytes) !=
      static_cast<ssize_t>(text.size()))
    return found;
  if (!is_utf8(text)) return found;
  std::uint32_t before = 0;
  for (const std::uint32_t page : pages) {
    if (page < before || page > text.size()) return found;
    if (page < text.size() && (static_cast<unsigned char>(text[page]) & 0xc0) == 0x80) return found;
    found.pages.push_back(before = page);
  }
  found.text = std::move(text);
  found.status = ForeignStatus::ok;
  return found;
}

}  // namespace

const char* reason_of(ForeignStatus status) {
  switch (status) {
    case ForeignStatus::encrypted:
      return "encrypted, a password is needed";
    case ForeignStatus::slow:
      return "reading it takes too long";
    case ForeignStatus::crashed:
      return "its reader ran out of memory or crashed";
    default:
      return "damaged, or of an unknown encoding";
  }
}

ExtractProcess::ExtractProcess(std::string program)
    : program_(program.empty() ? beside_this_program() : std::move(program)) {}

ExtractProcess::~ExtractProcess() {
  Lock lock(mutex_);
  stop();
}

void ExtractProcess::stop() {
  if (process_ < 0) return;
  ::close(std::exchange(socket_, -1));
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

Result<> ExtractProcess::start() {
  if (process_ >= 0) return {};
  if (program_.empty()) return fail(ENOENT, "extract: there is no vexfs-extract");
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return fail(errno, "extract: no socket");
  const Descriptor theirs(pair[1]);
  // Nothing of the daemon's but the socket goes along: no descriptor, no environment.
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.number(), 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  std::string name(kProgramName), language("LC_ALL=C.UTF-8");
  char* const words[] = {name.data(), nullptr};
  char* const environment[] = {language.data(), nullptr};
  pid_t process = -1;
  const int failed =
      ::posix_spawn(&process, program_.c_str(), &actions, nullptr, words, environment);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    ::close(pair[0]);
    return fail(failed, "extract: vexfs-extract does not start");
  }
  process_ = process;
  socket_ = pair[0];
  return {};
}

Result<ForeignStatus> ExtractProcess::converse(ForeignKind kind, int in, int out) {
  ExtractRequest request{.magic = kExtractMagic, .kind = std::to_underlying(kind)};
  iovec part{.iov_base = &request, .iov_len = sizeof request};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(2 * sizeof(int));
  const int both[2] = {in, out};
  std::memcpy(CMSG_DATA(head), both, sizeof both);
  if (::sendmsg(socket_, &message, MSG_NOSIGNAL) != ssize_t{sizeof request})
    return fail(EPIPE, "extract: the process has gone");
  pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
  int ready = 0;
  while ((ready = ::poll(&wait, 1, kSecondsMax * 1000)) < 0 && errno == EINTR) continue;
  if (ready == 0) return ForeignStatus::slow;
  ExtractReply reply;
  // A child of its own reads the file, so its own end is not the file's doing.
  if (::recv(socket_, &reply, sizeof reply, 0) != ssize_t{sizeof reply})
    return fail(EPIPE, "extract: the process has gone");
  if (reply.magic != kExtractMagic || reply.status > std::to_underlying(ForeignStatus::crashed))
    return ForeignStatus::crashed;
  return static_cast<ForeignStatus>(std::uint32_t{reply.status});
}

Result<ForeignText> ExtractProcess::run(ForeignKind kind, FunctionRef<Result<>(Sink)> fill) {
  const Descriptor in(::memfd_create("vexfs-in", MFD_CLOEXEC));
  const Descriptor out(::memfd_create("vexfs-out", MFD_CLOEXEC));
  if (in.number() < 0 || out.number() < 0) return fail(errno, "extract: no memory for a file");
  std::uint64_t copied = 0;
  VEXFS_CHECK(fill([&](Bytes bytes) -> Result<> {
    copied += bytes.size();
    if (copied > kExtractFileMax) return fail(EFBIG, "extract: too large");
    return write_all(in.number(), bytes);
  }));
  Lock lock(mutex_);
  VEXFS_CHECK(start());
  auto status = converse(kind, in.number(), out.number());
  if (!status && status.error().code == EPIPE) {  // another gets the file, once
    stop();
    VEXFS_CHECK(start());
    status = converse(kind, in.number(), out.number());
    if (!status && status.error().code == EPIPE) status = ForeignStatus::crashed;
  }
  const bool lost = !status || *status == ForeignStatus::slow || *status == ForeignStatus::crashed;
  if (lost) {
    log(Level::warn, "extract", "a file could not be read",
        {{"status", std::uint64_t{std::to_underlying(status.value_or(ForeignStatus::crashed))}}});
    stop();
  }
  VEXFS_TRY(const ForeignStatus ended, status);
  if (ended != ForeignStatus::ok) return ForeignText{.status = ended};
  return read_text(out.number());
}

}  // namespace vexfs
