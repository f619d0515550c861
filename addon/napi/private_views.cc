// Views whose changes stay in this process until they are dropped or written back.
#include <errno.h>
#include <napi.h>

#include "core/commit.h"
#include "core/inside.h"
#include "napi/arguments.h"
#include "napi/bindings.h"
#include "napi/environment.h"
#include "napi/mappings_job.h"
#include "napi/status.h"

namespace sliding_mmap {
namespace {

// discard(id, fd): 0
Napi::Value Discard(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  if (lease == nullptr) return Failure(info.Env(), EINVAL);
  const int fd = DescriptorAt(info, 1);
  const Turn turn(fd);
  ++lease->drops;
  return Failure(info.Env(), lease->mapping.DropChanges(fd, 0, lease->mapping.mapped()));
}

// Whether the mapping is still written by this thread alone: its array was neither released nor transferred.
bool IsHere(Napi::Env env, const Lease& lease) {
  if (lease.released || lease.buffer == nullptr) return false;
  napi_value buffer = nullptr;
  bool detached = true;
  napi_get_reference_value(env, lease.buffer, &buffer);
  if (buffer != nullptr) napi_is_detached_arraybuffer(env, buffer, &detached);
  return !detached;
}

// On JavaScript's thread, after a piece was written.
int64_t Finished(Napi::Env env, const Commit& commit, Lease* lease, int fd, int64_t result) {
  if (result < 0 || !IsHere(env, *lease)) return result;
  const int error = commit.Drop(&lease->mapping, fd);
  return error != 0 ? -error : result;
}

class CommitJob : public MappingsJob {
 public:
  CommitJob(const std::shared_ptr<Lease>& lease, int fd, int64_t from, int64_t to)
      : MappingsJob({lease}), lease_(lease), fd_(fd), from_(from), to_(to) {}

 protected:
  int64_t Run() override {
    const Turn turn(fd_);
    drops_ = lease_->drops;
    return commit_.Write(lease_->mapping, fd_, static_cast<uint64_t>(from_), static_cast<uint64_t>(to_));
  }
  int64_t Finish(Napi::Env env, int64_t result) override {
    // What looks like the bytes that were written may, after another drop, have been written into the view
    // since.
    if (lease_->drops == drops_) result = Finished(env, commit_, lease_.get(), fd_, result);
    return MappingsJob::Finish(env, result);
  }

 private:
  std::shared_ptr<Lease> lease_;
  int fd_;
  int64_t from_;
  int64_t to_;
  uint64_t drops_ = 0;
  Commit commit_;
};

// commit(id, fd, from, to): writes back a piece of what was changed in [from, to), positions in the file, and
// gives the position to go on from
Napi::Value CommitNow(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  const int fd = DescriptorAt(info, 1);
  const int64_t from = IntegerAt(info, 2);
  const int64_t to = IntegerAt(info, 3);
  if (lease == nullptr || from < 0 || to < from) return Failure(info.Env(), EINVAL);
  const Turn turn(fd);
  ++lease->drops;
  Commit commit;
  const int64_t result =
      commit.Write(lease->mapping, fd, static_cast<uint64_t>(from), static_cast<uint64_t>(to));
  return Result(info.Env(), Finished(info.Env(), commit, lease.get(), fd, result));
}

// commitAsync(id, fd, from, to): as commit
Napi::Value CommitAsync(const Napi::CallbackInfo& info) {
  const auto lease = Environment::Of(info.Env()).Find(IdAt(info, 0));
  const int64_t from = IntegerAt(info, 2);
  const int64_t to = IntegerAt(info, 3);
  if (lease == nullptr || from < 0 || to < from) return Resolved(info.Env(), -EINVAL);
  return Job::Start(info.Env(), std::make_unique<CommitJob>(lease, DescriptorAt(info, 1), from, to));
}

}  // namespace

void ExportPrivateViews(Napi::Env env, Napi::Object exports) {
  exports.Set("discard", Napi::Function::New<Discard>(env, "discard"));
  exports.Set("commit", Napi::Function::New<CommitNow>(env, "commit"));
  exports.Set("commitAsync", Napi::Function::New<CommitAsync>(env, "commitAsync"));
}

}  // namespace sliding_mmap
