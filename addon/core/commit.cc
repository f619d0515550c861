#include "core/commit.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "core/inside.h"
#include "core/range.h"

namespace sliding_mmap {
namespace {

// How much is looked at, and how much is copied, in one piece of a commit.
constexpr size_t kMostScanned = size_t{256} << 20;
constexpr size_t kMostCopied = size_t{1} << 20;

// 0 or a negative errno.
int64_t WriteAll(int fd, const uint8_t* bytes, size_t length, uint64_t position) {
  for (size_t done = 0; done < length;) {
    const int64_t moved = WriteInside(fd, bytes + done, length - done, static_cast<int64_t>(position + done));
    if (moved <= 0) return moved;  // 0 where it was cut since
    done += static_cast<size_t>(moved);
  }
  return 0;
}

}  // namespace

int64_t Commit::Write(const Mapping& mapping, int fd, uint64_t from, uint64_t to) {
  const size_t page = os::PageSize();
  if (from < mapping.position() || to < from || to - mapping.position() > mapping.mapped()) return -EINVAL;
  const auto start = static_cast<size_t>(from - mapping.position());
  const auto end = start + static_cast<size_t>(std::min<uint64_t>(to - from, kMostScanned));
  const size_t first = static_cast<size_t>(RoundDown(start, page));
  const size_t pages = (end - first + page - 1) / page;
  Array<uint8_t> changed;
  // Each piece is a page at the least.
  if (!changed.Allocate(pages) || !pieces_.Allocate(std::min(pages, kMostCopied / page + 1))) return -ENOMEM;
  if (os::ChangedPages(mapping.data() + first, pages, changed.data()) != 0) {
    std::fill(changed.begin(), changed.end(), 1);
  }
  size_t copied = 0;
  for (size_t i = 0; i < pages;) {
    if (changed[i] == 0) {
      ++i;
      continue;
    }
    size_t next = i + 1;
    while (next < pages && changed[next] != 0 && copied + (next - i) * page < kMostCopied) ++next;
    const size_t begin = std::max(start, first + i * page);
    const size_t stop = std::min(end, first + next * page);
    Piece& piece = pieces_[count_];
    if (!piece.bytes.Copy(mapping.data() + begin, stop - begin)) return -ENOMEM;
    piece.offset = begin;
    ++count_;
    if (int64_t error = WritePiece(mapping, fd, piece)) return error;
    copied += stop - begin;
    if (copied >= kMostCopied) return static_cast<int64_t>(mapping.position() + stop);
    i = next;
  }
  return static_cast<int64_t>(mapping.position() + end);
}

int64_t Commit::WritePiece(const Mapping& mapping, int fd, const Piece& piece) {
  const Array<uint8_t>& bytes = piece.bytes;
  const uint64_t position = mapping.position() + piece.offset;
  Array<uint8_t> file;
  if (!file.Allocate(bytes.size())) return -ENOMEM;
  size_t known = 0;
  while (known < file.size()) {
    const int64_t moved = os::Exactly<os::Read>(fd, file.data() + known, file.size() - known,
                                                static_cast<int64_t>(position + known));
    if (moved < 0) return moved;
    if (moved == 0) break;  // what is past the end stays so: the file does not grow
    known += static_cast<size_t>(moved);
  }
  // A page that was lost reads as zeros, which nobody wrote.
  if (mapping.faults() != 0) return -EFAULT;
  // Neighbouring pages that differ are one write: it is the system calls that take the time.
  const size_t page = os::PageSize();
  size_t from = 0;
  size_t to = 0;
  for (size_t at = 0; at < known;) {
    const size_t end = std::min(known, at + page - (piece.offset + at) % page);
    size_t first = at;
    size_t last = end;
    while (first < end && bytes[first] == file[first]) ++first;
    while (last > first && bytes[last - 1] == file[last - 1]) --last;
    if (first == end) {
      if (int64_t error = WriteAll(fd, bytes.data() + from, to - from, position + from)) return error;
      from = to = end;
    } else {
      if (from == to) from = first;
      to = last;
    }
    at = end;
  }
  return WriteAll(fd, bytes.data() + from, to - from, position + from);
}

int Commit::Drop(Mapping* mapping, int fd) const {
  const size_t page = os::PageSize();
  for (size_t i = 0; i < count_; ++i) {
    const Piece& piece = pieces_[i];
    size_t from = 0;
    while (from < piece.bytes.size()) {
      const size_t offset = piece.offset + from;
      const size_t base = static_cast<size_t>(RoundDown(offset, page));
      const size_t to = std::min(piece.bytes.size(), from + page - (offset - base));
      if (memcmp(mapping->data() + offset, piece.bytes.data() + from, to - from) == 0) {
        if (int error = mapping->DropChanges(fd, base, page)) return error;
      }
      from = to;
    }
  }
  return 0;
}

}  // namespace sliding_mmap
