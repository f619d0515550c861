// The addon's entry: run once for every environment that loads it.
#include <errno.h>
#include <napi.h>

#include "core/fault_guard.h"
#include "core/os.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/status.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace sliding_mmap {
namespace {

// The signal handler and the mappings that live on in other threads outlast the environment that loaded the
// addon: keep its code in memory when the last environment that uses it goes.
void StayLoaded() {
#if defined(_WIN32)
  HMODULE self;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                     reinterpret_cast<LPCWSTR>(&StayLoaded), &self);
#else
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&StayLoaded), &self) != 0 && self.dli_fname != nullptr) {
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE);
  }
#endif
}

// One Int32 that counts the faults of the whole process, as an array that every environment sees. Where the
// engine refuses external memory there are no windows either, so that a counter which stays 0 tells the
// truth.
Napi::Value FaultCounter(Napi::Env env, bool* external) {
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  *external = napi_create_external_arraybuffer(env, FaultGuard::Counter(), sizeof(int32_t), nullptr, nullptr,
                                               &buffer) == napi_ok;
  if (!*external) {
    ClearException(env);
    napi_create_arraybuffer(env, sizeof(int32_t), nullptr, &buffer);
  }
  napi_create_typedarray(env, napi_int32_array, 1, buffer, 0, &array);
  return Napi::Value(env, array);
}

Napi::Value InjectFailure(const Napi::CallbackInfo& info) {
  const uint32_t call = IdAt(info, 0);
  if (call >= static_cast<uint32_t>(os::Call::kCount)) return Failure(info.Env(), EINVAL);
  os::InjectFailure(static_cast<os::Call>(call), IntegerAt(info, 1), IntegerAt(info, 2),
                    DescriptorAt(info, 3));
  return Result(info.Env(), 0);
}

Napi::Value MappingCount(const Napi::CallbackInfo& info) { return Result(info.Env(), Mapping::Count()); }

}  // namespace

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  StayLoaded();
  if (int error = FaultGuard::Install()) {
    Napi::Error::New(env, "sliding-mmap: no handler for lost pages, errno " + std::to_string(error))
        .ThrowAsJavaScriptException();
    return exports;
  }
  env.SetInstanceData(new Environment(env));
  exports.Set("granularity", Napi::Number::New(env, static_cast<double>(os::Granularity())));
  exports.Set("pageSize", Napi::Number::New(env, static_cast<double>(os::PageSize())));
  exports.Set("pointerSize", Napi::Number::New(env, sizeof(void*)));
  bool external = false;
  exports.Set("faults", FaultCounter(env, &external));
  exports.Set("externalBuffers", Napi::Boolean::New(env, external));
  exports.Set("mappingCount", Napi::Function::New<MappingCount>(env, "mappingCount"));
  exports.Set("injectFailure", Napi::Function::New<InjectFailure>(env, "injectFailure"));
  ExportGuard(env, exports);
  ExportMappings(env, exports);
  ExportFiles(env, exports);
  ExportHotReads(env, exports);
  ExportPrivateViews(env, exports);
  ExportFutexes(env, exports);
  ExportLocks(env, exports);
  ExportMemory(env, exports);
  ExportResidency(env, exports);
  ExportJobs(env, exports);
  ExportSources(env, exports);
  ExportSearch(env, exports);
  ExportCounting(env, exports);
  return exports;
}

NODE_API_MODULE(sliding_mmap, Init)

}  // namespace sliding_mmap
