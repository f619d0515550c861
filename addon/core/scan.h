// Searching memory. No Node-API in here. The memory may be a mapping: the guard sees to lost pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sliding_mmap {

// Offset of the first (or last) place where the needle stands whole inside the haystack, or -1. The needle
// has at least one byte.
int64_t Find(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length);
int64_t FindLast(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length);

// The two below find needles at multiples of `unit` (1 or 2) from the haystack's start. The needle is whole
// units and none of its beginnings is also an end of it, so that no two places overlap.

// In how many places the needle stands whole.
uint64_t Count(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length,
               size_t unit);
// Offset of the n-th place, counted from 1; -1 - k where there are only k.
int64_t FindNth(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length,
                size_t unit, uint64_t n);

}  // namespace sliding_mmap
