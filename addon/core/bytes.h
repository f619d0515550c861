// Memory that a file is read into. No Node-API in here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace sliding_mmap {

// Not cleared, and at a multiple of a cache line: what an allocator puts 16 bytes behind a page is slow to
// read a file's pages into on some processors (see ReadClear in os_posix.cc).
constexpr std::align_val_t kCacheLine{64};

struct FreeBytes {
  void operator()(uint8_t* bytes) const { ::operator delete[](bytes, kCacheLine); }
};
using Bytes = std::unique_ptr<uint8_t[], FreeBytes>;

// Null when there is no memory.
inline Bytes AllocateBytes(size_t length) {
  return Bytes(static_cast<uint8_t*>(::operator new[](length, kCacheLine, std::nothrow)));
}

}  // namespace sliding_mmap
