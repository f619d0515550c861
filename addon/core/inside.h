// Writing inside a file, which does not grow by it. No Node-API in here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace sliding_mmap {

// Who writes inside a file looks where it ends first, and who writes changes of a private mapping back looks
// at its pages: in a turn, nobody else of this process cuts the file or drops the pages between the look and
// the write, whichever descriptors of the file they have. Held for one call, or for one piece of work on the
// thread pool; never two at a time.
class Turn {
 public:
  explicit Turn(int fd);

 private:
  std::lock_guard<std::mutex> held_;
};

// Writes what lies inside the file as it is now: bytes written, 0 where all of it is past the end, or a
// negative errno. In a turn. When another process cuts the file between the look and the write, the file
// grows again.
int64_t WriteInside(int fd, const void* buffer, size_t length, int64_t position);

}  // namespace sliding_mmap
