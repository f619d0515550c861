// SIGBUS, chained to whoever had it before.
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <atomic>
#include <mutex>
#include <new>

#include "core/fault_handler.h"

namespace sliding_mmap {
namespace {

// Who had the signal before, and who before that one. Replaced, never freed: another thread may be reading
// them.
std::atomic<const struct sigaction*> previous{nullptr};
std::atomic<const struct sigaction*> earlier{nullptr};
std::atomic<void (*)(int)> left_out{nullptr};
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
  const auto passed_by = left_out.load(std::memory_order_acquire);
  if (passed_by != nullptr && !(next->sa_flags & SA_SIGINFO) && next->sa_handler == passed_by) {
    next = earlier.load(std::memory_order_acquire);
  }
  if (next == nullptr) {
    ActByDefault(sent);
  } else if (next->sa_flags & SA_SIGINFO) {
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
  const bool absorbed = !sent && AbsorbFault(reinterpret_cast<uintptr_t>(info->si_addr));
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

}  // namespace

void FaultGuard::LeaveOut(void (*handler)(int)) { left_out.store(handler, std::memory_order_release); }

int InstallFaultHandler() {
  static std::mutex installing;
  const std::lock_guard<std::mutex> hold(installing);
  struct sigaction current;
  if (sigaction(SIGBUS, nullptr, &current) != 0) return errno;
  if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == OnBusError) return 0;
  auto* before = new (std::nothrow) struct sigaction(current);
  if (before == nullptr) return ENOMEM;
  earlier.store(previous.load(std::memory_order_relaxed), std::memory_order_release);
  previous.store(before, std::memory_order_release);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  return sigaction(SIGBUS, &action, nullptr) == 0 ? 0 : errno;
}

}  // namespace sliding_mmap
