#include "core/scan.h"

#include <string.h>

#include <algorithm>
#include <functional>

namespace sliding_mmap {
namespace {

const uint8_t* LastByte(const uint8_t* from, size_t length, uint8_t byte) {
#if defined(__GLIBC__)
  return static_cast<const uint8_t*>(memrchr(from, byte, length));
#else
  while (length > 0) {
    if (from[--length] == byte) return from + length;
  }
  return nullptr;
#endif
}

// Each lane counts at its own place, and narrow lanes make the compiler compare as many bytes at a time as a
// register of the processor holds. A lane is emptied before it overflows.
template <typename Unit>
uint64_t CountUnits(const uint8_t* bytes, size_t units, Unit wanted) {
  constexpr size_t kLanes = 64 / sizeof(Unit);
  constexpr size_t kRounds = 255;
  uint64_t count = 0;
  while (units >= kLanes) {
    Unit lanes[kLanes] = {};
    const size_t rounds = std::min(kRounds, units / kLanes);
    for (size_t round = 0; round < rounds; ++round, bytes += sizeof(lanes)) {
      Unit values[kLanes];
      memcpy(values, bytes, sizeof(values));
      for (size_t i = 0; i < kLanes; ++i) lanes[i] = static_cast<Unit>(lanes[i] + (values[i] == wanted));
    }
    for (size_t i = 0; i < kLanes; ++i) count += lanes[i];
    units -= rounds * kLanes;
  }
  for (; units > 0; --units, bytes += sizeof(Unit)) {
    count += memcmp(bytes, &wanted, sizeof(Unit)) == 0;
  }
  return count;
}

// The first place at `from` (a multiple of the unit) or after it; -1 for none.
int64_t FindAligned(const uint8_t* haystack, size_t length, size_t from, const uint8_t* needle,
                    size_t needle_length, size_t unit) {
  while (from < length) {
    const int64_t at = Find(haystack + from, length - from, needle, needle_length);
    if (at < 0) return -1;
    from += static_cast<size_t>(at);
    if (from % unit == 0) return static_cast<int64_t>(from);
    ++from;
  }
  return -1;
}

}  // namespace

int64_t Find(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length) {
  if (needle_length > length) return -1;
  const void* found;
  if (needle_length == 1) {
    found = memchr(haystack, needle[0], length);
  } else {
#if defined(_WIN32)
    const uint8_t* end = haystack + length;
    const uint8_t* at =
        std::search(haystack, end, std::boyer_moore_horspool_searcher(needle, needle + needle_length));
    found = at == end ? nullptr : at;
#else
    found = memmem(haystack, length, needle, needle_length);
#endif
  }
  return found == nullptr ? -1 : static_cast<const uint8_t*>(found) - haystack;
}

int64_t FindLast(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length) {
  if (needle_length > length) return -1;
  // Candidates by their first byte, from behind.
  size_t starts = length - needle_length + 1;
  while (const uint8_t* at = LastByte(haystack, starts, needle[0])) {
    if (memcmp(at, needle, needle_length) == 0) return at - haystack;
    starts = static_cast<size_t>(at - haystack);
  }
  return -1;
}

uint64_t Count(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length,
               size_t unit) {
  if (needle_length == 1) return CountUnits<uint8_t>(haystack, length, needle[0]);
  if (needle_length == 2 && unit == 2) {
    uint16_t wanted;
    memcpy(&wanted, needle, sizeof(wanted));
    return CountUnits<uint16_t>(haystack, length / 2, wanted);
  }
  uint64_t count = 0;
  for (int64_t at = FindAligned(haystack, length, 0, needle, needle_length, unit); at >= 0; ++count) {
    at = FindAligned(haystack, length, static_cast<size_t>(at) + needle_length, needle, needle_length, unit);
  }
  return count;
}

int64_t FindNth(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length,
                size_t unit, uint64_t n) {
  // Counting is faster than finding: only the piece with the n-th is searched.
  constexpr size_t kPiece = 1024;
  size_t from = 0;
  uint64_t before = 0;
  if (needle_length == unit) {
    while (from < length) {
      const size_t piece = std::min(kPiece, length - from);
      const uint64_t count = Count(haystack + from, piece, needle, needle_length, unit);
      if (before + count >= n) break;
      before += count;
      from += piece;
    }
  }
  for (;;) {
    const int64_t at = FindAligned(haystack, length, from, needle, needle_length, unit);
    if (at < 0) return -1 - static_cast<int64_t>(before);
    if (++before == n) return at;
    from = static_cast<size_t>(at) + needle_length;
  }
}

}  // namespace sliding_mmap
