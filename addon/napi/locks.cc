// Advisory locks of files, each on an open file of its own.
#include <errno.h>
#include <napi.h>

#include "core/os.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// reopenForLocks(fd): a descriptor for lock, closed as duplicate's is
Napi::Value ReopenForLocks(const Napi::CallbackInfo& info) {
  int own = -1;
  if (int error = os::ReopenForLocks(DescriptorAt(info, 0), &own)) return Failure(info.Env(), error);
  Environment::Of(info.Env()).Own(own);
  return Result(info.Env(), own);
}

// lock(fd, start, length, kind): 0; `kind` is 0 to give it back, 1 shared, 2 exclusive
Napi::Value Lock(const Napi::CallbackInfo& info) {
  const uint32_t kind = IdAt(info, 3);
  const int64_t start = IntegerAt(info, 1);
  const int64_t length = IntegerAt(info, 2);
  if (kind > 2 || start < 0 || length < 0) return Failure(info.Env(), EINVAL);
  return Failure(info.Env(), os::Lock(DescriptorAt(info, 0), static_cast<uint64_t>(start),
                                      static_cast<uint64_t>(length), static_cast<os::LockKind>(kind)));
}

}  // namespace

void ExportLocks(Napi::Env env, Napi::Object exports) {
  exports.Set("reopenForLocks", Napi::Function::New<ReopenForLocks>(env, "reopenForLocks"));
  exports.Set("lock", Napi::Function::New<Lock>(env, "lock"));
}

}  // namespace sliding_mmap
