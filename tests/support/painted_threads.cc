// SPDX-License-Identifier: Apache-2.0
#include "tests/support/painted_threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <list>
#include <mutex>
#include <thread>

namespace vexfs {

namespace {

constexpr std::uint64_t kPaint = 0x7061696e74656421;  // "painted!"
constexpr std::size_t kStackBytes = 256 << 10, kAlternateBytes = 64 << 10;
constexpr std::size_t kProbeBytes = 64 << 10;
constexpr std::size_t kRedZone = 256;  // below its stack pointer a leaf function may write, too

int paint_signal() {
  return SIGRTMIN + 5;
}

struct Thread {
  char* low = nullptr;          // of its stack
  char* alternate = nullptr;    // where the signal is handled
  const char* first = nullptr;  // the frame of its first function
  pthread_t handle{};
  bool runs = false;
  void* (*start)(void*) = nullptr;
  void* argument = nullptr;
};

// Never destroyed: threads of libraries outlive main().
struct Registry {
  std::mutex mutex;
  std::list<Thread> threads;
  std::atomic<int> painted{0};
};
Registry& registry() {
  static auto* the_one = new Registry;
  return *the_one;
}

thread_local Thread* self = nullptr;

void paint(char* from, char* to) {
  for (auto* word = reinterpret_cast<volatile std::uint64_t*>(from);
       word < reinterpret_cast<volatile std::uint64_t*>(to); ++word)
    *word = kPaint;
}

const char* lowest_touched(const char* from, const char* to) {
  auto* word = reinterpret_cast<const volatile std::uint64_t*>(from);
  while (word < reinterpret_cast<const volatile std::uint64_t*>(to) && *word == kPaint) ++word;
  return reinterpret_cast<const char*>(const_cast<const std::uint64_t*>(word));
}

char* aligned(std::uintptr_t address) {
  return reinterpret_cast<char*>(address & ~std::uintptr_t{15});
}

void on_paint(int, siginfo_t*, void* context) {
  if (self == nullptr) return;
  const auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const auto stack = static_cast<std::uintptr_t>(machine.gregs[REG_RSP]);
#elif defined(__aarch64__)
  const auto stack = static_cast<std::uintptr_t>(machine.sp);
#else
#error "which register is the stack pointer?"
#endif
  paint(self->low, aligned(stack - kRedZone));
  registry().painted.fetch_add(1);
}

// Ends with the thread, also when it is cancelled.
struct Ended {
  Thread& thread;
  ~Ended() {
    std::lock_guard lock(registry().mutex);
    thread.runs = false;
  }
};

void* run(void* made) {
  auto& thread = *static_cast<Thread*>(made);
  self = &thread;
  thread.first = static_cast<const char*>(__builtin_frame_address(0));
  stack_t alternate{};
  alternate.ss_sp = thread.alternate;
  alternate.ss_size = kAlternateBytes;
  sigaltstack(&alternate, nullptr);
  {
    std::lock_guard lock(registry().mutex);
    thread.handle = pthread_self();
    thread.runs = true;
  }
  const Ended ended{thread};
  return thread.start(thread.argument);
}

char* map(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return static_cast<char*>(memory);
}

}  // namespace

void paint_threads() {
  Registry& all = registry();
  struct sigaction action{};
  action.sa_sigaction = on_paint;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigaction(paint_signal(), &action, nullptr);
  int asked = 0;
  all.painted = 0;
  {
    std::lock_guard lock(all.mutex);
    for (Thread& thread : all.threads)
      if (thread.runs && pthread_kill(thread.handle, paint_signal()) == 0) ++asked;
  }
  while (all.painted.load() < asked) std::this_thread::yield();
}

std::vector<ThreadDepth> thread_depths() {
  std::vector<ThreadDepth> depths;
  std::lock_guard lock(registry().mutex);
  for (const Thread& thread : registry().threads) {
    if (!thread.runs) continue;
    std::array<char, 32> name{};
    pthread_getname_np(thread.handle, name.data(), name.size());
    const char* lowest = lowest_touched(thread.low, thread.first);
    depths.push_back({name.data(), static_cast<std::size_t>(thread.first - lowest)});
  }
  return depths;
}

[[gnu::noinline]] StackProbe::StackProbe()
    : top_(static_cast<const char*>(__builtin_frame_address(0))) {
  const auto here = reinterpret_cast<std::uintptr_t>(top_);
  // A leaf keeps what it needs in registers and the red zone.
  paint(aligned(here - kProbeBytes), aligned(here - kRedZone));
}

std::size_t StackProbe::used() const {
  const char* bottom = aligned(reinterpret_cast<std::uintptr_t>(top_) - kProbeBytes);
  return static_cast<std::size_t>(top_ - lowest_touched(bottom, top_));
}

}  // namespace vexfs

extern "C" int pthread_create(pthread_t* handle, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) noexcept {
  using namespace vexfs;
  static const auto real =
      reinterpret_cast<decltype(&pthread_create)>(dlsym(RTLD_NEXT, "pthread_create"));
  Thread* thread = nullptr;
  {
    std::lock_guard lock(registry().mutex);
    thread = &registry().threads.emplace_back();
  }
  thread->low = map(kStackBytes);
  thread->alternate = map(kAlternateBytes);
  paint(thread->low, thread->low + kStackBytes - kProbeBytes);
  thread->start = start;
  thread->argument = argument;
  pthread_attr_t own;
  pthread_attr_init(&own);
  int detached = PTHREAD_CREATE_JOINABLE;
  if (attributes != nullptr) pthread_attr_getdetachstate(attributes, &detached);
  pthread_attr_setdetachstate(&own, detached);
  pthread_attr_setstack(&own, thread->low, kStackBytes);
  const int result = real(handle, &own, run, thread);
  pthread_attr_destroy(&own);
  return result;
}
