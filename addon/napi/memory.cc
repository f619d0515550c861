// Files that lie in memory: without a name, and with one that other processes open.
#include <errno.h>
#include <napi.h>

#include <memory>
#include <string>
#include <utility>

#include "core/os.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/job.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

std::string TextAt(const Napi::CallbackInfo& info, size_t index) {
  return info[index].ToString().Utf8Value();
}

// createAnonymous(folder): the descriptor, owned by the environment, of a file of 0 bytes
Napi::Value CreateAnonymous(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (int error = os::CreateAnonymous(TextAt(info, 0).c_str(), &fd)) return Failure(info.Env(), error);
  Environment::Of(info.Env()).Own(fd);
  return Result(info.Env(), fd);
}

class CreateSharedJob : public Job {
 public:
  CreateSharedJob(std::string folder, std::string name, uint64_t size)
      : folder_(std::move(folder)), name_(std::move(name)), size_(size) {}

 protected:
  int64_t Run() override {
    int fd = -1;
    const int error = os::CreateShared(folder_.c_str(), name_.c_str(), size_, &fd);
    return error != 0 ? -error : fd;
  }
  int64_t Finish(Napi::Env env, int64_t result) override {
    if (result >= 0) Environment::Of(env).Own(static_cast<int>(result));
    return result;
  }

 private:
  std::string folder_;
  std::string name_;
  uint64_t size_;
};

// createShared(folder, name, size): the descriptor, owned by the environment
Napi::Value CreateShared(const Napi::CallbackInfo& info) {
  int fd = -1;
  const auto size = static_cast<uint64_t>(IntegerAt(info, 2));
  if (int error = os::CreateShared(TextAt(info, 0).c_str(), TextAt(info, 1).c_str(), size, &fd)) {
    return Failure(info.Env(), error);
  }
  Environment::Of(info.Env()).Own(fd);
  return Result(info.Env(), fd);
}

// createSharedAsync(folder, name, size): as createShared
Napi::Value CreateSharedAsync(const Napi::CallbackInfo& info) {
  return Job::Start(info.Env(), std::make_unique<CreateSharedJob>(TextAt(info, 0), TextAt(info, 1),
                                                                  static_cast<uint64_t>(IntegerAt(info, 2))));
}

}  // namespace

void ExportMemory(Napi::Env env, Napi::Object exports) {
  exports.Set("createAnonymous", Napi::Function::New<CreateAnonymous>(env, "createAnonymous"));
  exports.Set("createShared", Napi::Function::New<CreateShared>(env, "createShared"));
  exports.Set("createSharedAsync", Napi::Function::New<CreateSharedAsync>(env, "createSharedAsync"));
}

}  // namespace sliding_mmap
