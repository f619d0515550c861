// Which pages of a file are in memory, which are to stay there, and which to go.
#include <errno.h>
#include <napi.h>

#include <memory>
#include <utility>

#include "core/mapping.h"
#include "core/os.h"
#include "core/range.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/job.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// residency(fd, position, map): how many of the pages from `position` on, one for each byte of the
// Uint8Array, are in memory; the array gets which
Napi::Value Residency(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  size_t pages = 0;
  const int64_t position = IntegerAt(info, 1);
  napi_get_typedarray_info(env, info[2], nullptr, &pages, nullptr, nullptr, nullptr);
  uint8_t* map = BytesOf(env, info[2], 0, pages);
  if (map == nullptr || position < 0 || position % static_cast<int64_t>(os::PageSize()) != 0) {
    return Failure(env, EINVAL);
  }
  uint64_t resident = 0;
  const int error =
      os::Residency(DescriptorAt(info, 0), static_cast<uint64_t>(position), pages, map, &resident);
  return Result(env, error != 0 ? -error : static_cast<int64_t>(resident));
}

// A mapping that nobody reads. Owned by the JavaScript value that stands for it, until that is released or
// collected, and by the job that locks it.
using Pin = std::shared_ptr<Mapping>;

Pin* PinAt(const Napi::CallbackInfo& info, size_t index) {
  void* pin = nullptr;
  return napi_get_value_external(info.Env(), info[index], &pin) == napi_ok ? static_cast<Pin*>(pin) : nullptr;
}

// createPin(fd, position, length): an opaque value, or a negative errno
Napi::Value CreatePin(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int64_t position = IntegerAt(info, 1);
  size_t length;
  uint64_t whole;
  if (position < 0 || !SizeAt(info, 2, &length) || !RoundUp(length, os::Granularity(), &whole) ||
      whole > SIZE_MAX) {
    return Failure(env, ENOMEM);
  }
  const size_t capacity = static_cast<size_t>(whole);
  auto mapping = std::make_shared<Mapping>();
  int error = mapping->Reserve(capacity, static_cast<uint64_t>(position));
  if (error == ENOMEM && Environment::Of(env).GiveBack()) {
    error = mapping->Reserve(capacity, static_cast<uint64_t>(position));
  }
  if (error == 0) {
    error = mapping->Slide(DescriptorAt(info, 0), static_cast<uint64_t>(position), length, os::Access::kRead,
                           os::Sharing::kShared);
  }
  if (error != 0) return Failure(env, error);
  return Napi::External<Pin>::New(env, new Pin(std::move(mapping)), [](Napi::Env, Pin* pin) { delete pin; });
}

class LockJob : public Job {
 public:
  explicit LockJob(Pin pin) : pin_(std::move(pin)) {}

 protected:
  int64_t Run() override { return -os::LockMemory(pin_->data(), pin_->mapped()); }

 private:
  Pin pin_;
};

// lockPin(pin): 0, when its pages are in memory
Napi::Value LockPin(const Napi::CallbackInfo& info) {
  const Pin* pin = PinAt(info, 0);
  if (pin == nullptr || *pin == nullptr) return Resolved(info.Env(), -EINVAL);
  return Job::Start(info.Env(), std::make_unique<LockJob>(*pin));
}

// releasePin(pin): idempotent
Napi::Value ReleasePin(const Napi::CallbackInfo& info) {
  if (Pin* pin = PinAt(info, 0)) pin->reset();
  return info.Env().Undefined();
}

// mostLocked(): bytes; -1 where there is no limit
Napi::Value MostLocked(const Napi::CallbackInfo& info) {
  const uint64_t most = os::MostLocked();
  return Result(info.Env(), most > INT64_MAX ? -1 : static_cast<int64_t>(most));
}

// adviseFile(fd, position, length, advice): 0
Napi::Value AdviseFile(const Napi::CallbackInfo& info) {
  const uint32_t advice = IdAt(info, 3);
  if (advice >= static_cast<uint32_t>(os::Advice::kCount)) return Failure(info.Env(), EINVAL);
  return Failure(info.Env(),
                 os::AdviseFile(DescriptorAt(info, 0), static_cast<uint64_t>(IntegerAt(info, 1)),
                                static_cast<uint64_t>(IntegerAt(info, 2)), static_cast<os::Advice>(advice)));
}

class DropCacheJob : public Job {
 public:
  DropCacheJob(int fd, uint64_t position, uint64_t length) : fd_(fd), position_(position), length_(length) {}

 protected:
  int64_t Run() override { return -os::DropCache(fd_, position_, length_); }

 private:
  int fd_;
  uint64_t position_;
  uint64_t length_;
};

// dropCacheAsync(fd, position, length): 0; a length of 0 is all from there on
Napi::Value DropCacheAsync(const Napi::CallbackInfo& info) {
  return Job::Start(info.Env(), std::make_unique<DropCacheJob>(DescriptorAt(info, 0),
                                                               static_cast<uint64_t>(IntegerAt(info, 1)),
                                                               static_cast<uint64_t>(IntegerAt(info, 2))));
}

}  // namespace

void ExportResidency(Napi::Env env, Napi::Object exports) {
  exports.Set("residency", Napi::Function::New<Residency>(env, "residency"));
  exports.Set("createPin", Napi::Function::New<CreatePin>(env, "createPin"));
  exports.Set("lockPin", Napi::Function::New<LockPin>(env, "lockPin"));
  exports.Set("releasePin", Napi::Function::New<ReleasePin>(env, "releasePin"));
  exports.Set("mostLocked", Napi::Function::New<MostLocked>(env, "mostLocked"));
  exports.Set("adviseFile", Napi::Function::New<AdviseFile>(env, "adviseFile"));
  exports.Set("dropCacheAsync", Napi::Function::New<DropCacheAsync>(env, "dropCacheAsync"));
}

}  // namespace sliding_mmap
