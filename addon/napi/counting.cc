// Counting delimiters: in memory, and in a file on the thread pool.
#include <errno.h>
#include <napi.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <new>

#include "core/array.h"
#include "core/os.h"
#include "core/scan.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/job.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// Small enough to stay in the processor's cache between the copy and the count.
constexpr size_t kPiece = size_t{256} << 10;

// A needle as `Count` takes it: whole units of 1 or 2 bytes.
bool NeedleAt(const Napi::CallbackInfo& info, size_t index, const uint8_t** needle, size_t* length,
              size_t* unit) {
  if (napi_get_typedarray_info(info.Env(), info[index], nullptr, length, nullptr, nullptr, nullptr) !=
      napi_ok) {
    return false;
  }
  *needle = BytesOf(info.Env(), info[index], 0, *length);
  *unit = FlagAt(info, index + 1) ? 2 : 1;
  return *needle != nullptr && *length > 0 && *length % *unit == 0;
}

bool HaystackAt(const Napi::CallbackInfo& info, size_t index, const uint8_t** bytes, size_t* length) {
  if (napi_get_typedarray_info(info.Env(), info[index], nullptr, length, nullptr, nullptr, nullptr) !=
      napi_ok) {
    return false;
  }
  *bytes = BytesOf(info.Env(), info[index], 0, *length);
  return *bytes != nullptr;
}

// count(bytes, needle, wide): in how many places the needle stands whole
Napi::Value CountBytes(const Napi::CallbackInfo& info) {
  const uint8_t* bytes;
  const uint8_t* needle;
  size_t length;
  size_t needle_length;
  size_t unit;
  if (!HaystackAt(info, 0, &bytes, &length) || !NeedleAt(info, 1, &needle, &needle_length, &unit)) {
    return Failure(info.Env(), EINVAL);
  }
  return Result(info.Env(), static_cast<int64_t>(Count(bytes, length, needle, needle_length, unit)));
}

// findNth(bytes, needle, wide, n): where the n-th stands, counted from 1; -1 - k when there are only k
Napi::Value FindNthBytes(const Napi::CallbackInfo& info) {
  const uint8_t* bytes;
  const uint8_t* needle;
  size_t length;
  size_t needle_length;
  size_t unit;
  const int64_t n = IntegerAt(info, 3);
  if (n < 1 || !HaystackAt(info, 0, &bytes, &length) || !NeedleAt(info, 1, &needle, &needle_length, &unit)) {
    return Result(info.Env(), -1);
  }
  return Result(info.Env(), FindNth(bytes, length, needle, needle_length, unit, static_cast<uint64_t>(n)));
}

// Reads into memory of its own, not through a mapping: one copy costs no more than the page faults, leaves
// nothing in the resident set, and meets no signal.
class CountJob : public Job {
 public:
  CountJob(Napi::Env env, int fd, int64_t position, int64_t length, int64_t step, Array<uint8_t> needle,
           size_t unit, Napi::Value counts)
      : fd_(fd), position_(position), length_(length), step_(step), needle_(std::move(needle)), unit_(unit) {
    napi_create_reference(env, counts, 1, &target_);
  }

 protected:
  int64_t Run() override {
    // A needle that begins in a piece may end behind it.
    const size_t beyond = needle_.size() - 1;
    const size_t piece = static_cast<size_t>(std::min<int64_t>(kPiece, std::min(step_, length_)));
    const std::unique_ptr<uint8_t[]> bytes(new (std::nothrow) uint8_t[piece + beyond]);
    if (bytes == nullptr) return -ENOMEM;
    int64_t done = 0;
    for (double& count : counts_) {
      const int64_t end = std::min(length_, done + step_);
      while (done < end) {
        const size_t wanted = static_cast<size_t>(std::min<int64_t>(piece, end - done));
        const int64_t moved = Fill(bytes.get(), wanted + beyond, position_ + done);
        if (moved < 0) return moved;
        count += static_cast<double>(
            Count(bytes.get(), static_cast<size_t>(moved), needle_.data(), needle_.size(), unit_));
        if (moved < static_cast<int64_t>(wanted)) return done + moved;
        done += static_cast<int64_t>(wanted);
      }
    }
    return done;
  }

  int64_t Finish(Napi::Env env, int64_t result) override {
    napi_value target = nullptr;
    if (result > 0) {
      napi_get_reference_value(env, target_, &target);
      napi_typedarray_type type = napi_uint8_array;
      size_t length = 0;
      void* data = nullptr;
      if (target == nullptr ||
          napi_get_typedarray_info(env, target, &type, &length, &data, nullptr, nullptr) != napi_ok ||
          type != napi_float64_array || data == nullptr || length < counts_.size()) {
        result = -ESTALE;
      } else {
        memcpy(data, counts_.data(), counts_.size() * sizeof(double));
      }
    }
    napi_delete_reference(env, target_);
    return result;
  }

  // 0, or an errno with which it cannot be started.
  int Prepare() {
    if (length_ <= 0 || step_ <= 0 || position_ < 0) return EINVAL;
    const int64_t steps = (length_ - 1) / step_ + 1;
    if (steps > kMostSteps) return EINVAL;
    return counts_.Allocate(static_cast<size_t>(steps)) ? 0 : ENOMEM;
  }

  friend Napi::Value CountAsync(const Napi::CallbackInfo& info);

 private:
  static constexpr int64_t kMostSteps = int64_t{1} << 20;

  // Reads on after a short count, up to the end of the file.
  int64_t Fill(uint8_t* bytes, size_t length, int64_t position) const {
    size_t done = 0;
    while (done < length) {
      const int64_t moved =
          os::Exactly<os::Read>(fd_, bytes + done, length - done, position + static_cast<int64_t>(done));
      if (moved < 0) return moved;
      if (moved == 0) break;
      done += static_cast<size_t>(moved);
    }
    return static_cast<int64_t>(done);
  }

  int fd_;
  int64_t position_;
  int64_t length_;
  int64_t step_;
  Array<uint8_t> needle_;
  size_t unit_;
  Array<double> counts_;
  napi_ref target_ = nullptr;
};

// countAsync(fd, position, length, step, needle, wide, counts): how many of the `length` bytes there are;
// counts[i] becomes the number of needles that begin in the i-th `step` bytes. A Float64Array with room.
Napi::Value CountAsync(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint8_t* needle;
  size_t needle_length;
  size_t unit;
  if (!NeedleAt(info, 4, &needle, &needle_length, &unit)) return Resolved(env, -EINVAL);
  Array<uint8_t> copy;
  if (!copy.Copy(needle, needle_length)) return Resolved(env, -ENOMEM);
  auto job = std::make_unique<CountJob>(env, DescriptorAt(info, 0), IntegerAt(info, 1), IntegerAt(info, 2),
                                        IntegerAt(info, 3), std::move(copy), unit, info[6]);
  if (int error = job->Prepare()) {
    job->Finish(env, -error);
    return Resolved(env, -error);
  }
  return Job::Start(env, std::move(job));
}

}  // namespace

void ExportCounting(Napi::Env env, Napi::Object exports) {
  exports.Set("count", Napi::Function::New<CountBytes>(env, "count"));
  exports.Set("findNth", Napi::Function::New<FindNthBytes>(env, "findNth"));
  exports.Set("countAsync", Napi::Function::New<CountAsync>(env, "countAsync"));
}

}  // namespace sliding_mmap
