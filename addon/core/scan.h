// Searching memory. No Node-API in here. The memory may be a mapping: the guard sees to lost pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sliding_mmap {

// Offset of the first (or last) place where the needle stands whole inside the haystack, or -1. The needle
// has at least one byte.
int64_t Find(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length);
int64_t FindLast(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length);

}  // namespace sliding_mmap
