// A vectored exception handler: in-page errors, and the first touch of what is not there (yet).
#include <errno.h>
#include <windows.h>

#include <mutex>

#include "core/fault_handler.h"
#include "core/space_win32.h"

namespace sliding_mmap {
namespace {

// EXCEPTION_RECORD: the kind of access, the address.
constexpr ULONG_PTR kReading = 0;
constexpr ULONG_PTR kWriting = 1;

LONG WINAPI OnException(EXCEPTION_POINTERS* exception) {
  const EXCEPTION_RECORD& record = *exception->ExceptionRecord;
  if (record.ExceptionCode != static_cast<DWORD>(EXCEPTION_IN_PAGE_ERROR) &&
      record.ExceptionCode != static_cast<DWORD>(EXCEPTION_ACCESS_VIOLATION)) {
    return EXCEPTION_CONTINUE_SEARCH;
  }
  const ULONG_PTR access = record.ExceptionInformation[0];
  const auto address = static_cast<uintptr_t>(record.ExceptionInformation[1]);
  if (record.NumberParameters < 2 || (access != kReading && access != kWriting))
    return EXCEPTION_CONTINUE_SEARCH;
  FaultGuard::Slot* slot = GuardedSlot(address);
  if (slot == nullptr) return EXCEPTION_CONTINUE_SEARCH;
  const DWORD last_error = GetLastError();
  const bool goes_on =
      record.ExceptionCode == static_cast<DWORD>(EXCEPTION_IN_PAGE_ERROR)
          ? AbsorbFault(address)
          : os::Provide(address, access == kWriting, slot->writable.load(std::memory_order_relaxed));
  SetLastError(last_error);
  return goes_on ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}

}  // namespace

// Unlike a signal's, handlers are a list: nobody can replace this one.
int InstallFaultHandler() {
  static std::once_flag once;
  static void* handler = nullptr;
  std::call_once(once, [] { handler = AddVectoredExceptionHandler(1, OnException); });
  return handler == nullptr ? ENOMEM : 0;
}

}  // namespace sliding_mmap
