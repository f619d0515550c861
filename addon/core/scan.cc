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

}  // namespace sliding_mmap
