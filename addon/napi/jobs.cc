// Calls that may wait for a device, on the thread pool, as promises of a number.
#include <errno.h>
#include <napi.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "core/bytes.h"
#include "core/inside.h"
#include "core/mapping.h"
#include "core/os.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/job.h"
#include "napi/mappings_job.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// Reads into memory of its own, and copies when JavaScript's thread has its turn: the target may have been
// transferred to a thread that freed it. -ESTALE when it was taken away meanwhile.
class ReadJob : public Job {
 public:
  ReadJob(Napi::Env env, int fd, Napi::Value target, size_t offset, size_t length, int64_t position,
          bool sizeless)
      : fd_(fd),
        offset_(offset),
        length_(length),
        position_(position),
        sizeless_(sizeless),
        bytes_(AllocateBytes(length)) {
    napi_create_reference(env, target, 1, &target_);
  }

 protected:
  int64_t Run() override {
    if (bytes_ == nullptr) return -ENOMEM;
    return sizeless_ ? os::Read(fd_, bytes_.get(), length_, position_)
                     : os::Exactly<os::Read>(fd_, bytes_.get(), length_, position_);
  }
  int64_t Finish(Napi::Env env, int64_t result) override {
    napi_value target = nullptr;
    if (result > 0) {
      napi_get_reference_value(env, target_, &target);
      uint8_t* to = target == nullptr ? nullptr : BytesOf(env, target, offset_, static_cast<size_t>(result));
      if (to == nullptr) {
        result = -ESTALE;
      } else {
        memcpy(to, bytes_.get(), static_cast<size_t>(result));
      }
    }
    napi_delete_reference(env, target_);
    return result;
  }

 private:
  int fd_;
  size_t offset_;
  size_t length_;
  int64_t position_;
  bool sizeless_;
  Bytes bytes_;
  napi_ref target_ = nullptr;
};

// Writes a copy, made when it was asked for, or else straight from an array of which JavaScript promised to
// let nobody else have it. A short write is carried on until an error or the end.
class WriteJob : public Job {
 public:
  WriteJob(int fd, std::unique_ptr<uint8_t[]> copy, size_t length, int64_t position)
      : fd_(fd), copy_(std::move(copy)), bytes_(copy_.get()), length_(length), position_(position) {}
  WriteJob(Napi::Env env, int fd, Napi::Value array, const uint8_t* bytes, size_t length, int64_t position)
      : fd_(fd), bytes_(bytes), length_(length), position_(position) {
    napi_create_reference(env, array, 1, &array_);
  }

 protected:
  int64_t Run() override {
    size_t done = 0;
    while (done < length_) {
      const int64_t moved = os::Write(fd_, bytes_ + done, length_ - done,
                                      position_ < 0 ? position_ : position_ + static_cast<int64_t>(done));
      if (moved < 0 && done == 0) return moved;
      if (moved <= 0) break;
      done += static_cast<size_t>(moved);
    }
    return static_cast<int64_t>(done);
  }
  int64_t Finish(Napi::Env env, int64_t result) override {
    if (array_ != nullptr) napi_delete_reference(env, array_);
    return result;
  }

 private:
  int fd_;
  std::unique_ptr<uint8_t[]> copy_;
  const uint8_t* bytes_;
  size_t length_;
  int64_t position_;
  napi_ref array_ = nullptr;  // keeps the memory while the job is under way
};

// What is to be synchronised, taken down on JavaScript's thread, which may slide the windows meanwhile.
struct DirtyRange {
  uint8_t* data;
  size_t length;
};

std::vector<DirtyRange> DirtyRangesOf(const std::vector<std::shared_ptr<Lease>>& leases) {
  std::vector<DirtyRange> ranges;
  for (const auto& lease : leases) {
    if (lease->mapping.mapped() > 0) ranges.push_back({lease->mapping.data(), lease->mapping.mapped()});
  }
  return ranges;
}

// The mappings' dirty pages, then the file. Nothing is left out after an error, and the first error is the
// one that is told, because the system tells each only once.
int FlushAll(int fd, const std::vector<DirtyRange>& ranges) {
  int first = 0;
  for (const DirtyRange& range : ranges) {
    const int error = os::SyncMapping(range.data, range.length);
    if (first == 0) first = error;
  }
  const int error = os::SyncFile(fd);
  return first != 0 ? first : error;
}

