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
std::atomic<int> passed_back{0};

// As if nobody handled the signal.
void ActByDefault(bool sent) {
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  sigaction(SIGBUS, &standard, nullptr);
  // A hardware fault comes again by itself when the instruction is repeated; a sent signal does not.
  if (sent) raise(SIGBUS);
}

bool Is(const struct sigaction* action, void (*handler)(int)) {
  return action != nullptr && !(action->sa_flags & SA_SIGINFO) && action->sa_handler == handler;
}

// Null for nobody. With the signals blocked that the handler wants blocked: the engine's takes a lock, which
// a second signal's would wait for on the same thread.
void PassOn(const struct sigaction* next, int signal, siginfo_t* info, void* context) {
  const bool sent = info->si_code <= 0;
  if (Is(next, SIG_IGN) && sent) return;
  if (next == nullptr || Is(next, SIG_DFL) || Is(next, SIG_IGN)) {
    ActByDefault(sent);
    return;
  }
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &next->sa_mask, &before);
  if (next->sa_flags & SA_SIGINFO) {
    next->sa_sigaction(signal, info, context);
  } else {
    next->sa_handler(signal);
  }
  // Also keeps the calls above from becoming jumps: the handler that is called must be deeper in the stack.
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

const struct sigaction* UnlessLeftOut(const struct sigaction* action) {
  const auto handler = left_out.load(std::memory_order_acquire);
  return handler != nullptr && Is(action, handler) ? nullptr : action;
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  // si_code <= 0 was sent by a process, not raised by the hardware (sigaction(2)).
  const bool sent = info->si_code <= 0;
  const bool absorbed = !sent && AbsorbFault(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = saved;
  if (absorbed) return;
  // Not ours: as if this handler had never been there. When the one before it passes it back, it is the turn
  // of the one before that; when it comes back once more, nobody in the circle wanted it.
  const uintptr_t frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const bool is_back = passing.load(std::memory_order_relaxed) == info &&
                       frame < passing_frame.load(std::memory_order_relaxed);
  const int times = is_back ? passed_back.load(std::memory_order_relaxed) + 1 : 0;
  passing.store(info, std::memory_order_relaxed);
  passing_frame.store(frame, std::memory_order_relaxed);
  passed_back.store(times, std::memory_order_relaxed);
  const struct sigaction* next = nullptr;
  if (times == 0) next = UnlessLeftOut(previous.load(std::memory_order_acquire));
  if (next == nullptr && times < 2) next = UnlessLeftOut(earlier.load(std::memory_order_acquire));
  PassOn(next, signal, info, context);
}

}  // namespace

void FaultGuard::LeaveOut(void (*handler)(int)) { left_out.store(handler, std::memory_order_release); }

bool FaultGuard::IsPrevious(void (*handler)(int)) {
  return Is(previous.load(std::memory_order_acquire), handler);
}

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
