#include "napi/environment.h"

#include <string.h>

#include "napi/status.h"

namespace sliding_mmap {

namespace {

bool IsDeno(const napi_node_version& runtime) { return strcmp(runtime.release, "Deno") == 0; }

// Whether less may be counted as external memory than the engine itself has counted: V8 since 13 ends the
// process when its count would fall below 0, be it by our call or when it collects what was taken off. Deno
// has newer engines than the Node whose version it claims.
bool MayTakeOff(napi_env env) {
  constexpr uint32_t kLastNodeToAllow = 22;  // with V8 12.4
  const napi_node_version* runtime = nullptr;
  return napi_get_node_version(env, &runtime) == napi_ok && runtime->major <= kLastNodeToAllow &&
         !IsDeno(*runtime);
}

// Whether handles can be made in a cleanup hook: Deno ends the process then, scope or not.
bool HasHandlesWhenClosing(napi_env env) {
  const napi_node_version* runtime = nullptr;
  return napi_get_node_version(env, &runtime) == napi_ok && !IsDeno(*runtime);
}

}  // namespace

Environment::Environment(Napi::Env env)
    : env_(env), may_take_off_(MayTakeOff(env)), closing_(std::make_shared<std::atomic<bool>>(false)) {}

Environment::~Environment() {
  if (hooked_) napi_remove_env_cleanup_hook(env_, BeforeClosing, this);
  while (!descriptors_.empty()) CloseOwned(descriptors_.begin()->first);
}

bool Environment::CloseOwned(int fd) {
  const auto found = descriptors_.find(fd);
  if (found == descriptors_.end()) return false;
  if (found->second) os::SetBlocking(fd);
  descriptors_.erase(found);
  os::Close(fd);
  return true;
}

Napi::Value Environment::Expose(const std::shared_ptr<Lease>& lease, uint8_t* data, size_t length, bool view,
                                uint32_t* id) {
  lease->closing = closing_;
  auto* owner = new std::shared_ptr<Lease>(lease);
  Uncount(lease.get(), length);
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(env_, data, length, Finalize, owner, &buffer);
  if (status != napi_ok) {
    // Whether the finalizer ran, or will, differs between engines: leave the owner to it (a leak of some
    // bytes), and unmap here, which is idempotent.
    ClearException(env_);
    Unmap(lease.get());
    return Napi::Value();
  }
  if (view) {
    napi_create_reference(env_, buffer, 0, &lease->buffer);
    Hook();
  }
  *id = lease->id = NextId();
  leases_.emplace(lease->id, lease);
  return Napi::Value(env_, buffer);
}

uint32_t Environment::AddPiece(const std::shared_ptr<Lease>& lease) {
  lease->closing = closing_;
  lease->piece = true;
  lease->id = NextId();
  leases_.emplace(lease->id, lease);
  return lease->id;
}

Napi::Value Environment::ExposeChunk(const std::shared_ptr<Lease>& lease, size_t offset, size_t length) {
  auto* owner = new std::shared_ptr<Lease>(lease);
  Uncount(lease.get(), length);
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env_, lease->mapping.data() + offset, length, FinalizeChunk, owner,
                                       &buffer) != napi_ok) {
    ClearException(env_);  // the owner is left to the finalizer, as in Expose
    Recount(lease.get());
    return Napi::Value();
  }
  napi_create_reference(env_, buffer, 0, &lease->buffer);
  Hook();
  return Napi::Value(env_, buffer);
}

void Environment::TakeBackChunk(Lease* lease) {
  if (lease->buffer == nullptr) return;
  napi_value buffer = nullptr;
  bool detached = false;
  napi_get_reference_value(env_, lease->buffer, &buffer);
  if (buffer != nullptr) napi_is_detached_arraybuffer(env_, buffer, &detached);
  if (buffer == nullptr || detached || napi_detach_arraybuffer(env_, buffer) != napi_ok) lease->taken = true;
  napi_delete_reference(env_, lease->buffer);
  lease->buffer = nullptr;
  Recount(lease);
}

void Environment::ReleasePiece(uint32_t id) {
  const std::shared_ptr<Lease> lease = Find(id);
  if (lease == nullptr) return;
  TakeBackChunk(lease.get());
  leases_.erase(id);
  lease->released = true;
  if (lease->taken) return;
  if (lease->jobs > 0) {
    lease->release_after_jobs = true;
  } else {
    PutAway(lease);
  }
}

void Environment::Uncount(Lease* lease, size_t length) {
  // The engine counts the length as memory, but it is address space. Taken off before it is counted: at a
  // gibibyte more, the engine would collect all its garbage there and then.
  int64_t total;
  if (may_take_off_ && napi_adjust_external_memory(env_, -static_cast<int64_t>(length), &total) == napi_ok) {
    lease->uncounted = static_cast<int64_t>(length);
  }
}

void Environment::Hook() {
  // Hooks run last in, first out.
  if (hooked_) napi_remove_env_cleanup_hook(env_, BeforeClosing, this);
  hooked_ = napi_add_env_cleanup_hook(env_, BeforeClosing, this) == napi_ok;
}

uint32_t Environment::NextId() {
  do ++last_id_;
  while (last_id_ == 0 || leases_.count(last_id_) != 0 || retired_.count(last_id_) != 0);
  return last_id_;
}

