// What the handler of one system (fault_handler_posix.cc, fault_handler_win32.cc) and the registry of guarded
// ranges (fault_guard.cc) know of each other.
#pragma once

#include <cstdint>

#include "core/fault_guard.h"

namespace sliding_mmap {

// Puts the system's handler in place; see FaultGuard::Install. Returns 0 or an errno.
int InstallFaultHandler();

// For handlers, on the thread that faulted: no locks of the registry, no allocation.

// The range that holds the address; null when it is in none.
FaultGuard::Slot* GuardedSlot(uintptr_t address);

// The page is lost: puts zeros under it and counts. False when the address is in no guarded range, or nothing
// could be put there.
bool AbsorbFault(uintptr_t address);

}  // namespace sliding_mmap
