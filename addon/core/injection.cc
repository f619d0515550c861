#include "core/injection.h"

#include <atomic>

namespace sliding_mmap::os {
namespace {

struct Injection {
  std::atomic<int64_t> after{0};
  std::atomic<int64_t> times{0};
  std::atomic<int> error{0};
};
Injection injections[static_cast<size_t>(Call::kCount)];

}  // namespace

int Injected(Call call) {
  Injection& injection = injections[static_cast<size_t>(call)];
  if (injection.times.load(std::memory_order_relaxed) <= 0) return 0;
  if (injection.after.fetch_sub(1, std::memory_order_relaxed) > 0) return 0;
  if (injection.times.fetch_sub(1, std::memory_order_relaxed) <= 0) return 0;
  return injection.error.load(std::memory_order_relaxed);
}

void InjectFailure(Call call, int64_t after, int64_t times, int error) {
  Injection& injection = injections[static_cast<size_t>(call)];
  injection.times.store(0, std::memory_order_relaxed);
  injection.error.store(error, std::memory_order_relaxed);
  injection.after.store(after, std::memory_order_relaxed);
  injection.times.store(times, std::memory_order_relaxed);
}

}  // namespace sliding_mmap::os
