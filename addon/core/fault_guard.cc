#include "core/fault_guard.h"

#include <mutex>
#include <new>

#if !defined(_WIN32)
#include <errno.h>
#include <signal.h>
#include <string.h>
#endif

namespace sliding_mmap {
namespace {

struct Block {
  static constexpr size_t kSlots = 256;
  FaultGuard::Slot slots[kSlots];
  std::atomic<Block*> next{nullptr};
};

std::mutex registry_lock;
Block first_block;
std::atomic<int32_t> fault_counter{0};

// Every page that is replaced may split its mapping in three, and near the system's limit on mappings the
// engine can no longer allocate. So many pages are replaced one by one, of one range and of all together.
constexpr uint32_t kMostPagesOfRange = 256;
std::atomic<int64_t> most_pages{INT64_MAX};
std::atomic<int64_t> replaced_pages{0};

static_assert(std::atomic<int32_t>::is_always_lock_free && std::atomic<uintptr_t>::is_always_lock_free,
              "the signal handler may only use lock-free atomics");

// Zeros under the lost page; where there have been too many, under all that follows it as well, which splits
// nothing and, where the file was cut, is lost, too. At the limit of the system only the whole range goes.
bool Replace(FaultGuard::Slot* slot, uintptr_t page, uintptr_t start, size_t length) {
  const os::Access access =
      slot->writable.load(std::memory_order_relaxed) ? os::Access::kReadWrite : os::Access::kRead;
  const auto put = [access](uintptr_t from, size_t bytes) {
    return os::MapZeros(reinterpret_cast<void*>(from), bytes, access) == 0;
  };
  if (slot->replaced.load(std::memory_order_relaxed) < kMostPagesOfRange &&
      replaced_pages.load(std::memory_order_relaxed) < most_pages.load(std::memory_order_relaxed) &&
      put(page, os::PageSize())) {
    slot->replaced.fetch_add(1, std::memory_order_relaxed);
    replaced_pages.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  return put(page, length - (page - start)) || put(start, length);
}

// Async-signal-safe: atomics and mmap.
bool Absorb(uintptr_t address) {
  for (Block* block = &first_block; block != nullptr; block = block->next.load(std::memory_order_acquire)) {
    for (FaultGuard::Slot& slot : block->slots) {
      const uintptr_t start = slot.start.load(std::memory_order_acquire);
      if (start == 0 || address < start) continue;
      const size_t length = slot.length.load(std::memory_order_acquire);
      if (address - start >= length) continue;
      // The range that holds the address stays while it is touched, but any other slot may become another
      // range's between the two loads.
      if (slot.start.load(std::memory_order_relaxed) != start) continue;
      const uintptr_t page = address & ~(static_cast<uintptr_t>(os::PageSize()) - 1);
      if (!Replace(&slot, page, start, length)) return false;
      size_t none = FaultGuard::Slot::kNone;
      slot.first.compare_exchange_strong(none, address - start, std::memory_order_relaxed);
      slot.faults.fetch_add(1, std::memory_order_acq_rel);
      fault_counter.fetch_add(1, std::memory_order_acq_rel);
      return true;
    }
  }
  return false;
}

#if !defined(_WIN32)

// Who had the signal before. Replaced, never freed: another thread may be reading it.
std::atomic<const struct sigaction*> previous{nullptr};
// The delivery that is being passed on, and the frame of the handler that does it. A handler that was put in
// place over this one may pass it back: then the same delivery comes again, deeper in the same stack. (Not a
// flag that is cleared afterwards: the other handler may leave by longjmp.)
std::atomic<const void*> passing{nullptr};
std::atomic<uintptr_t> passing_frame{0};

// As if nobody handled the signal.
void ActByDefault(bool sent) {
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  sigaction(SIGBUS, &standard, nullptr);
  // A hardware fault comes again by itself when the instruction is repeated; a sent signal does not.
  if (sent) raise(SIGBUS);
}

void PassOn(int signal, siginfo_t* info, void* context) {
  const struct sigaction* next = previous.load(std::memory_order_acquire);
  const bool sent = info->si_code <= 0;
  if (next->sa_flags & SA_SIGINFO) {
    next->sa_sigaction(signal, info, context);
  } else if (next->sa_handler == SIG_IGN && sent) {
    return;
  } else if (next->sa_handler == SIG_DFL || next->sa_handler == SIG_IGN) {
    ActByDefault(sent);
  } else {
    next->sa_handler(signal);
  }
  // Keeps the calls above from becoming jumps: the handler that is called must be deeper in the stack than
  // this one.
  asm volatile("" ::: "memory");
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  // si_code <= 0 was sent by a process, not raised by the hardware (sigaction(2)).
  const bool sent = info->si_code <= 0;
  const bool absorbed = !sent && Absorb(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = saved;
  if (absorbed) return;
  // Not ours: as if this handler had never been there. When it comes back, nobody in the circle wanted it.
  const uintptr_t frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (passing.load(std::memory_order_relaxed) == info &&
      frame < passing_frame.load(std::memory_order_relaxed)) {
    ActByDefault(sent);
    return;
  }
  passing.store(info, std::memory_order_relaxed);
  passing_frame.store(frame, std::memory_order_relaxed);
  PassOn(signal, info, context);
  asm volatile("" ::: "memory");
}

int InstallHandler() {
  static std::mutex installing;
  const std::lock_guard<std::mutex> hold(installing);
  // Before the handler could be the first to ask.
  os::PageSize();
  if (const uint64_t system = os::MaxMappings()) {
    most_pages.store(static_cast<int64_t>(system / 16), std::memory_order_relaxed);
  }
  struct sigaction current;
  if (sigaction(SIGBUS, nullptr, &current) != 0) return errno;
  if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == OnBusError) return 0;
  auto* before = new (std::nothrow) struct sigaction(current);
  if (before == nullptr) return ENOMEM;
  previous.store(before, std::memory_order_release);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  return sigaction(SIGBUS, &action, nullptr) == 0 ? 0 : errno;
}

#endif

}  // namespace

int FaultGuard::Install() { return InstallHandler(); }

FaultGuard::Slot* FaultGuard::Guard(void* start, size_t length) {
  const std::lock_guard<std::mutex> hold(registry_lock);
  Block* block = &first_block;
  for (;;) {
    for (Slot& slot : block->slots) {
      if (slot.taken) continue;
      slot.taken = true;
      slot.writable.store(false, std::memory_order_relaxed);
      Renew(&slot);
      slot.length.store(length, std::memory_order_release);
      slot.start.store(reinterpret_cast<uintptr_t>(start), std::memory_order_release);
      return &slot;
    }
    Block* next = block->next.load(std::memory_order_relaxed);
    if (next == nullptr) {
      next = new (std::nothrow) Block;
      if (next == nullptr) return nullptr;
      block->next.store(next, std::memory_order_release);
    }
    block = next;
  }
}

void FaultGuard::Unguard(Slot* slot) {
  const std::lock_guard<std::mutex> hold(registry_lock);
  slot->start.store(0, std::memory_order_release);
  Renew(slot);
  slot->taken = false;
}

void FaultGuard::Renew(Slot* slot) {
  replaced_pages.fetch_sub(slot->replaced.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
  slot->first.store(Slot::kNone, std::memory_order_relaxed);
  slot->faults.store(0, std::memory_order_release);
}

std::atomic<int32_t>* FaultGuard::Counter() { return &fault_counter; }

}  // namespace sliding_mmap
