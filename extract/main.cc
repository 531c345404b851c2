// SPDX-License-Identifier: Apache-2.0
// vexfs-extract: reads files for the daemon that the daemon would rather not read itself
// (search/extract_protocol.h). Standard input is its socket.
//
// This process never looks at a file: for each it forks a child, which locks itself up, reads, and
// ends. So no file meets what another left behind, and how a child ended is known for certain.
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "extract/reading.h"
#include "extract/sandbox.h"

namespace vexfs {

namespace {

constexpr int kSocket = 0;

bool write_all(int file, const void* bytes, std::size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t put = ::write(file, at, size);
    if (put <= 0) return false;
    at += put;
    size -= static_cast<std::size_t>(put);
  }
  return true;
}

// Returns as the child's exit code.
ForeignStatus read_file(ForeignKind kind, int in, int out) {
  struct stat attr{};
  if (!lock_up() || ::fstat(in, &attr) != 0) return ForeignStatus::crashed;
  const auto size = static_cast<std::size_t>(attr.st_size);
  if (size == 0) return ForeignStatus::damaged;
  const void* const bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, in, 0);
  if (bytes == MAP_FAILED) return ForeignStatus::crashed;
  const std::string_view file(static_cast<const char*>(bytes), size);
  Reading reading;
  const ForeignStatus status =
      kind == ForeignKind::pdf ? read_pdf(file, reading) : read_charset(file, reading);
  if (status != ForeignStatus::ok) return status;
  const ExtractedHeader header{.magic = kExtractMagic,
                               .pages = static_cast<std::uint32_t>(reading.pages.size()),
                               .text_bytes = reading.text.size()};
  std::vector<le32> pages(reading.pages.begin(), reading.pages.end());
  const bool written = write_all(out, &header, sizeof header) &&
                       write_all(out, pages.data(), pages.size() * sizeof(le32)) &&
                       write_all(out, reading.text.data(), reading.text.size());
  return written ? ForeignStatus::ok : ForeignStatus::crashed;
}

ForeignStatus run_child(ForeignKind kind, int in, int out) {
  const pid_t child = ::fork();
  if (child < 0) return ForeignStatus::crashed;
  if (child == 0) ::_exit(static_cast<int>(std::to_underlying(read_file(kind, in, out))));
  int ended = 0;
  while (::waitpid(child, &ended, 0) < 0)
    if (errno != EINTR) return ForeignStatus::crashed;
  if (WIFSIGNALED(ended))
    return WTERMSIG(ended) == SIGXCPU || WTERMSIG(ended) == SIGALRM || WTERMSIG(ended) == SIGKILL
               ? ForeignStatus::slow
               : ForeignStatus::crashed;
  const auto code = static_cast<unsigned>(WEXITSTATUS(ended));
  return code <= std::to_underlying(ForeignStatus::crashed) ? static_cast<ForeignStatus>(code)
                                                            : ForeignStatus::crashed;
}

// One request; false: the daemon has gone, or says what nobody understands.
bool serve_one() {
  ExtractRequest request{};
  iovec part{.iov_base = &request, .iov_len = sizeof request};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(kSocket, &message, MSG_CMSG_CLOEXEC);
  const cmsghdr* const head = CMSG_FIRSTHDR(&message);
  if (got != ssize_t{sizeof request} || request.magic != kExtractMagic || head == nullptr ||
      head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(2 * sizeof(int)))
    return false;
  int both[2];
  std::memcpy(both, CMSG_DATA(head), sizeof both);
  const ForeignStatus status =
      run_child(static_cast<ForeignKind>(std::uint32_t{request.kind}), both[0], both[1]);
  ::close(both[0]);
  ::close(both[1]);
  const ExtractReply reply{.magic = kExtractMagic, .status = std::to_underlying(status)};
  return ::send(kSocket, &reply, sizeof reply, MSG_NOSIGNAL) == ssize_t{sizeof reply};
}

}  // namespace

}  // namespace vexfs

int main() {
  if (!vexfs::drop_privileges()) return 1;
  while (vexfs::serve_one()) continue;
  return 0;
}
