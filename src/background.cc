// SPDX-License-Identifier: Apache-2.0
#include "src/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/hash.h"
#include "base/log.h"

namespace vexfs {

namespace {

// A message on the pipe: its kind, text, NUL. Of trouble the text is "what\nnext".
constexpr char kNote = 'n', kReady = 'r', kFailed = 'f';

Trouble parse_trouble(std::string_view text) {
  const auto line = text.find('\n');
  if (line == std::string_view::npos) return {std::string(text)};
  return {std::string(text.substr(0, line)), std::string(text.substr(line + 1))};
}

// Reads messages until one decides, or the daemon is gone.
Outcome<> listen(int pipe, const std::string& log_file) {
  std::string message;
  std::array<char, 512> bytes;
  for (;;) {
    const ssize_t got = ::read(pipe, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      return trouble("the daemon ended before it was ready", format("its log is {}", log_file));
    for (char c : std::string_view(bytes.data(), static_cast<std::size_t>(got))) {
      if (c != '\0') {
        message.push_back(c);
        continue;
      }
      const std::string whole = std::exchange(message, {});
      if (whole[0] == kReady) return {};
      if (whole[0] == kFailed) return std::unexpected(parse_trouble(whole.substr(1)));
      std::fprintf(stderr, "vexfs: %s\n", whole.c_str() + 1);
    }
  }
}

[[noreturn]] void become_daemon(int pipe, int log,
                                std::move_only_function<int(Readiness&)> daemon) {
  ::setsid();
  if (::chdir("/") != 0) std::exit(2);  // no file system is held by our working directory
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::close(null);
  ::close(log);
  set_log_stamped(true);
  int code = 0;
  {
    Readiness readiness(pipe);
    code = daemon(readiness);
  }
  std::exit(code);
}

}  // namespace

Readiness::~Readiness() {
  if (pipe_ >= 0) ::close(pipe_);
}

void Readiness::send(char kind, std::string_view text) {
  std::string message(1, kind);
  message.append(text).push_back('\0');
  // A command that was interrupted listens no more; that is no reason to stop.
  [[maybe_unused]] const auto sent = ::write(pipe_, message.data(), message.size());
}

void Readiness::note(std::string_view text) {
  if (pipe_ >= 0) return send(kNote, text);
  std::fprintf(stderr, "vexfs: %s\n", std::string(text).c_str());
}

void Readiness::ready() {
  if (pipe_ < 0) return;
  send(kReady, "");
  ::close(std::exchange(pipe_, -1));
}

void Readiness::failed(const Trouble& why) {
  log(Level::error, "mount", why.what);
  if (pipe_ >= 0) {
    send(kFailed, why.what + "\n" + why.next);
    ::close(std::exchange(pipe_, -1));
  } else if (!why.next.empty()) {
    std::fprintf(stderr, "%s\n", why.next.c_str());
  }
}

Outcome<> start_in_background(const std::string& log_file,
                              std::move_only_function<int(Readiness&)> daemon) {
  const int log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (log < 0)
    return trouble_errno(log_file, errno, "the daemon needs a log file: choose one with --log");
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return trouble_errno("pipe", errno);
  const pid_t child = ::fork();
  if (child < 0) return trouble_errno("fork", errno);
  if (child == 0) {
    ::close(ends[0]);
    become_daemon(ends[1], log, std::move(daemon));
  }
  ::close(ends[1]);
  ::close(log);
  Outcome<> heard = listen(ends[0], log_file);
  ::close(ends[0]);
  if (!heard) ::waitpid(child, nullptr, 0);  // it has nothing more to say
  return heard;
}

Outcome<std::string> default_log_file(const std::string& image) {
  std::filesystem::path folder = "/var/log/vexfs";
  if (::geteuid() != 0) {
    const char* state = std::getenv("XDG_STATE_HOME");
    const char* home = std::getenv("HOME");
    if (state == nullptr && home == nullptr)
      return trouble("no HOME to keep the daemon's log in", "choose a log file with --log");
    folder = state != nullptr ? state : std::string(home) + "/.local/state";
    folder /= "vexfs";
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return trouble_errno(folder.string(), error.value(), "choose a log file with --log");
  const std::string name = std::filesystem::path(image).filename().string();
  return (folder / format("{}-{:08x}.log", name, hash64(as_bytes(image)) & 0xffff'ffff)).string();
}

}  // namespace vexfs
