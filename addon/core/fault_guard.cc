#include "core/fault_guard.h"

#include <mutex>
#include <new>

#include "core/fault_handler.h"

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
              "a fault handler may only use lock-free atomics");

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

}  // namespace

FaultGuard::Slot* GuardedSlot(uintptr_t address) {
  for (Block* block = &first_block; block != nullptr; block = block->next.load(std::memory_order_acquire)) {
    for (FaultGuard::Slot& slot : block->slots) {
      const uintptr_t start = slot.start.load(std::memory_order_acquire);
      if (start == 0 || address < start) continue;
      const size_t length = slot.length.load(std::memory_order_acquire);
      // The range that holds the address stays while it is touched, but any other slot may become another
      // range's between the two loads.
      if (address - start < length && slot.start.load(std::memory_order_relaxed) == start) return &slot;
    }
  }
  return nullptr;
}

// Async-signal-safe on POSIX: atomics and mmap.
bool AbsorbFault(uintptr_t address) {
  FaultGuard::Slot* slot = GuardedSlot(address);
  if (slot == nullptr) return false;
  const uintptr_t start = slot->start.load(std::memory_order_relaxed);
  const uintptr_t page = address & ~(static_cast<uintptr_t>(os::PageSize()) - 1);
  if (!Replace(slot, page, start, slot->length.load(std::memory_order_relaxed))) return false;
  size_t none = FaultGuard::Slot::kNone;
  slot->first.compare_exchange_strong(none, address - start, std::memory_order_relaxed);
  slot->faults.fetch_add(1, std::memory_order_acq_rel);
  fault_counter.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

int FaultGuard::Install() {
  // Before the handler could be the first to ask.
  os::PageSize();
  if (const uint64_t system = os::MaxMappings()) {
    most_pages.store(static_cast<int64_t>(system / 16), std::memory_order_relaxed);
  }
  return InstallFaultHandler();
}

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
