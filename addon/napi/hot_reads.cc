// Reads that a mapping serves without waiting: one call each, because small reads are mostly made of calls.
#include <errno.h>
#include <napi.h>
#include <string.h>

#include "core/os.h"
#include "core/range.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// Size of the file that a descriptor is open on, or -ESTALE when it is not the one that `mark` was made from.
// A mapping keeps its file, and so the number of its inode: equal numbers are the same file.
int64_t SizeIfSame(napi_env env, int fd, napi_value mark) {
  os::FileStatus status;
  if (int error = os::Status(fd, &status)) return -error;
  void* known = nullptr;
  if (napi_get_value_external(env, mark, &known) != napi_ok ||
      !(*static_cast<os::FileId*>(known) == status.id)) {
    return -ESTALE;
  }
  return static_cast<int64_t>(status.size);
}

// fileMark(fd): what tells the file that a descriptor is open on from all others, as an opaque value
Napi::Value FileMark(const Napi::CallbackInfo& info) {
  os::FileStatus status;
  if (int error = os::Status(DescriptorAt(info, 0), &status)) return Failure(info.Env(), error);
  return Napi::External<os::FileId>::New(info.Env(), new os::FileId(status.id),
                                         [](Napi::Env, os::FileId* id) { delete id; });
}

// sizeIfSame(fd, mark): bytes; -ESTALE when the descriptor is another file's
Napi::Value SizeIfSame(const Napi::CallbackInfo& info) {
  return Result(info.Env(), SizeIfSame(info.Env(), DescriptorAt(info, 0), info[1]));
}

// sameOpening(fd, other): 1, 0, or -EOPNOTSUPP
Napi::Value SameOpening(const Napi::CallbackInfo& info) {
  return Result(info.Env(), os::SameOpening(DescriptorAt(info, 0), DescriptorAt(info, 1)));
}

// tellsResidency(fd): 1 when readMapped can know what of the file is in memory
Napi::Value TellsResidency(const Napi::CallbackInfo& info) {
  return Result(info.Env(), os::TellsResidency(DescriptorAt(info, 0)) ? 1 : 0);
}

// isCold(id, from, length): 1 when some of that of a mapping is known not to be in memory, else 0
Napi::Value IsCold(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  size_t from;
  size_t length;
  if (!SizeAt(info, 1, &from) || !SizeAt(info, 2, &length)) return Failure(env, EINVAL);
  const auto lease = Environment::Of(env).Find(IdAt(info, 0));
  if (lease == nullptr || !Contains(lease->mapping.mapped(), from, length)) return Failure(env, EINVAL);
  return Result(env, os::IsCold(lease->mapping.data() + from, length) ? 1 : 0);
}

// readMapped(id, from, array, offset, length, fd, mark): copies out of a mapping, if that waits for nothing,
// and gives the size that the file had afterwards; -EAGAIN when something of it is not in memory. Without a
// mark the descriptor is known to be the file's. Whether a page was lost, the caller looks.
Napi::Value ReadMapped(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  size_t from;
  size_t offset;
  size_t length;
  if (!SizeAt(info, 1, &from) || !SizeAt(info, 3, &offset) || !SizeAt(info, 4, &length)) {
    return Failure(env, EINVAL);
  }
  const auto lease = Environment::Of(env).Find(IdAt(info, 0));
  if (length == 0 || lease == nullptr || !Contains(lease->mapping.mapped(), from, length)) {
    return Failure(env, EINVAL);
  }
  uint8_t* target = BytesOf(env, info[2], offset, length);
  if (target == nullptr) return Failure(env, EINVAL);
  const int fd = DescriptorAt(info, 5);
  const auto size = [&]() -> int64_t {
    if (info.Length() > 6) return SizeIfSame(env, fd, info[6]);
    os::FileStatus status;
    const int error = os::Status(fd, &status);
    return error != 0 ? -error : static_cast<int64_t>(status.size);
  };
  const uint8_t* source = lease->mapping.data() + from;
  if (!os::IsResident(source, length)) return Failure(env, EAGAIN);
  // The target is left alone where the file may have been cut, which zeroes the rest of its last page.
  if (source[length - 1] == 0) {
    const int64_t before = size();
    if (before < 0 || static_cast<uint64_t>(before) < lease->mapping.position() + from + length) {
      return Result(env, before);
    }
  }
  memmove(target, source, length);
  return Result(env, size());
}

}  // namespace

void ExportHotReads(Napi::Env env, Napi::Object exports) {
  exports.Set("fileMark", Napi::Function::New<FileMark>(env, "fileMark"));
  exports.Set("sizeIfSame", Napi::Function::New<SizeIfSame>(env, "sizeIfSame"));
  exports.Set("sameOpening", Napi::Function::New<SameOpening>(env, "sameOpening"));
  exports.Set("tellsResidency", Napi::Function::New<TellsResidency>(env, "tellsResidency"));
  exports.Set("isCold", Napi::Function::New<IsCold>(env, "isCold"));
  exports.Set("readMapped", Napi::Function::New<ReadMapped>(env, "readMapped"));
}

}  // namespace sliding_mmap
