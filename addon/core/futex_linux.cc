// Futexes: futex(2), and futex_waitv(2) for many at once, which Linux has from 5.16 on.
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <mutex>

#include "core/futex.h"

// Those of older headers; the number is the same on every architecture that Node runs on.
#if !defined(SYS_futex_waitv)
#define SYS_futex_waitv 449
#endif
#if !defined(SYS_futex)
#define SYS_futex SYS_futex_time64
#endif

namespace sliding_mmap {
namespace {

// As the kernel has it for SYS_futex: two longs, but for 32-bit systems that are so new that they only have
// the call with 64-bit times.
struct KernelTime {
#if defined(SYS_futex_time64) && SYS_futex == SYS_futex_time64
  int64_t seconds;
  int64_t nanoseconds;
#else
  long seconds;      // NOLINT
  long nanoseconds;  // NOLINT
#endif
};

// struct futex_waitv and its flags, which older headers do not have.
struct Waiter {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};
constexpr uint32_t kOf32Bits = 2;
constexpr uint32_t kMostWaiters = 128;

int64_t Now() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

int64_t Futex(const int32_t* word, int operation, uint32_t value, const KernelTime* timeout) {
  const int64_t result = syscall(SYS_futex, word, operation, value, timeout, nullptr, 0);
  return result == -1 ? -errno : result;
}

int64_t WaitAny(Waiter* waiters, uint32_t count) {
  const int64_t result = syscall(SYS_futex_waitv, waiters, count, 0, nullptr, 0);
  return result == -1 ? -errno : result;
}

Waiter WaiterFor(const int32_t* word, int32_t expected, uint32_t flags) {
  return {static_cast<uint32_t>(expected), reinterpret_cast<uintptr_t>(word), flags, 0};
}

class Watch final : public FutexWatch {
 public:
  explicit Watch(Listener* listener) : listener_(listener) {}

  ~Watch() override {
    if (!running_) return;
    ending_.store(true);
    Interrupt();
    pthread_join(thread_, nullptr);
  }

  int Run() {
    // The process's signals are not for this thread.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(
        &thread_, nullptr,
        [](void* self) -> void* {
          static_cast<Watch*>(self)->Loop();
          return nullptr;
        },
        this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    running_ = error == 0;
    return error;
  }

  bool Add(uint32_t id, const int32_t* word, int32_t expected) override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      if (count_ == kCapacity) return false;
      entries_[count_++] = {id, word, expected};
    }
    Interrupt();
    return true;
  }

  bool Remove(uint32_t id) override {
    if (!Take(id)) return false;
    Interrupt();
    return true;
  }

 private:
  struct Entry {
    uint32_t id;
    const int32_t* word;
    int32_t expected;
  };

  bool Take(uint32_t id) {
    const std::lock_guard<std::mutex> guard(mutex_);
    for (int i = 0; i < count_; i++) {
      if (entries_[i].id != id) continue;
      entries_[i] = entries_[--count_];
      return true;
    }
    return false;
  }

  void Interrupt() {
    changes_.fetch_add(1);
    Futex(Changes(), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr);
  }

  const int32_t* Changes() const { return reinterpret_cast<const int32_t*>(&changes_); }

  void Loop() {
    Entry entries[kMostWaiters];
    Waiter waiters[kMostWaiters];
    for (;;) {
      const int32_t seen = changes_.load();
      if (ending_.load()) return;
      int count;
      {
        const std::lock_guard<std::mutex> guard(mutex_);
        count = count_;
        for (int i = 0; i < count; i++) entries[i] = entries_[i];
      }
      for (int i = 0; i < count; i++) {
        waiters[i] = WaiterFor(entries[i].word, entries[i].expected, kOf32Bits);
      }
      waiters[count] = WaiterFor(Changes(), seen, kOf32Bits | FUTEX_PRIVATE_FLAG);
      const int64_t result = WaitAny(waiters, static_cast<uint32_t>(count) + 1);
      if (result >= 0) {
        // Others may have been woken in the same moment, of whom the kernel does not tell; whoever changed
        // their words before shows in the next call.
        if (result < count) Rouse(entries[result].id, 0);
      } else if (result != -EINTR) {
        // The kernel does not tell whose word has another value, or cannot be read.
        for (int i = 0; i < count; i++) Ask(entries[i], result);
      }
    }
  }

  void Ask(const Entry& entry, int64_t refusal) {
    const int error = os::FutexWait(entry.word, entry.expected, 0);
    if (error == ETIMEDOUT && (refusal == -EAGAIN || refusal == -EFAULT)) return;
    // Memory is short, or the like: they are told, and look by themselves.
    Rouse(entry.id, error == 0 || error == EAGAIN ? 0
                    : error == ETIMEDOUT          ? static_cast<int>(-refusal)
                                                  : error);
  }

  void Rouse(uint32_t id, int error) {
    if (Take(id)) listener_->Roused(id, error);
  }

  Listener* const listener_;
  pthread_t thread_;
  bool running_ = false;
  std::atomic<bool> ending_{false};
  // Changes with the entries, so that the thread, which waits for it, too, takes them in.
  std::atomic<int32_t> changes_{0};
  std::mutex mutex_;
  Entry entries_[kMostWaiters];
  int count_ = 0;
};

}  // namespace

namespace os {

int FutexWait(const int32_t* word, int32_t expected, int64_t milliseconds) {
  const int64_t end = Now() + milliseconds;
  for (int64_t left = milliseconds;; left = end - Now()) {
    if (left < 0) left = 0;
    const KernelTime timeout = {static_cast<decltype(KernelTime::seconds)>(left / 1000),
                                static_cast<decltype(KernelTime::nanoseconds)>(left % 1000 * 1000000)};
    const int64_t result = Futex(word, FUTEX_WAIT, static_cast<uint32_t>(expected), &timeout);
    if (result != -EINTR) return static_cast<int>(-result);
  }
}

int64_t FutexWake(const int32_t* word, int32_t count) {
  return Futex(word, FUTEX_WAKE, static_cast<uint32_t>(count), nullptr);
}

}  // namespace os

const int FutexWatch::kCapacity = kMostWaiters - 1;

int FutexWatch::Start(Listener* listener, std::unique_ptr<FutexWatch>* watch) {
  // Without a word the call is refused with EINVAL, where there is such a call, and nothing forbids it.
  if (const int64_t result = WaitAny(nullptr, 0); result != -EINVAL)
    return result < 0 ? static_cast<int>(-result) : ENOSYS;
  auto made = std::make_unique<Watch>(listener);
  if (int error = made->Run()) return error;
  *watch = std::move(made);
  return 0;
}

}  // namespace sliding_mmap
