// Writing back what was changed in a private mapping. No Node-API in here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/array.h"
#include "core/mapping.h"

namespace sliding_mmap {

// One piece of it, a bounded number of pages. Only pages that were written are looked at, and of those only
// ones that differ from the file's are written, from the first byte that does to the last one, neighbours at
// once. Where the system does not tell which pages were, all are compared.
class Commit {
 public:
  // Goes on from `from`, a position in the file, up to `to`; both lie in the mapping. Gives the position up
  // to which it came, or a negative errno: -EFAULT when a page was lost. May run on any thread, while the
  // mapping is kept, in a Turn of the file.
  int64_t Write(const Mapping& mapping, int fd, uint64_t from, uint64_t to);

  // Lets the pages that still hold what was written show the file again, so that what others write from now
  // on shows, and no later commit writes over it. On the thread that writes the mapping. 0 or an errno.
  int Drop(Mapping* mapping, int fd) const;

 private:
  struct Piece {
    size_t offset;  // in the mapping
    Array<uint8_t> bytes;
  };

  int64_t WritePiece(const Mapping& mapping, int fd, const Piece& piece);

  Array<Piece> pieces_;
  size_t count_ = 0;
};

}  // namespace sliding_mmap