class FlushJob : public MappingsJob {
 public:
  FlushJob(int fd, std::vector<std::shared_ptr<Lease>> leases)
      : MappingsJob(leases), fd_(fd), ranges_(DirtyRangesOf(leases)) {}

 protected:
  int64_t Run() override { return -FlushAll(fd_, ranges_); }

 private:
  int fd_;
  std::vector<DirtyRange> ranges_;
};

// Brings a range of a file into the page cache by reading it, which takes the kernel's own read-ahead along;
// faults, and MADV_POPULATE_READ with them, go to the device in smaller pieces. Gives the bytes that are
// there.
int64_t Warm(int fd, int64_t position, int64_t length) {
  constexpr size_t kPiece = size_t{256} << 10;
  const Bytes bytes = AllocateBytes(kPiece);
  if (bytes == nullptr) return -ENOMEM;
  int64_t done = 0;
  while (done < length) {
    const int64_t moved = os::Read(
        fd, bytes.get(), static_cast<size_t>(std::min<int64_t>(length - done, kPiece)), position + done);
    if (moved < 0) return moved;
    if (moved == 0) break;
    done += moved;
  }
  return done;
}

// Brings some of a mapping's pages, whole ones, into memory and maps them. Gives 1 when the device had to be
// waited for.
class PopulateJob : public MappingsJob {
 public:
  PopulateJob(const std::shared_ptr<Lease>& lease, int fd, size_t offset, size_t length)
      : MappingsJob({lease}),
        fd_(fd),
        position_(static_cast<int64_t>(lease->mapping.position() + offset)),
        data_(lease->mapping.data() + offset),
        length_(length) {}

 protected:
  int64_t Run() override {
    // The last page tells: what is read in order is read up to some point. If it fails, populating tells why.
    uint8_t byte;
    const int64_t last = position_ + static_cast<int64_t>(length_ - os::PageSize());
    const bool cold = os::ReadResident(fd_, &byte, 1, last) == -EAGAIN;
    if (cold) Warm(fd_, position_, static_cast<int64_t>(length_));
    const int error = os::Populate(data_, length_);
    return error != 0 ? -error : cold ? 1 : 0;
  }

 private:
  int fd_;
  int64_t position_;
  uint8_t* data_;
  size_t length_;
};

class WarmJob : public Job {
 public:
  WarmJob(int fd, int64_t position, int64_t length) : fd_(fd), position_(position), length_(length) {}

 protected:
  int64_t Run() override { return Warm(fd_, position_, length_); }

 private:
  int fd_;
  int64_t position_;
  int64_t length_;
};

class AllocateJob : public Job {
 public:
  AllocateJob(int fd, int64_t position, int64_t length) : fd_(fd), position_(position), length_(length) {}

 protected:
  int64_t Run() override {
    return -os::Allocate(fd_, static_cast<uint64_t>(position_), static_cast<uint64_t>(length_));
  }

 private:
  int fd_;
  int64_t position_;
  int64_t length_;
};

class TruncateJob : public Job {
 public:
  TruncateJob(int fd, int64_t size) : fd_(fd), size_(size) {}

 protected:
  int64_t Run() override {
    const Turn turn(fd_);
    return -os::Truncate(fd_, static_cast<uint64_t>(size_));
  }

 private:
  int fd_;
  int64_t size_;
};

// readAsync(fd, array, offset, length, position, sizeless): bytes read; `sizeless` for what does not tell its
// size
Napi::Value ReadAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  size_t offset;
  size_t length;
  if (!SizeAt(info, 2, &offset) || !SizeAt(info, 3, &length) ||
      BytesOf(env, info[1], offset, length) == nullptr) {
    return Resolved(env, -EINVAL);
  }
  return Job::Start(env, std::make_unique<ReadJob>(env, DescriptorAt(info, 0), info[1], offset, length,
                                                   IntegerAt(info, 4), FlagAt(info, 5)));
}

