// Work for the thread pool, as a promise of a number.
#pragma once

#include <errno.h>
#include <napi.h>

#include <cstdint>
#include <memory>

#include "napi/status.h"

namespace sliding_mmap {

// One call. Made and finished on JavaScript's thread, run on a thread of the pool, where it may touch nothing
// of JavaScript's: not even the memory of a buffer, which JavaScript may transfer or drop meanwhile.
class Job {
 public:
  virtual ~Job() = default;

  // Starts the job and gives its promise.
  static Napi::Value Start(Napi::Env env, std::unique_ptr<Job> job) {
    napi_value promise = nullptr;
    napi_value name = nullptr;
    Job* raw = job.release();  // Complete takes it back
    napi_create_promise(env, &raw->deferred_, &promise);
    napi_create_string_utf8(env, "sliding-mmap", NAPI_AUTO_LENGTH, &name);
    if (napi_create_async_work(env, nullptr, name, Execute, Complete, raw, &raw->work_) != napi_ok ||
        napi_queue_async_work(env, raw->work_) != napi_ok) {
      ClearException(env);
      Complete(env, napi_cancelled, raw);
    }
    return Napi::Value(env, promise);
  }

 protected:
  virtual int64_t Run() = 0;
  // On JavaScript's thread again, also when the environment is about to end; may change the result.
  virtual int64_t Finish(Napi::Env env, int64_t result) { return result; }

 private:
  static void Execute(napi_env, void* data) {
    Job* job = static_cast<Job*>(data);
    job->result_ = job->Run();
  }
  static void Complete(napi_env env, napi_status status, void* data) {
    const std::unique_ptr<Job> job(static_cast<Job*>(data));
    const int64_t result = job->Finish(env, status == napi_cancelled ? -ECANCELED : job->result_);
    // In a terminated worker JavaScript no longer runs: the calls fail, and nobody waits for the promise.
    napi_value value;
    if (napi_create_double(env, static_cast<double>(result), &value) == napi_ok) {
      napi_resolve_deferred(env, job->deferred_, value);
    }
    if (job->work_ != nullptr) napi_delete_async_work(env, job->work_);
  }

  napi_async_work work_ = nullptr;
  napi_deferred deferred_ = nullptr;
  int64_t result_ = 0;
};

inline Napi::Value Resolved(Napi::Env env, int64_t result) {
  Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
  deferred.Resolve(Result(env, result));
  return deferred.Promise();
}

}  // namespace sliding_mmap
