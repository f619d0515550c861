// Address space on Windows. A reservation is cut into pieces: views of files, memory of zeros, and
// placeholders (VirtualAlloc2), which take the place of either and which nobody else can be given. So a range
// can be mapped anew in place; for the moment in between, a thread that touches it is made to wait by the
// exception handler.
//
// Zeros take no memory before they are touched: a placeholder becomes memory in the exception handler.
//
// Functions return 0 or an errno, and may be called from any thread.
#pragma once

#include <windows.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/os.h"

namespace sliding_mmap::os {

// Whether this Windows has placeholders: 10 from version 1803 on, and Server 2019.
bool HasPlaceholders();

int TakeSpace(size_t length, size_t alignment, size_t phase, size_t headroom, void** address);
void GiveSpaceBack(void* address, size_t length);

// Maps the section from `position` on: `bytes` of it, at most `length`, which is whole pages. What lay there
// goes, and of a view that reached out of the range all of it. Placeholders are left where it ends before.
int MapSection(void* address, size_t length, HANDLE section, uint64_t position, uint64_t bytes,
               DWORD protection, size_t step);

// As os::MapZeros; EINVAL where a view would have to be cut. With `at_once` the zeros are memory now, and not
// only when a thread touches them: the system's own copies, of a ReadFile say, do not come by the handler.
int ClearSpace(void* address, size_t length, bool at_once);

// A piece of a view.
struct ViewPart {
  uint8_t* data;
  size_t length;
  uint8_t* view;  // where the view begins
  size_t view_length;
};
// What of the range shows a file.
std::vector<ViewPart> ViewsIn(const void* address, size_t length);

// For the exception handler: whether the access of a thread that faulted can be repeated, because the address
// shows something now. `writable` says what memory of zeros is to be.
bool Provide(uintptr_t address, bool writing, bool writable);

}  // namespace sliding_mmap::os
