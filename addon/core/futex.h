// Waiting for an Int32 in memory that processes share, until somebody changes it and says so. One header; on
// Linux futexes (futex_linux.cc), elsewhere looking again and again (futex_portable.cc). No Node-API in here.
//
// Words are on a mapping of a file, for which all processes that map it are one (futex(2), without
// FUTEX_PRIVATE_FLAG). Where it says so the kernel alone reads them: an address that is not mapped any more,
// or whose page the file has lost, is an errno and no signal.
#pragma once

#include <cstdint>
#include <memory>

namespace sliding_mmap {

namespace os {

// Blocks the calling thread while the word has the value, and nobody wakes it. 0 when it was woken; EAGAIN
// when the word has another value; ETIMEDOUT after `milliseconds`; EFAULT for what is not mapped, where the
// kernel reads the word.
int FutexWait(const int32_t* word, int32_t expected, int64_t milliseconds);

// Wakes up to `count` of those who wait for the word, and gives how many; or a negative errno. 0 where those
// who wait look by themselves.
int64_t FutexWake(const int32_t* word, int32_t count);

}  // namespace os

// One thread that waits for many words at once. Made, used and destroyed on one thread.
class FutexWatch {
 public:
  // Called on the watching thread.
  class Listener {
   public:
    virtual ~Listener() = default;
    // The one who waits under this id was woken, or its word has another value, or cannot be read: `error` is
    // 0, or the errno. It is not waiting any more.
    virtual void Roused(uint32_t id, int error) = 0;
  };

  // Most that one watch can wait for.
  static const int kCapacity;

  // ENOSYS where the system cannot wait for several words at once, EAGAIN where it gives no further thread.
  // The listener must outlive the watch.
  static int Start(Listener* listener, std::unique_ptr<FutexWatch>* watch);

  // Ends the thread, and waits for that.
  virtual ~FutexWatch() = default;

  // Waits while the word has the value. The kernel alone reads it. False when there is no room.
  virtual bool Add(uint32_t id, const int32_t* word, int32_t expected) = 0;
  // Nobody waits under this id any more; the listener may just be told of it all the same. False for one that
  // is not there.
  virtual bool Remove(uint32_t id) = 0;
};

}  // namespace sliding_mmap
