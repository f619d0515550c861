// Where processes have no word to wait for in common: those who wait look again and again. The asynchronous
// side does so in JavaScript, with its timers, and needs no thread.
#include <errno.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/futex.h"

namespace sliding_mmap {

namespace os {

int FutexWait(const int32_t* word, int32_t expected, int64_t milliseconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(milliseconds);
  const auto* value = reinterpret_cast<const std::atomic<int32_t>*>(word);
  auto pause = std::chrono::microseconds(20);
  const auto longest = std::chrono::microseconds(2000);
  for (;;) {
    if (value->load() != expected) return EAGAIN;
    if (Clock::now() >= end) return ETIMEDOUT;
    std::this_thread::sleep_for(pause);
    if (pause < longest) pause *= 2;
  }
}

int64_t FutexWake(const int32_t*, int32_t) { return 0; }

}  // namespace os

const int FutexWatch::kCapacity = 0;

int FutexWatch::Start(Listener*, std::unique_ptr<FutexWatch>*) { return ENOSYS; }

}  // namespace sliding_mmap
