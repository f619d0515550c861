// The guard's place among the handlers of the process.
#include <napi.h>

#include "core/fault_guard.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/status.h"

#if !defined(_WIN32)
#include <dlfcn.h>
#include <signal.h>

#include <cstdlib>
#endif

namespace sliding_mmap {
namespace {

#if defined(_WIN32)
// Handlers are a list there: nobody replaces the guard's.
bool HoldSignal() { return false; }
void SetHeard(bool) {}
#else
// The engine's handler for every signal that has a listener, once it is known. Of the main thread, as the
// rest.
void (*engine_handler)(int) = nullptr;

// A function of libuv's, by its name: not every runtime has it, nor what compiles addons its header. Its
// objects are memory of the sizes that it tells.
template <typename Function>
Function* OfLibuv(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

// Listens to SIGBUS for ever, with a libuv handle that belongs to no environment. libuv puts its handler in
// place for the first handle of a signal, and with the last takes away whatever is there, the guard's, too:
// with this one, listeners come and go without that. Its loop never runs; what arrives in its pipe stays
// there, and is dropped when that is full. Loop and handle are never freed.
bool ListenForEver() {
  constexpr int kSignalHandle = 16;  // UV_SIGNAL, part of libuv's ABI
  const auto loop_size = OfLibuv<size_t()>("uv_loop_size");
  const auto handle_size = OfLibuv<size_t(int)>("uv_handle_size");
  const auto loop_init = OfLibuv<int(void*)>("uv_loop_init");
  const auto init = OfLibuv<int(void*, void*)>("uv_signal_init");
  const auto start = OfLibuv<int(void*, void (*)(void*, int), int)>("uv_signal_start");
  const auto stop = OfLibuv<int(void*)>("uv_signal_stop");
  if (loop_size == nullptr || handle_size == nullptr || loop_init == nullptr || init == nullptr ||
      start == nullptr || stop == nullptr) {
    return false;
  }
  static void* const loop = calloc(1, loop_size());
  static void* const handle = calloc(1, handle_size(kSignalHandle));
  if (loop == nullptr || handle == nullptr || loop_init(loop) != 0 || init(loop, handle) != 0) return false;
  const auto nothing = [](void*, int) {};
  // The handler is the same for all signals, and SIGBUS' may be covered by the guard's already. SIGURG's is
  // free: who does not handle it ignores it.
  struct sigaction engine;
  if (start(handle, nothing, SIGURG) != 0 || sigaction(SIGURG, nullptr, &engine) != 0) return false;
  if (engine.sa_flags & SA_SIGINFO) return false;
  if (start(handle, nothing, SIGBUS) != 0) return false;
  engine_handler = engine.sa_handler;
  if (FaultGuard::Install() != 0) return false;
  // Else it is beneath somebody else's handler, which passes on to it whether anybody listens or not.
  if (FaultGuard::IsPrevious(engine_handler)) return true;
  stop(handle);
  return false;
}

bool HoldSignal() {
  static const bool held = ListenForEver();
  return held;
}

void SetHeard(bool heard) { FaultGuard::LeaveOut(heard ? nullptr : engine_handler); }
#endif

// installGuard(): 0; for when the engine may have put a handler of its own in place
Napi::Value InstallGuard(const Napi::CallbackInfo& info) {
  return Failure(info.Env(), FaultGuard::Install());
}

// holdGuard(): whether the engine leaves the guard's handler in place from now on
Napi::Value HoldGuard(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), HoldSignal()); }

// setHeard(heard): 0; whether the engine has a listener for what is not the guard's
Napi::Value SetHeard(const Napi::CallbackInfo& info) {
  SetHeard(FlagAt(info, 0));
  return Result(info.Env(), 0);
}

}  // namespace

void ExportGuard(Napi::Env env, Napi::Object exports) {
  exports.Set("installGuard", Napi::Function::New<InstallGuard>(env, "installGuard"));
  exports.Set("holdGuard", Napi::Function::New<HoldGuard>(env, "holdGuard"));
  exports.Set("setHeard", Napi::Function::New<SetHeard>(env, "setHeard"));
}

}  // namespace sliding_mmap
