// Reading arguments. The TypeScript side has validated them; these only make sure that nothing out of range
// reaches the core.
#pragma once

#include <napi.h>

#include <cstdint>

#include "core/range.h"

namespace sliding_mmap {

inline int64_t IntegerAt(const Napi::CallbackInfo& info, size_t index) {
  int64_t value = 0;
  napi_get_value_int64(info.Env(), info[index], &value);
  return value;
}

inline int DescriptorAt(const Napi::CallbackInfo& info, size_t index) {
  int32_t value = -1;
  napi_get_value_int32(info.Env(), info[index], &value);
  return value;
}

inline uint32_t IdAt(const Napi::CallbackInfo& info, size_t index) {
  uint32_t value = 0;
  napi_get_value_uint32(info.Env(), info[index], &value);
  return value;
}

inline bool FlagAt(const Napi::CallbackInfo& info, size_t index) {
  bool value = false;
  napi_get_value_bool(info.Env(), info[index], &value);
  return value;
}

// A length or an offset in memory; false when it does not fit this address space.
inline bool SizeAt(const Napi::CallbackInfo& info, size_t index, size_t* size) {
  const int64_t value = IntegerAt(info, index);
  if (value < 0 || static_cast<uint64_t>(value) > SIZE_MAX) return false;
  *size = static_cast<size_t>(value);
  return true;
}

// The memory of [offset, offset + length) of a Uint8Array, as it is now; null when it is not inside. Valid
// until JavaScript runs again.
inline uint8_t* BytesOf(napi_env env, napi_value array, size_t offset, size_t length) {
  napi_typedarray_type type;
  size_t size = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, array, &type, &size, &data, nullptr, nullptr) != napi_ok) return nullptr;
  if (type != napi_uint8_array || !Contains(size, offset, length)) return nullptr;
  // A detached or empty array has no memory; any address does for no bytes.
  static uint8_t none;
  if (data == nullptr) return length == 0 ? &none : nullptr;
  return static_cast<uint8_t*>(data) + offset;
}

}  // namespace sliding_mmap
