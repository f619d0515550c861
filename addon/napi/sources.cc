// Descriptors for what has no positions, and for the files that it is copied into.
#include <errno.h>
#include <napi.h>

#include <string>

#include "core/os.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// reopen(fd, writing): a descriptor on the same pipe, socket or terminal for somebody who makes it
// non-blocking and closes it. `fd` is one that the environment owns, or is non-blocking. Where the open file
// has to be shared, it is made blocking again, if it is so now, when `fd` is closed.
Napi::Value Reopen(const Napi::CallbackInfo& info) {
  const int fd = DescriptorAt(info, 0);
  int own = -1;
  if (os::Reopen(fd, FlagAt(info, 1), &own) == 0) return Result(info.Env(), own);
  bool blocking = false;
  if (int error = os::IsBlocking(fd, &blocking)) return Failure(info.Env(), error);
  if (int error = os::Duplicate(fd, &own)) return Failure(info.Env(), error);
  if (blocking) Environment::Of(info.Env()).RestoreBlocking(fd);
  return Result(info.Env(), own);
}

// closeReopened(fd): when nobody has taken it over
Napi::Value CloseReopened(const Napi::CallbackInfo& info) {
  os::Close(DescriptorAt(info, 0));
  return Result(info.Env(), 0);
}

// openUnlinked(folder): the descriptor, owned by the environment, of a new file without a name
Napi::Value OpenUnlinked(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (int error = os::OpenUnlinked(info[0].ToString().Utf8Value().c_str(), &fd)) {
    return Failure(info.Env(), error);
  }
  Environment::Of(info.Env()).Own(fd);
  return Result(info.Env(), fd);
}

}  // namespace

void ExportSources(Napi::Env env, Napi::Object exports) {
  exports.Set("reopen", Napi::Function::New<Reopen>(env, "reopen"));
  exports.Set("closeReopened", Napi::Function::New<CloseReopened>(env, "closeReopened"));
  exports.Set("openUnlinked", Napi::Function::New<OpenUnlinked>(env, "openUnlinked"));
}

}  // namespace sliding_mmap
