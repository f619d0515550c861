#include "core/mapping.h"

#include <errno.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/range.h"

namespace sliding_mmap {
namespace {

std::atomic<int64_t> live{0};
std::atomic<size_t> live_bytes{0};
std::atomic<int64_t> retired_ranges{0};
std::atomic<uint64_t> retired_bytes{0};

// How much of it may be retired. Neighbours merge in the kernel, so that these are few mappings.
constexpr int64_t kMostRetired = 1024;
constexpr uint64_t kMostRetiredBytes = sizeof(void*) == 8 ? uint64_t{64} << 30 : uint64_t{64} << 20;

// Ranges of this size and more lie in memory as they do in the file, modulo a huge page, so that the kernel
// can map large folios of the file by one entry (2 MiB on x86-64 and on arm64 with 4 KiB pages).
constexpr size_t kHugePage = size_t{2} << 20;

// Where somebody limited the address space, mappings take no more of it than they leave: the engine's heap
// may want to grow as much as they do.
size_t HeadroomFor(size_t capacity) {
  if (!os::IsAddressSpaceLimited()) return os::Headroom();
  return std::max(os::Headroom(), live_bytes.load(std::memory_order_relaxed) + capacity);
}

// A file is mapped by pages, even where only some of them can be the first.
size_t WholePages(size_t length) {
  return static_cast<size_t>(RoundDown(length + os::PageSize() - 1, os::PageSize()));
}

}  // namespace

int64_t Mapping::Count() { return live.load(std::memory_order_relaxed); }

int64_t Mapping::Limit() {
  static const int64_t limit = [] {
    const uint64_t system = os::MaxMappings();
    return system == 0 ? INT64_MAX : static_cast<int64_t>(system / 6);
  }();
  return limit;
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this == &other) return *this;
  Release();
  data_ = std::exchange(other.data_, nullptr);
  capacity_ = std::exchange(other.capacity_, 0);
  mapped_ = std::exchange(other.mapped_, 0);
  position_ = other.position_;
  access_ = other.access_;
  sharing_ = other.sharing_;
  slot_ = std::exchange(other.slot_, nullptr);
  retired_ = std::exchange(other.retired_, false);
  parked_ = std::exchange(other.parked_, false);
  return *this;
}

int Mapping::Reserve(size_t capacity, uint64_t position) {
  Release();
  if (capacity == 0 || capacity % os::Granularity() != 0) return EINVAL;
  if (live.fetch_add(1, std::memory_order_relaxed) >= Limit()) {
    live.fetch_sub(1, std::memory_order_relaxed);
    return ENOMEM;
  }
  void* address = nullptr;
  const size_t alignment = capacity >= kHugePage ? kHugePage : os::PageSize();
  int error = os::Reserve(capacity, alignment, static_cast<size_t>(position % alignment),
                          HeadroomFor(capacity), &address);
  if (error == 0 && (slot_ = FaultGuard::Guard(address, capacity)) == nullptr) {
    os::Release(address, capacity);
    error = ENOMEM;
  }
  if (error != 0) {
    live.fetch_sub(1, std::memory_order_relaxed);
    return error;
  }
  data_ = static_cast<uint8_t*>(address);
  capacity_ = capacity;
  mapped_ = 0;
  live_bytes.fetch_add(capacity, std::memory_order_relaxed);
  return 0;
}

int Mapping::Slide(int fd, uint64_t position, size_t length, os::Access access, os::Sharing sharing) {
  if (data_ == nullptr || length == 0 || length > capacity_ || position % os::Granularity() != 0)
    return EINVAL;
  if (parked_) AddToCounts(1);
  parked_ = false;
  const size_t rounded = WholePages(length);
  const size_t before = mapped_;
  slot_->writable.store(access == os::Access::kReadWrite, std::memory_order_relaxed);
  if (int error = os::MapFile(data_, rounded, fd, position, access, sharing)) {
    Reset();
    return error;
  }
  if (before > rounded) {
    if (int error = os::MapZeros(data_ + rounded, before - rounded, os::Access::kRead)) {
      Reset();
      return error;
    }
  }
  mapped_ = rounded;
  position_ = position;
  access_ = access;
  sharing_ = sharing;
  FaultGuard::Renew(slot_);
  return 0;
}

