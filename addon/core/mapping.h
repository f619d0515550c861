// A range of address space, reserved once, onto which ranges of files are mapped in place. No Node-API in
// here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/fault_guard.h"
#include "core/os.h"

namespace sliding_mmap {

// Owns its range and its guard; move-only. One thread at a time may change it. The memory may be touched from
// any thread while it lives.
class Mapping {
 public:
  Mapping() = default;
  ~Mapping() { Release(); }
  Mapping(Mapping&& other) noexcept { *this = static_cast<Mapping&&>(other); }
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // Takes `capacity` bytes of address space, a multiple of the granularity. They read as zeros.
  // ENOMEM also when this process already holds as many mappings as it safely can (Limit). `position` is
  // where in a file the range is to begin, if that is known: one of 2 MiB and more is placed so that huge
  // pages fit.
  int Reserve(size_t capacity, uint64_t position = 0);

  // Puts the file's [position, position + length) at the start of the range, and zeros behind it. `position`
  // is a multiple of the granularity; `length` is 1 to the capacity. On an error the whole range reads as
  // zeros.
  int Slide(int fd, uint64_t position, size_t length, os::Access access, os::Sharing sharing);

  // Lets a longer piece of the same file, from the same position, show; whole granules that are valid are not
  // mapped again. On an error it is shorter than before.
  int Extend(int fd, size_t length);

  // Takes the file away and keeps the range, as zeros that are not counted as a mapping, until it is slid
  // again. ENOMEM, and nothing done, where the address space is too dear for that.
  int Park();

  int Protect(os::Access access);

  // Of a private mapping: lets [offset, offset + length), whole pages, show the file again. On an error they
  // are zeros.
  int DropChanges(int fd, size_t offset, size_t length);

  // Takes the file away and leaves memory of zeros that can be read and written: for a range whose address
  // somebody may still have handed to a thread that he did not wait for. From then on it is not counted as a
  // mapping. False, and nothing done, where the address space is too dear for that.
  bool Retire();

  // Gives the address space back. Idempotent.
  void Release();

  uint8_t* data() const { return data_; }
  bool Holds(const void* address) const {
    const auto offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(data_);
    return data_ != nullptr && offset < capacity_;
  }
  size_t capacity() const { return capacity_; }
  // Bytes, rounded up to the page size, that are bound to the file.
  size_t mapped() const { return mapped_; }
  uint64_t position() const { return position_; }
  uint32_t faults() const { return slot_ == nullptr ? 0 : slot_->faults.load(std::memory_order_acquire); }
  // Of a range that has lost a page.
  size_t first_fault() const { return slot_ == nullptr ? 0 : slot_->first.load(std::memory_order_relaxed); }

  // Ranges that exist in this process, and how many may: a wide margin under the system's limit, because at
  // that limit the engine itself can no longer allocate. Each range may take up to three of the system's
  // mappings.
  static int64_t Count();
  static int64_t Limit();

  // Whether the ranges that are retired are more, or longer, than should be kept.
  static bool TooManyRetired();

 private:
  // Zeros again.
  int Reset();
  void AddToCounts(int64_t sign);

  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
  size_t mapped_ = 0;
  uint64_t position_ = 0;
  os::Access access_ = os::Access::kRead;
  os::Sharing sharing_ = os::Sharing::kShared;
  FaultGuard::Slot* slot_ = nullptr;
  bool retired_ = false;
  bool parked_ = false;
};

}  // namespace sliding_mmap
