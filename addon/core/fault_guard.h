// Turns what the system raises for a lost page of a mapped file (SIGBUS on POSIX, an in-page error on
// Windows) into a count that the reader looks at afterwards.
//
// A guarded range is one that a Mapping owns. When a thread touches a page of it that the file no longer has
// (it shrank), that the device cannot give, or that a full disk cannot hold, the handler puts zeros under the
// page, counts, and lets the instruction run again. Faults anywhere else go to whoever had the signal before.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/os.h"

namespace sliding_mmap {

class FaultGuard {
 public:
  // One range. Slots are never freed, only reused, so that the handler may walk them without a lock. The
  // owner of the range writes it; the handler only counts.
  struct Slot {
    static constexpr size_t kNone = SIZE_MAX;
    std::atomic<uintptr_t> start{0};
    std::atomic<size_t> length{0};
    std::atomic<bool> writable{false};
    // Faults since the range was last renewed, the byte offset in the range of the first of them, and how
    // many of their pages were replaced one by one.
    std::atomic<uint32_t> faults{0};
    std::atomic<size_t> first{kNone};
    std::atomic<uint32_t> replaced{0};
    bool taken = false;  // under the registry's lock
  };

  // Puts the handler in place: once per process, whatever the number of threads, and again where another
  // handler has replaced it, to which it then passes on what is not its own. Returns 0 or an errno.
  static int Install();

  // A handler that stays in place although nobody wants what it hears: what is not the guard's goes past it,
  // to whoever had the signal before. Null for none, as at the start. POSIX only.
  static void LeaveOut(void (*handler)(int));

  // Whether the handler had the signal right before the guard.
  static bool IsPrevious(void (*handler)(int));

  // Null when out of memory.
  static Slot* Guard(void* start, size_t length);
  static void Unguard(Slot* slot);

  // The whole range was mapped anew: nothing of it is lost.
  static void Renew(Slot* slot);

  // Faults in all guarded ranges of the process. It only grows (and wraps); JavaScript sees it through a
  // shared array and compares it before and after it touched mapped memory.
  static std::atomic<int32_t>* Counter();
};

}  // namespace sliding_mmap