std::shared_ptr<Lease> Environment::Find(uint32_t id) const {
  const auto found = leases_.find(id);
  return found == leases_.end() ? nullptr : found->second;
}

bool Environment::Release(uint32_t id, Napi::Value buffer) {
  const std::shared_ptr<Lease> lease = Find(id);
  if (lease == nullptr) return true;
  void* data = nullptr;
  size_t length = 0;
  bool detached = false;
  if (napi_get_arraybuffer_info(env_, buffer, &data, &length) != napi_ok) return false;
  napi_is_detached_arraybuffer(env_, buffer, &detached);
  // Another's buffer: unmapping would leave the one that shows this mapping pointing at nothing.
  if (!detached && !lease->mapping.Holds(data)) return false;
  // Told before: Bun and Deno run the finalizer inside the call that detaches.
  lease->released = true;
  if (detached || napi_detach_arraybuffer(env_, buffer) != napi_ok) {
    // Someone else holds the memory: never unmap it under them.
    lease->released = false;
    Forget(id);
    return false;
  }
  leases_.erase(id);
  if (lease->jobs > 0) {
    lease->release_after_jobs = true;
  } else {
    PutAway(lease);
  }
  return true;
}

void Environment::PutAway(const std::shared_ptr<Lease>& lease) {
  napi_value object = nullptr;
  if (lease->buffer != nullptr) napi_get_reference_value(env_, lease->buffer, &object);
  // Which of a piece's chunks are still there is not known here.
  if ((object == nullptr && !lease->piece) || !lease->mapping.Retire()) {
    Unmap(lease.get());
    return;
  }
  Recount(lease.get());
  retired_.emplace(lease->id, lease);
  while (Mapping::TooManyRetired() && !retired_.empty()) Forget(retired_.begin()->first);
}

bool Environment::GiveBack() {
  const bool any = !retired_.empty();
  while (!retired_.empty()) Forget(retired_.begin()->first);
  return any;
}

void Environment::Forget(uint32_t id) {
  const auto retired = retired_.find(id);
  if (retired != retired_.end()) {
    Unmap(retired->second.get());
    retired_.erase(retired);
    return;
  }
  const auto found = leases_.find(id);
  if (found == leases_.end()) return;
  if (found->second->piece) TakeBackChunk(found->second.get());
  found->second->unreachable = true;
  DropReference(found->second.get());
  leases_.erase(found);
}

void Environment::Recount(Lease* lease) {
  if (lease->uncounted == 0) return;
  int64_t total;
  napi_adjust_external_memory(env_, lease->uncounted, &total);
  lease->uncounted = 0;
}

void Environment::DropReference(Lease* lease) {
  if (lease->buffer == nullptr) return;
  napi_delete_reference(env_, lease->buffer);
  lease->buffer = nullptr;
}

void Environment::Unmap(Lease* lease) {
  lease->mapping.Release();
  Recount(lease);
  DropReference(lease);
}

// The memory of the ArrayBuffer is free: nobody can touch it any more, in any thread, with one exception.
// When the environment closes, the engine runs the finalizers of buffers that live on in other threads, too.
// Deno calls in the midst of a collection, on whichever thread sweeps: no Node-API then. The reference is
// left to Forget, which comes from the script.
void Environment::Finalize(napi_env env, void*, void* hint) {
  auto* owner = static_cast<std::shared_ptr<Lease>*>(hint);
  Lease* lease = owner->get();
  const bool closing = lease->closing->load(std::memory_order_relaxed);
  if (lease->released) {
    delete owner;
  } else if (lease->jobs > 0 && !closing) {
    lease->release_after_jobs = true;  // a flush holds the lease, and its range
    delete owner;
  } else if (!lease->orphaned && !(closing && lease->unreachable)) {
    lease->mapping.Release();
    if (!closing && lease->uncounted != 0) Of(env).Recount(lease);
    delete owner;
  }
  // else: the memory, and the lease that would unmap it, stay until the process ends
}

// Called soon after a chunk was detached, and not when its object is collected.
void Environment::FinalizeChunk(napi_env, void*, void* hint) {
  auto* owner = static_cast<std::shared_ptr<Lease>*>(hint);
  const Lease* lease = owner->get();
  if (lease->closing->load(std::memory_order_relaxed) && (lease->taken || lease->orphaned))
    return;  // as above
  delete owner;
}

void Environment::BeforeClosing(void* data) {
  auto* self = static_cast<Environment*>(data);
  self->closing_->store(true, std::memory_order_relaxed);
  self->hooked_ = false;
  if (!HasHandlesWhenClosing(self->env_)) {
    // Nobody can tell which of them were transferred: all stay mapped.
    for (auto& [id, lease] : self->leases_) lease->orphaned = lease->buffer != nullptr;
    return;
  }
  napi_handle_scope scope;
  if (napi_open_handle_scope(self->env_, &scope) != napi_ok) return;
  for (auto& [id, lease] : self->leases_) {
    if (lease->buffer == nullptr) continue;
    napi_value buffer = nullptr;
    bool detached = false;
    napi_get_reference_value(self->env_, lease->buffer, &buffer);
    if (buffer != nullptr) napi_is_detached_arraybuffer(self->env_, buffer, &detached);
    lease->orphaned = detached || buffer == nullptr;
  }
  napi_close_handle_scope(self->env_, scope);
}

}  // namespace sliding_mmap
