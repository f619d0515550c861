// Checked arithmetic on byte ranges. No Node-API in here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sliding_mmap {

// True when [offset, offset + length) lies inside [0, size), without overflow.
inline bool Contains(uint64_t size, uint64_t offset, uint64_t length) {
  return offset <= size && length <= size - offset;
}

// `granule` is a power of two.
inline uint64_t RoundDown(uint64_t value, uint64_t granule) { return value & ~(granule - 1); }

// False on overflow.
inline bool RoundUp(uint64_t value, uint64_t granule, uint64_t* rounded) {
  if (value > UINT64_MAX - (granule - 1)) return false;
  *rounded = RoundDown(value + (granule - 1), granule);
  return true;
}

}  // namespace sliding_mmap
