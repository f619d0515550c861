// Searching the bytes of arrays, on JavaScript's thread.
#include <errno.h>
#include <napi.h>

#include <memory>
#include <new>

#include "core/array.h"
#include "core/scan.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// What JavaScript holds as an External.
struct Search {
  NeedleSet needles;
  // Of lines; empty where they do not matter.
  Array<uint8_t> delimiter;
};

// Marks the External, so that no other one is taken for it. Any number will do.
constexpr napi_type_tag kSearchTag = {0x736c6964696e676d, 0x6d61702d73656172};

// EINVAL when it is no Uint8Array of at least one byte.
int CopyBytes(napi_env env, napi_value array, Array<uint8_t>* bytes) {
  size_t length = 0;
  if (napi_get_typedarray_info(env, array, nullptr, &length, nullptr, nullptr, nullptr) != napi_ok) {
    return EINVAL;
  }
  const uint8_t* data = BytesOf(env, array, 0, length);
  if (data == nullptr || length == 0) return EINVAL;
  return bytes->Copy(data, length) ? 0 : ENOMEM;
}

// createSearch(needles, ignoresCase, delimiter): an External, or a negative errno: -EINVAL for needles that
// are none. `needles` are Uint8Arrays, `delimiter` is one or undefined.
Napi::Value CreateSearch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Array arrays = info[0].As<Napi::Array>();
  const uint32_t count = arrays.Length();
  if (count == 0) return Failure(env, EINVAL);
  Array<Array<uint8_t>> needles;
  if (!needles.Allocate(count)) return Failure(env, ENOMEM);
  for (uint32_t i = 0; i < count; ++i) {
    const Napi::HandleScope scope(env);
    if (int error = CopyBytes(env, arrays.Get(i), &needles[i])) return Failure(env, error);
  }
  std::unique_ptr<Search> search(new (std::nothrow) Search);
  if (search == nullptr || !search->needles.Prepare(std::move(needles), FlagAt(info, 1)) ||
      CopyBytes(env, info[2], &search->delimiter) == ENOMEM) {
    return Failure(env, ENOMEM);
  }
  Napi::External<Search> external =
      Napi::External<Search>::New(env, search.get(), [](Napi::Env, Search* finished) { delete finished; });
  search.release();  // the External's finalizer deletes it
  external.TypeTag(&kSearchTag);
  return external;
}

// scan(search, bytes, from, limit, overlapping, counts, results): the number of matches that begin in
// [from, limit) of `bytes` and end inside them. `results` is a Uint32Array: the offset to go on from, then an
// offset and a needle's index for each match, unless they are only to be counted. -1 for arguments that are
// none.
Napi::Value Scan(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  size_t length = 0;
  size_t from = 0;
  size_t limit = 0;
  size_t room = 0;
  napi_typedarray_type type;
  void* data = nullptr;
  napi_get_typedarray_info(env, info[1], nullptr, &length, nullptr, nullptr, nullptr);
  const uint8_t* bytes = BytesOf(env, info[1], 0, length);
  if (bytes == nullptr || length > UINT32_MAX || !SizeAt(info, 2, &from) || !SizeAt(info, 3, &limit) ||
      napi_get_typedarray_info(env, info[6], &type, &room, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint32_array || room == 0) {
    return Result(env, -1);
  }
  bool tagged = false;
  napi_check_object_type_tag(env, info[0], &kSearchTag, &tagged);
  ClearException(env);
  if (!tagged) return Result(env, -1);
  Search* search = info[0].As<Napi::External<Search>>().Data();
  const bool counts = FlagAt(info, 5);
  const size_t capacity = (room - 1) / 2;
  if (!counts && capacity < search->needles.size()) return Result(env, -1);
  const Needle delimiter = search->delimiter.empty()
                               ? Needle(reinterpret_cast<const uint8_t*>("\n"), 1, false)
                               : Needle(search->delimiter.data(), search->delimiter.size(), false);
  const NeedleSet::Options options = {FlagAt(info, 4), search->delimiter.empty() ? nullptr : &delimiter};
  auto* results = static_cast<uint32_t*>(data);
  auto* matches = reinterpret_cast<NeedleSet::Match*>(results + 1);
  const NeedleSet::Result result =
      search->needles.Scan(bytes, length, from, limit, options, counts ? nullptr : matches, capacity);
  results[0] = static_cast<uint32_t>(result.resume);
  return Result(env, static_cast<int64_t>(result.found));
}

// findEach(bytes, offset, length, byte, offsets, copy): the number of places where the byte stands in
// [offset, offset + length), or -2 less that number where not all of these bytes are ASCII; `offsets` is a
// Uint32Array of `length` elements at least, and gets where they are, counted from `offset`. The bytes are
// copied to the beginning of `copy`, unless it is undefined. -1 for arguments that are none.
Napi::Value FindEachOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  size_t offset;
  size_t length;
  size_t room = 0;
  napi_typedarray_type type;
  void* data = nullptr;
  if (!SizeAt(info, 1, &offset) || !SizeAt(info, 2, &length) || length > UINT32_MAX) return Result(env, -1);
  const uint8_t* bytes = BytesOf(env, info[0], offset, length);
  const bool copies = !info[5].IsUndefined();
  uint8_t* copy = copies ? BytesOf(env, info[5], 0, length) : nullptr;
  if (bytes == nullptr || (copies && copy == nullptr) ||
      napi_get_typedarray_info(env, info[4], &type, &room, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint32_array || room < length) {
    return Result(env, -1);
  }
  const Places places =
      FindEach(bytes, length, static_cast<uint8_t>(IdAt(info, 3)), static_cast<uint32_t*>(data), copy);
  const auto count = static_cast<int64_t>(places.count);
  return Result(env, places.is_ascii ? count : -2 - count);
}

// find(array, offset, length, needle, last): where the needle, a Uint8Array, stands in the array's
// [offset, offset + length), counted from `offset`; -1 when it does not
Napi::Value FindBytes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  size_t offset;
  size_t length;
  size_t needle_length = 0;
  napi_get_typedarray_info(env, info[3], nullptr, &needle_length, nullptr, nullptr, nullptr);
  if (needle_length == 0 || !SizeAt(info, 1, &offset) || !SizeAt(info, 2, &length)) return Result(env, -1);
  const uint8_t* haystack = BytesOf(env, info[0], offset, length);
  const uint8_t* needle = BytesOf(env, info[3], 0, needle_length);
  if (haystack == nullptr || needle == nullptr) return Result(env, -1);
  return Result(env, FlagAt(info, 4) ? FindLast(haystack, length, needle, needle_length)
                                     : Find(haystack, length, needle, needle_length));
}

}  // namespace

void ExportSearch(Napi::Env env, Napi::Object exports) {
  exports.Set("createSearch", Napi::Function::New<CreateSearch>(env, "createSearch"));
  exports.Set("scan", Napi::Function::New<Scan>(env, "scan"));
  exports.Set("findEach", Napi::Function::New<FindEachOf>(env, "findEach"));
  exports.Set("find", Napi::Function::New<FindBytes>(env, "find"));
}

}  // namespace sliding_mmap
