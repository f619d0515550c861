// Calls on descriptors, on the calling thread.
#include <errno.h>
#include <napi.h>

#include <string>

#include "core/inside.h"
#include "core/os.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// fileSize(fd): bytes
Napi::Value FileSize(const Napi::CallbackInfo& info) {
  os::FileStatus status;
  if (int error = os::Status(DescriptorAt(info, 0), &status)) return Failure(info.Env(), error);
  return Result(info.Env(), static_cast<int64_t>(status.size));
}

// fileKind(fd): 0 regular, 1 directory, 2 block device, 3 anything else
Napi::Value FileKind(const Napi::CallbackInfo& info) {
  os::FileStatus status;
  if (int error = os::Status(DescriptorAt(info, 0), &status)) return Failure(info.Env(), error);
  return Result(info.Env(), static_cast<int64_t>(status.kind));
}

// duplicate(fd), duplicateAside(fd): a second descriptor on the same open file, owned by the environment
template <int (*kDuplicate)(int, int*)>
Napi::Value DuplicateWith(const Napi::CallbackInfo& info) {
  int duplicate = -1;
  if (int error = kDuplicate(DescriptorAt(info, 0), &duplicate)) return Failure(info.Env(), error);
  Environment::Of(info.Env()).Own(duplicate);
  return Result(info.Env(), duplicate);
}

// reopenForHoles(fd): a descriptor for nextData, closed as duplicate's is
Napi::Value ReopenForHoles(const Napi::CallbackInfo& info) {
  int own = -1;
  if (int error = os::ReopenForHoles(DescriptorAt(info, 0), &own)) return Failure(info.Env(), error);
  Environment::Of(info.Env()).Own(own);
  return Result(info.Env(), own);
}

// nextData(fd, position): position of the first byte from there on that is not in a hole, or the file's size
Napi::Value NextData(const Napi::CallbackInfo& info) {
  return Result(info.Env(), os::NextData(DescriptorAt(info, 0), IntegerAt(info, 1)));
}

// closeDuplicate(fd)
Napi::Value CloseDuplicate(const Napi::CallbackInfo& info) {
  const int fd = DescriptorAt(info, 0);
  return Failure(info.Env(), Environment::Of(info.Env()).CloseOwned(fd) ? 0 : EBADF);
}

// openMode(fd): bit 0 readable, bit 1 writable, bit 2 appending
Napi::Value OpenMode(const Napi::CallbackInfo& info) {
  os::OpenMode mode;
  if (int error = os::Mode(DescriptorAt(info, 0), &mode)) return Failure(info.Env(), error);
  return Result(info.Env(), (mode.readable ? 1 : 0) | (mode.writable ? 2 : 0) | (mode.appending ? 4 : 0));
}

// truncate(fd, size): 0
Napi::Value Truncate(const Napi::CallbackInfo& info) {
  const int fd = DescriptorAt(info, 0);
  const Turn turn(fd);
  return Failure(info.Env(), os::Truncate(fd, static_cast<uint64_t>(IntegerAt(info, 1))));
}

// allocate(fd, position, length): 0
Napi::Value Allocate(const Napi::CallbackInfo& info) {
  return Failure(info.Env(), os::Allocate(DescriptorAt(info, 0), static_cast<uint64_t>(IntegerAt(info, 1)),
                                          static_cast<uint64_t>(IntegerAt(info, 2))));
}

// read(fd, array, offset, length, position): bytes read; position -1 is the descriptor's own cursor
template <int64_t (*kRead)(int, void*, size_t, int64_t)>
Napi::Value ReadWith(const Napi::CallbackInfo& info) {
  size_t offset;
  size_t length;
  if (!SizeAt(info, 2, &offset) || !SizeAt(info, 3, &length)) return Failure(info.Env(), EINVAL);
  uint8_t* target = BytesOf(info.Env(), info[1], offset, length);
  if (target == nullptr) return Failure(info.Env(), EINVAL);
  return Result(info.Env(), kRead(DescriptorAt(info, 0), target, length, IntegerAt(info, 4)));
}

// write(fd, array, offset, length, position): bytes written; position -1 is the descriptor's own cursor
template <int64_t (*kWrite)(int, const void*, size_t, int64_t)>
Napi::Value WriteWith(const Napi::CallbackInfo& info) {
  size_t offset;
  size_t length;
  if (!SizeAt(info, 2, &offset) || !SizeAt(info, 3, &length)) return Failure(info.Env(), EINVAL);
  const uint8_t* source = BytesOf(info.Env(), info[1], offset, length);
  if (source == nullptr) return Failure(info.Env(), EINVAL);
  return Result(info.Env(), kWrite(DescriptorAt(info, 0), source, length, IntegerAt(info, 4)));
}

int64_t WriteInsideInTurn(int fd, const void* buffer, size_t length, int64_t position) {
  if (position < 0) return -EINVAL;
  const Turn turn(fd);
  return WriteInside(fd, buffer, length, position);
}

// watchNames(folder): a descriptor that read gives inotify events from, to be closed by closeDuplicate
Napi::Value WatchNames(const Napi::CallbackInfo& info) {
  int events = -1;
  const std::string folder = info[0].As<Napi::String>().Utf8Value();
  if (int error = os::WatchNames(folder.c_str(), &events)) return Failure(info.Env(), error);
  Environment::Of(info.Env()).Own(events);
  return Result(info.Env(), events);
}

}  // namespace

void ExportFiles(Napi::Env env, Napi::Object exports) {
  exports.Set("fileSize", Napi::Function::New<FileSize>(env, "fileSize"));
  exports.Set("allocate", Napi::Function::New<Allocate>(env, "allocate"));
  exports.Set("fileKind", Napi::Function::New<FileKind>(env, "fileKind"));
  exports.Set("duplicate", Napi::Function::New<DuplicateWith<os::Duplicate>>(env, "duplicate"));
  exports.Set("duplicateAside",
              Napi::Function::New<DuplicateWith<os::DuplicateAside>>(env, "duplicateAside"));
  exports.Set("reopenForHoles", Napi::Function::New<ReopenForHoles>(env, "reopenForHoles"));
  exports.Set("nextData", Napi::Function::New<NextData>(env, "nextData"));
  exports.Set("closeDuplicate", Napi::Function::New<CloseDuplicate>(env, "closeDuplicate"));
  exports.Set("openMode", Napi::Function::New<OpenMode>(env, "openMode"));
  exports.Set("truncate", Napi::Function::New<Truncate>(env, "truncate"));
  exports.Set("read", Napi::Function::New<ReadWith<os::Read>>(env, "read"));
  exports.Set("readExactly", Napi::Function::New<ReadWith<os::Exactly<os::Read>>>(env, "readExactly"));
  exports.Set("readResident", Napi::Function::New<ReadWith<os::ReadResident>>(env, "readResident"));
  exports.Set("readResidentExactly",
              Napi::Function::New<ReadWith<os::Exactly<os::ReadResident>>>(env, "readResidentExactly"));
  exports.Set("write", Napi::Function::New<WriteWith<os::Write>>(env, "write"));
  exports.Set("writeInside", Napi::Function::New<WriteWith<WriteInsideInTurn>>(env, "writeInside"));
  exports.Set("watchNames", Napi::Function::New<WatchNames>(env, "watchNames"));
}

}  // namespace sliding_mmap