int Mapping::Extend(int fd, size_t length) {
  if (data_ == nullptr || mapped_ == 0 || length > capacity_) return EINVAL;
  const size_t rounded = WholePages(length);
  if (rounded <= mapped_) return 0;
  const size_t kept = static_cast<size_t>(RoundDown(mapped_, os::Granularity()));
  if (int error = os::MapFile(data_ + kept, rounded - kept, fd, position_ + kept, access_, sharing_)) {
    mapped_ = kept;
    if (os::MapZeros(data_ + kept, rounded - kept, os::Access::kRead) != 0) Reset();
    return error;
  }
  mapped_ = rounded;
  return 0;
}

int Mapping::Reset() {
  if (data_ == nullptr) return 0;
  mapped_ = 0;
  const int error = os::MapZeros(data_, capacity_, os::Access::kRead);
  slot_->writable.store(false, std::memory_order_relaxed);
  FaultGuard::Renew(slot_);
  return error;
}

int Mapping::Park() {
  if (data_ == nullptr || retired_) return EINVAL;
  if (parked_) return 0;
  if (os::IsAddressSpaceLimited()) return ENOMEM;
  if (int error = Reset()) return error;
  AddToCounts(-1);
  parked_ = true;
  return 0;
}

void Mapping::AddToCounts(int64_t sign) {
  live.fetch_add(sign, std::memory_order_relaxed);
  live_bytes.fetch_add(sign < 0 ? -capacity_ : capacity_, std::memory_order_relaxed);
}

int Mapping::Protect(os::Access access) {
  if (mapped_ == 0) return 0;
  if (int error = os::Protect(data_, mapped_, access)) return error;
  access_ = access;
  slot_->writable.store(access == os::Access::kReadWrite, std::memory_order_relaxed);
  return 0;
}

int Mapping::DropChanges(int fd, size_t offset, size_t length) {
  if (sharing_ != os::Sharing::kPrivate || !Contains(mapped_, offset, length)) return EINVAL;
  const int error = os::DropChanges(data_ + offset, length, fd, position_ + offset);
  if (error != 0) os::MapZeros(data_ + offset, length, access_);
  return error;
}

bool Mapping::TooManyRetired() {
  return retired_ranges.load(std::memory_order_relaxed) > kMostRetired ||
         retired_bytes.load(std::memory_order_relaxed) > kMostRetiredBytes;
}

bool Mapping::Retire() {
  if (data_ == nullptr || retired_ || parked_ || os::IsAddressSpaceLimited()) return false;
  // It stays guarded: a thread may be on its way into the handler.
  slot_->writable.store(true, std::memory_order_relaxed);
  if (os::MapZeros(data_, capacity_, os::Access::kReadWrite) != 0) return false;
  FaultGuard::Renew(slot_);
  mapped_ = 0;
  retired_ = true;
  retired_ranges.fetch_add(1, std::memory_order_relaxed);
  retired_bytes.fetch_add(capacity_, std::memory_order_relaxed);
  AddToCounts(-1);
  return true;
}

void Mapping::Release() {
  if (data_ == nullptr) return;
  FaultGuard::Unguard(slot_);
  slot_ = nullptr;
  os::Release(data_, capacity_);
  if (retired_) {
    retired_ranges.fetch_sub(1, std::memory_order_relaxed);
    retired_bytes.fetch_sub(capacity_, std::memory_order_relaxed);
  } else if (!parked_) {
    AddToCounts(-1);
  }
  retired_ = parked_ = false;
  data_ = nullptr;
  capacity_ = 0;
  mapped_ = 0;
}

}  // namespace sliding_mmap
