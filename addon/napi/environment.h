// What the addon keeps for one JavaScript environment (the main thread or a worker), and the ownership of
// mappings that JavaScript sees as external ArrayBuffers.
#pragma once

#include <napi.h>

#include <atomic>
#include <map>
#include <memory>
#include <unordered_map>

#include "core/mapping.h"

namespace sliding_mmap {

// A mapping and the ArrayBuffer over it. Shared by the environment's table, the ArrayBuffer's finalizer and
// the jobs that run on it; the address space goes back when JavaScript releases it, or at last with the
// finalizer.
struct Lease {
  Mapping mapping;
  uint32_t id = 0;
  // Weak: tells at the end of the environment whether the ArrayBuffer was transferred to another thread.
  // Views only.
  napi_ref buffer = nullptr;
  // What was taken back from the engine's count of external memory, in bytes.
  int64_t uncounted = 0;
  // Jobs on the thread pool that touch the mapping; JavaScript's thread only. Release waits for them.
  int jobs = 0;
  bool release_after_jobs = false;
  // JavaScript released it: the environment gives the address space back, and the finalizer does not.
  bool released = false;
  // The ArrayBuffer was collected, or lives on in another thread: only its finalizer may unmap.
  bool unreachable = false;
  // The environment is going away and the ArrayBuffer lives on in another thread: nobody may unmap.
  bool orphaned = false;
  // A piece: `buffer` is that of the chunk that is out, if one is.
  bool piece = false;
  // The memory of a chunk belongs to whoever its buffer was transferred to: only the finalizers may unmap the
  // piece.
  bool taken = false;
  // How often changes of a private view were dropped by a call of JavaScript. In a Turn of the file.
  uint64_t drops = 0;
  std::shared_ptr<std::atomic<bool>> closing;
};

class Rousing;

// One per environment, used on its thread only.
class Environment {
 public:
  explicit Environment(Napi::Env env);
  ~Environment();
  static Environment& Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  // Makes an external ArrayBuffer of `length` bytes at `data`, inside the lease's mapping, and stores the
  // lease under a new id. Returns an empty value, with no exception pending, where the engine refuses
  // external buffers. A view's buffer may leave this environment.
  Napi::Value Expose(const std::shared_ptr<Lease>& lease, uint8_t* data, size_t length, bool view,
                     uint32_t* id);

  // Pieces: mappings without an ArrayBuffer of their own. Chunks are ArrayBuffers over parts of one, of which
  // one is out at a time, so that a mapping serves several of them.
  uint32_t AddPiece(const std::shared_ptr<Lease>& lease);
  // As Expose; offset and length must be inside what is mapped, and no chunk out.
  Napi::Value ExposeChunk(const std::shared_ptr<Lease>& lease, size_t offset, size_t length);
  // Detaches the chunk that is out.
  void TakeBackChunk(Lease* lease);
  // Takes the chunk back, and the file away: see PutAway.
  void ReleasePiece(uint32_t id);

  // Null for an id that is not (or no longer) there.
  std::shared_ptr<Lease> Find(uint32_t id) const;

  // Detaches the ArrayBuffer, then takes the file away: the order matters, because the kernel reuses
  // addresses. False when the buffer was transferred to another thread, which then owns the memory.
  bool Release(uint32_t id, Napi::Value buffer);

  // The ArrayBuffer is gone: of a lease that was released, so may the address space be; else the mapping is
  // left to the finalizer.
  void Forget(uint32_t id);

  // A lease that JavaScript released, and that no job uses any more. Detaching an ArrayBuffer does not stop
  // those whom its array was given to: a system call, a hash or a compressor on the thread pool goes on with
  // the address. All of them keep the object until they have done. So the file goes now, and a view's range
  // stays, as zeros that belong to nobody, until the object is collected, or too many ranges are kept.
  void PutAway(const std::shared_ptr<Lease>& lease);

  // Gives back all address space that is kept so. True when there was any.
  bool GiveBack();

  void Unmap(Lease* lease);

  // A descriptor that is closed with the environment, unless CloseOwned is called before: the engine closes
  // only what its own fs module opened.
  void Own(int fd) { descriptors_[fd] = false; }
  // When it is closed, the open file is made blocking again.
  void RestoreBlocking(int fd) {
    const auto found = descriptors_.find(fd);
    if (found != descriptors_.end()) found->second = true;
  }
  // False for one that is not owned.
  bool CloseOwned(int fd);

  // Of those who wait for words; null before the first.
  std::shared_ptr<Rousing> rousing;

 private:
  void DropReference(Lease* lease);
  // The engine drops the ArrayBuffer from its count of external memory: so must we.
  void Recount(Lease* lease);
  // Takes off the engine's count what an ArrayBuffer is about to add to it.
  void Uncount(Lease* lease, size_t length);
  // Sees to it that BeforeClosing comes before the finalizer of the ArrayBuffer just made.
  void Hook();
  uint32_t NextId();
  static void Finalize(napi_env env, void* data, void* hint);
  static void FinalizeChunk(napi_env env, void* data, void* hint);
  static void BeforeClosing(void* self);

  napi_env env_;
  bool may_take_off_;
  std::shared_ptr<std::atomic<bool>> closing_;
  std::unordered_map<uint32_t, std::shared_ptr<Lease>> leases_;
  std::map<uint32_t, std::shared_ptr<Lease>> retired_;  // the oldest first
  // Each with whether its open file is to be made blocking again.
  std::unordered_map<int, bool> descriptors_;
  uint32_t last_id_ = 0;
  bool hooked_ = false;
};

}  // namespace sliding_mmap