// writeAsync(fd, array, offset, length, position, kept): bytes written; the array may be reused at once,
// unless `kept` says that it stays as it is, and is transferred to nobody, until then
Napi::Value WriteAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  size_t offset;
  size_t length;
  if (!SizeAt(info, 2, &offset) || !SizeAt(info, 3, &length)) return Resolved(env, -EINVAL);
  const uint8_t* source = BytesOf(env, info[1], offset, length);
  if (source == nullptr) return Resolved(env, -EINVAL);
  if (FlagAt(info, 5)) {
    return Job::Start(env, std::make_unique<WriteJob>(env, DescriptorAt(info, 0), info[1], source, length,
                                                      IntegerAt(info, 4)));
  }
  std::unique_ptr<uint8_t[]> bytes(new (std::nothrow) uint8_t[length]);
  if (bytes == nullptr) return Resolved(env, -ENOMEM);
  memcpy(bytes.get(), source, length);
  return Job::Start(
      env, std::make_unique<WriteJob>(DescriptorAt(info, 0), std::move(bytes), length, IntegerAt(info, 4)));
}

std::vector<std::shared_ptr<Lease>> LeasesAt(const Napi::CallbackInfo& info, size_t index) {
  std::vector<std::shared_ptr<Lease>> leases;
  const Napi::Array ids = info[index].As<Napi::Array>();
  for (uint32_t i = 0; i < ids.Length(); ++i) {
    uint32_t id = 0;
    napi_get_value_uint32(info.Env(), ids.Get(i), &id);
    if (auto lease = Environment::Of(info.Env()).Find(id)) leases.push_back(std::move(lease));
  }
  return leases;
}

// flushAsync(fd, ids): 0
Napi::Value FlushAsync(const Napi::CallbackInfo& info) {
  return Job::Start(info.Env(), std::make_unique<FlushJob>(DescriptorAt(info, 0), LeasesAt(info, 1)));
}

// flush(fd, ids): 0
Napi::Value Flush(const Napi::CallbackInfo& info) {
  return Failure(info.Env(), FlushAll(DescriptorAt(info, 0), DirtyRangesOf(LeasesAt(info, 1))));
}

// populateAsync(id, fd, offset, length): when the pages of this part of the mapping are in memory; 1 if the
// device had to be waited for
Napi::Value PopulateAsync(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  size_t offset;
  size_t length;
  if (lease == nullptr || !SizeAt(info, 2, &offset) || !SizeAt(info, 3, &length) || length == 0 ||
      !Contains(lease->mapping.mapped(), offset, length)) {
    return Resolved(info.Env(), -EINVAL);
  }
  const size_t page = os::PageSize();
  const size_t from = static_cast<size_t>(RoundDown(offset, page));
  const size_t to =
      std::min(static_cast<size_t>(RoundDown(offset + length + page - 1, page)), lease->mapping.mapped());
  return Job::Start(info.Env(), std::make_unique<PopulateJob>(lease, DescriptorAt(info, 1), from, to - from));
}

// warmAsync(fd, position, length): bytes that are there
Napi::Value WarmAsync(const Napi::CallbackInfo& info) {
  return Job::Start(info.Env(),
                    std::make_unique<WarmJob>(DescriptorAt(info, 0), IntegerAt(info, 1), IntegerAt(info, 2)));
}

// allocateAsync(fd, position, length): 0
Napi::Value AllocateAsync(const Napi::CallbackInfo& info) {
  return Job::Start(info.Env(), std::make_unique<AllocateJob>(DescriptorAt(info, 0), IntegerAt(info, 1),
                                                              IntegerAt(info, 2)));
}

// truncateAsync(fd, size): 0
Napi::Value TruncateAsync(const Napi::CallbackInfo& info) {
  return Job::Start(info.Env(), std::make_unique<TruncateJob>(DescriptorAt(info, 0), IntegerAt(info, 1)));
}

}  // namespace

void ExportJobs(Napi::Env env, Napi::Object exports) {
  exports.Set("readAsync", Napi::Function::New<ReadAsync>(env, "readAsync"));
  exports.Set("writeAsync", Napi::Function::New<WriteAsync>(env, "writeAsync"));
  exports.Set("flushAsync", Napi::Function::New<FlushAsync>(env, "flushAsync"));
  exports.Set("flush", Napi::Function::New<Flush>(env, "flush"));
  exports.Set("truncateAsync", Napi::Function::New<TruncateAsync>(env, "truncateAsync"));
  exports.Set("populateAsync", Napi::Function::New<PopulateAsync>(env, "populateAsync"));
  exports.Set("warmAsync", Napi::Function::New<WarmAsync>(env, "warmAsync"));
  exports.Set("allocateAsync", Napi::Function::New<AllocateAsync>(env, "allocateAsync"));
}

}  // namespace sliding_mmap
