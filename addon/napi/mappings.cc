// Windows and views: mappings that JavaScript sees through external ArrayBuffers, named by ids.
#include <errno.h>
#include <napi.h>

#include "core/mapping.h"
#include "core/range.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// A view's ArrayBuffer starts at a multiple of the widest element, so that every typed array fits at a
// position that is aligned in the file.
constexpr uint64_t kWidestElement = 8;

os::Access AccessOf(bool writable) { return writable ? os::Access::kReadWrite : os::Access::kRead; }

Napi::Value Exposed(Napi::Env env, const std::shared_ptr<Lease>& lease, uint8_t* data, size_t length,
                    bool view, size_t byte_offset) {
  uint32_t id = 0;
  const Napi::Value buffer = Environment::Of(env).Expose(lease, data, length, view, &id);
  if (buffer.IsEmpty()) return env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  result.Set("id", Napi::Number::New(env, id));
  result.Set("buffer", buffer);
  result.Set("byteOffset", Napi::Number::New(env, static_cast<double>(byte_offset)));
  return result;
}

// Address space, before the engine's needs: what is kept of released views goes first.
int Reserve(Napi::Env env, Mapping* mapping, size_t capacity, uint64_t position = 0) {
  const int error = mapping->Reserve(capacity, position);
  return error == ENOMEM && Environment::Of(env).GiveBack() ? mapping->Reserve(capacity, position) : error;
}

// createWindow(capacity): { id, buffer, byteOffset: 0 }, a negative errno, or undefined where the engine
// refuses external buffers. `capacity` is a multiple of the granularity.
Napi::Value CreateWindow(const Napi::CallbackInfo& info) {
  size_t capacity;
  if (!SizeAt(info, 0, &capacity)) return Failure(info.Env(), ENOMEM);
  auto lease = std::make_shared<Lease>();
  if (int error = Reserve(info.Env(), &lease->mapping, capacity)) return Failure(info.Env(), error);
  return Exposed(info.Env(), lease, lease->mapping.data(), capacity, false, 0);
}

// slideWindow(id, fd, position, length, writable)
Napi::Value SlideWindow(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  size_t length;
  const int64_t position = IntegerAt(info, 2);
  if (lease == nullptr || position < 0 || !SizeAt(info, 3, &length)) return Failure(info.Env(), EINVAL);
  return Failure(info.Env(), lease->mapping.Slide(DescriptorAt(info, 1), static_cast<uint64_t>(position),
                                                  length, AccessOf(FlagAt(info, 4)), os::Sharing::kShared));
}

// extendWindow(id, fd, length)
Napi::Value ExtendWindow(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  size_t length;
  if (lease == nullptr || !SizeAt(info, 2, &length)) return Failure(info.Env(), EINVAL);
  return Failure(info.Env(), lease->mapping.Extend(DescriptorAt(info, 1), length));
}

// parkWindow(id): zeros, bound to no file, until it is slid again; an errno where it has to be released. No
// job must use it.
Napi::Value ParkWindow(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  if (lease == nullptr || lease->jobs > 0) return Failure(info.Env(), EINVAL);
  return Failure(info.Env(), lease->mapping.Park());
}

// Maps [position, position + length) of a file into a range of its own, which may begin before.
int Map(Napi::Env env, Mapping* mapping, int fd, int64_t position, size_t length, os::Access access,
        os::Sharing sharing) {
  if (position < 0 || length == 0) return EINVAL;
  const uint64_t granularity = os::Granularity();
  const uint64_t base = RoundDown(static_cast<uint64_t>(position), granularity);
  const size_t before = static_cast<size_t>(static_cast<uint64_t>(position) - base);
  uint64_t capacity;
  if (!RoundUp(static_cast<uint64_t>(length) + before, granularity, &capacity) || capacity > SIZE_MAX) {
    return ENOMEM;
  }
  if (int error = Reserve(env, mapping, static_cast<size_t>(capacity), base)) return error;
  return mapping->Slide(fd, base, before + length, access, sharing);
}

// createView(fd, position, length, writable, private): as createWindow; the file's byte at `position` is at
// `byteOffset` of the buffer.
Napi::Value CreateView(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int64_t position = IntegerAt(info, 1);
  size_t length;
  if (!SizeAt(info, 2, &length)) return Failure(env, EINVAL);
  auto lease = std::make_shared<Lease>();
  Mapping& mapping = lease->mapping;
  const os::Sharing sharing = FlagAt(info, 4) ? os::Sharing::kPrivate : os::Sharing::kShared;
  if (int error =
          Map(env, &mapping, DescriptorAt(info, 0), position, length, AccessOf(FlagAt(info, 3)), sharing)) {
    return Failure(env, error);
  }
  const size_t before = static_cast<size_t>(static_cast<uint64_t>(position) - mapping.position());
  const size_t slack = static_cast<size_t>(static_cast<uint64_t>(position) % kWidestElement);
  return Exposed(env, lease, mapping.data() + before - slack, slack + length, true, slack);
}

// isAddressSpaceLimited(): whether somebody limited it
Napi::Value IsAddressSpaceLimited(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), os::IsAddressSpaceLimited());
}

