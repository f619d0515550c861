// Waiting for Int32s of mapped files.
#include <errno.h>
#include <napi.h>

#include <mutex>
#include <vector>

#include "core/futex.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/status.h"

namespace sliding_mmap {

// The watches of one environment, and the way from their threads to its own. Ends with the environment: its
// hook is younger than that of the function it calls, and so runs before.
class Rousing final : public FutexWatch::Listener {
 public:
  explicit Rousing(napi_env env) : env_(env) {}

  // 0, or an errno. Starts the first watch, so that it is known whether there can be any.
  int Listen(napi_value callback) {
    if (int error = AddWatch()) return error;
    napi_value name = nullptr;
    napi_create_string_utf8(env_, "sliding-mmap", NAPI_AUTO_LENGTH, &name);
    if (napi_create_threadsafe_function(env_, callback, nullptr, name, 0, 1, nullptr, nullptr, this, Tell,
                                        &function_) != napi_ok) {
      ClearException(env_);
      return EAGAIN;
    }
    // Whoever waits keeps the process alive by other means.
    napi_unref_threadsafe_function(env_, function_);
    napi_add_env_cleanup_hook(env_, BeforeClosing, this);
    return 0;
  }

  int Wait(uint32_t id, const int32_t* word, int32_t expected) {
    for (const auto& watch : watches_) {
      if (watch->Add(id, word, expected)) return 0;
    }
    if (int error = AddWatch()) return error;
    return watches_.back()->Add(id, word, expected) ? 0 : EAGAIN;
  }

  void Cancel(uint32_t id) {
    for (const auto& watch : watches_) {
      if (watch->Remove(id)) return;
    }
  }

  void Roused(uint32_t id, int error) override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      roused_.push_back({id, error});
      if (roused_.size() > 1) return;  // JavaScript's thread has been told, and has not looked yet
    }
    napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  }

 private:
  struct Event {
    uint32_t id;
    int error;
  };

  int AddWatch() {
    std::unique_ptr<FutexWatch> watch;
    if (int error = FutexWatch::Start(this, &watch)) return error;
    watches_.push_back(std::move(watch));
    return 0;
  }

  static void Tell(napi_env env, napi_value callback, void* context, void*) {
    if (env == nullptr) return;  // the environment is about to end
    auto* self = static_cast<Rousing*>(context);
    std::vector<Event> events;
    {
      const std::lock_guard<std::mutex> guard(self->mutex_);
      events.swap(self->roused_);
    }
    napi_value receiver = nullptr;
    napi_get_undefined(env, &receiver);
    for (const Event& event : events) {
      napi_value arguments[2];
      napi_create_uint32(env, event.id, &arguments[0]);
      napi_create_int32(env, event.error, &arguments[1]);
      if (napi_call_function(env, receiver, callback, 2, arguments, nullptr) != napi_ok) return;
    }
  }

  static void BeforeClosing(void* data) {
    auto* self = static_cast<Rousing*>(data);
    self->watches_.clear();
    napi_release_threadsafe_function(self->function_, napi_tsfn_abort);
  }

  const napi_env env_;
  napi_threadsafe_function function_ = nullptr;
  std::vector<std::unique_ptr<FutexWatch>> watches_;
  std::mutex mutex_;
  std::vector<Event> roused_;
};

namespace {

// The word that is meant by an Int32Array and an index; null when it is not inside.
const int32_t* WordAt(const Napi::CallbackInfo& info, size_t index) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(info.Env(), info[index], &type, &length, &data, nullptr, nullptr) != napi_ok) {
    return nullptr;
  }
  const uint32_t at = IdAt(info, index + 1);
  if (type != napi_int32_array || data == nullptr || at >= length) return nullptr;
  return static_cast<const int32_t*>(data) + at;
}

// futexWait(words, index, expected, milliseconds): 0, or -EAGAIN, -ETIMEDOUT, -EFAULT; blocks
Napi::Value FutexWait(const Napi::CallbackInfo& info) {
  const int32_t* word = WordAt(info, 0);
  const int64_t milliseconds = IntegerAt(info, 3);
  if (word == nullptr || milliseconds < 0) return Failure(info.Env(), EINVAL);
  return Failure(info.Env(), os::FutexWait(word, DescriptorAt(info, 2), milliseconds));
}

// futexWake(words, index, count): how many
Napi::Value FutexWake(const Napi::CallbackInfo& info) {
  const int32_t* word = WordAt(info, 0);
  if (word == nullptr) return Failure(info.Env(), EINVAL);
  return Result(info.Env(), os::FutexWake(word, DescriptorAt(info, 2)));
}

// futexListen(callback): 0; `callback(id, errno)` is called for whoever was added by futexAdd
Napi::Value FutexListen(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  if (environment.rousing != nullptr) return Failure(info.Env(), EEXIST);
  auto rousing = std::make_shared<Rousing>(info.Env());
  if (int error = rousing->Listen(info[0])) return Failure(info.Env(), error);
  environment.rousing = std::move(rousing);
  return Result(info.Env(), 0);
}

// futexAdd(id, words, index, expected): 0
Napi::Value FutexAdd(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Rousing>& rousing = Environment::Of(info.Env()).rousing;
  const int32_t* word = WordAt(info, 1);
  if (word == nullptr || rousing == nullptr) return Failure(info.Env(), EINVAL);
  return Failure(info.Env(), rousing->Wait(IdAt(info, 0), word, DescriptorAt(info, 3)));
}

// futexRemove(id)
Napi::Value FutexRemove(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Rousing>& rousing = Environment::Of(info.Env()).rousing;
  if (rousing != nullptr) rousing->Cancel(IdAt(info, 0));
  return Result(info.Env(), 0);
}

}  // namespace

void ExportFutexes(Napi::Env env, Napi::Object exports) {
  exports.Set("futexWait", Napi::Function::New<FutexWait>(env, "futexWait"));
  exports.Set("futexWake", Napi::Function::New<FutexWake>(env, "futexWake"));
  exports.Set("futexListen", Napi::Function::New<FutexListen>(env, "futexListen"));
  exports.Set("futexAdd", Napi::Function::New<FutexAdd>(env, "futexAdd"));
  exports.Set("futexRemove", Napi::Function::New<FutexRemove>(env, "futexRemove"));
}

}  // namespace sliding_mmap
