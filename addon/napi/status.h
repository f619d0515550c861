// Between the core's errno results and JavaScript's numbers.
#pragma once

#include <errno.h>
#include <napi.h>

#if !defined(ESTALE)
#define ESTALE 116  // Windows has none: Linux's, which window-cache.ts takes there, too
#endif

namespace sliding_mmap {

// Every binding answers with a number: 0 or more for success, a negative errno for a failure. The TypeScript
// side, which knows path and position, makes the error.
inline Napi::Value Result(Napi::Env env, int64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}
inline Napi::Value Failure(Napi::Env env, int error) { return Result(env, -static_cast<int64_t>(error)); }

inline void ClearException(napi_env env) {
  bool pending = false;
  napi_value ignored;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) {
    napi_get_and_clear_last_exception(env, &ignored);
  }
}

}  // namespace sliding_mmap