// createPiece(fd, position, length): the id of a private, writable mapping for chunks, or a negative errno
Napi::Value CreatePiece(const Napi::CallbackInfo& info) {
  size_t length;
  if (!SizeAt(info, 2, &length)) return Failure(info.Env(), EINVAL);
  auto lease = std::make_shared<Lease>();
  if (int error = Map(info.Env(), &lease->mapping, DescriptorAt(info, 0), IntegerAt(info, 1), length,
                      os::Access::kReadWrite, os::Sharing::kPrivate)) {
    return Failure(info.Env(), error);
  }
  return Result(info.Env(), Environment::Of(info.Env()).AddPiece(lease));
}

// createChunk(id, offset, length): an ArrayBuffer over a part of a piece; the one before must have been taken
// back. A negative errno, or undefined where the engine refuses.
Napi::Value CreateChunk(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto lease = Environment::Of(env).Find(IdAt(info, 0));
  size_t offset;
  size_t length;
  if (lease == nullptr || !lease->piece || lease->buffer != nullptr || !SizeAt(info, 1, &offset) ||
      !SizeAt(info, 2, &length) || !Contains(lease->mapping.mapped(), offset, length)) {
    return Failure(env, EINVAL);
  }
  const Napi::Value buffer = Environment::Of(env).ExposeChunk(lease, offset, length);
  return buffer.IsEmpty() ? env.Undefined() : buffer;
}

// takeBackChunk(id): empties the array of the chunk that is out, if one is
Napi::Value TakeBackChunk(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  if (lease != nullptr && lease->piece) Environment::Of(info.Env()).TakeBackChunk(lease.get());
  return info.Env().Undefined();
}

// releasePiece(id): takes the chunk back and unmaps the file; forgetMapping is to follow when no chunk is
// left
Napi::Value ReleasePiece(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env()).ReleasePiece(IdAt(info, 0));
  return info.Env().Undefined();
}

// releaseMapping(id, buffer): true when the file is unmapped (or will be, when the jobs that use it have
// ended); false when its memory now belongs to the thread that the buffer was transferred to
Napi::Value ReleaseMapping(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Environment::Of(info.Env()).Release(IdAt(info, 0), info[1]));
}

// forgetMapping(id): its buffer, released or not, has been collected
Napi::Value ForgetMapping(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env()).Forget(IdAt(info, 0));
  return info.Env().Undefined();
}

// mappingFaults(id): how many pages were lost since it was last mapped
Napi::Value MappingFaults(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  return Result(info.Env(), lease == nullptr ? 0 : lease->mapping.faults());
}

// firstFault(id): the byte offset, in the mapping, of the first of them
Napi::Value FirstFault(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  return Result(info.Env(), lease == nullptr ? 0 : static_cast<int64_t>(lease->mapping.first_fault()));
}

// protectMapping(id, writable)
Napi::Value ProtectMapping(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  return Failure(info.Env(), lease == nullptr ? EINVAL : lease->mapping.Protect(AccessOf(FlagAt(info, 1))));
}

// adviseMapping(id, offset, length, advice): `offset` and `length` are cut to whole pages inside what is
// mapped
Napi::Value AdviseMapping(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  size_t offset;
  size_t length;
  const uint32_t advice = IdAt(info, 3);
  if (lease == nullptr || !SizeAt(info, 1, &offset) || !SizeAt(info, 2, &length) ||
      advice >= static_cast<uint32_t>(os::Advice::kCount)) {
    return Failure(info.Env(), EINVAL);
  }
  offset = static_cast<size_t>(RoundDown(offset, os::PageSize()));
  const size_t mapped = lease->mapping.mapped();
  if (offset >= mapped || length == 0) return Result(info.Env(), 0);
  if (length > mapped - offset) length = mapped - offset;
  return Failure(info.Env(),
                 os::Advise(lease->mapping.data() + offset, length, static_cast<os::Advice>(advice)));
}

}  // namespace

void ExportMappings(Napi::Env env, Napi::Object exports) {
  exports.Set("createWindow", Napi::Function::New<CreateWindow>(env, "createWindow"));
  exports.Set("slideWindow", Napi::Function::New<SlideWindow>(env, "slideWindow"));
  exports.Set("extendWindow", Napi::Function::New<ExtendWindow>(env, "extendWindow"));
  exports.Set("parkWindow", Napi::Function::New<ParkWindow>(env, "parkWindow"));
  exports.Set("createView", Napi::Function::New<CreateView>(env, "createView"));
  exports.Set("isAddressSpaceLimited",
              Napi::Function::New<IsAddressSpaceLimited>(env, "isAddressSpaceLimited"));
  exports.Set("createPiece", Napi::Function::New<CreatePiece>(env, "createPiece"));
  exports.Set("createChunk", Napi::Function::New<CreateChunk>(env, "createChunk"));
  exports.Set("takeBackChunk", Napi::Function::New<TakeBackChunk>(env, "takeBackChunk"));
  exports.Set("releasePiece", Napi::Function::New<ReleasePiece>(env, "releasePiece"));
  exports.Set("releaseMapping", Napi::Function::New<ReleaseMapping>(env, "releaseMapping"));
  exports.Set("forgetMapping", Napi::Function::New<ForgetMapping>(env, "forgetMapping"));
  exports.Set("mappingFaults", Napi::Function::New<MappingFaults>(env, "mappingFaults"));
  exports.Set("firstFault", Napi::Function::New<FirstFault>(env, "firstFault"));
  exports.Set("protectMapping", Napi::Function::New<ProtectMapping>(env, "protectMapping"));
  exports.Set("adviseMapping", Napi::Function::New<AdviseMapping>(env, "adviseMapping"));
}

}  // namespace sliding_mmap
