#include "core/inside.h"

#include <errno.h>

#include <algorithm>

#include "core/os.h"

namespace sliding_mmap {
namespace {

// Files share them: who waits for another file's turn only waits.
constexpr size_t kTurns = 61;
std::mutex turns[kTurns];

std::mutex& TurnOf(int fd) {
  os::FileStatus status;
  if (os::Status(fd, &status) != 0) return turns[0];
  return turns[(status.id.file ^ status.id.device) % kTurns];
}

}  // namespace

Turn::Turn(int fd) : held_(TurnOf(fd)) {}

int64_t WriteInside(int fd, const void* buffer, size_t length, int64_t position) {
  os::FileStatus status;
  if (int error = os::Status(fd, &status)) return -error;
  const auto from = static_cast<uint64_t>(position);
  if (from >= status.size) return 0;
  const size_t inside = static_cast<size_t>(std::min<uint64_t>(length, status.size - from));
  const int64_t moved = os::Write(fd, buffer, inside, position);
  return moved == 0 && inside > 0 ? -ENOSPC : moved;
}

}  // namespace sliding_mmap
