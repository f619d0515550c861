#include "core/space_win32.h"

#include <errno.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>

// Newer than some headers (memoryapi.h of the Windows 10 SDK, 1803).
#if !defined(MEM_COALESCE_PLACEHOLDERS)
#define MEM_COALESCE_PLACEHOLDERS 0x00000001
#endif
#if !defined(MEM_PRESERVE_PLACEHOLDER)
#define MEM_PRESERVE_PLACEHOLDER 0x00000002
#endif
#if !defined(MEM_REPLACE_PLACEHOLDER)
#define MEM_REPLACE_PLACEHOLDER 0x00004000
#endif
#if !defined(MEM_RESERVE_PLACEHOLDER)
#define MEM_RESERVE_PLACEHOLDER 0x00040000
#endif

namespace sliding_mmap::os {
namespace {

// Looked up when they are first needed: an older Windows would not load the addon otherwise.
struct PlaceholderCalls {
  using Allocate = PVOID(WINAPI*)(HANDLE, PVOID, SIZE_T, ULONG, ULONG, void*, ULONG);
  using Map = PVOID(WINAPI*)(HANDLE, HANDLE, PVOID, ULONG64, SIZE_T, ULONG, ULONG, void*, ULONG);
  using Unmap = BOOL(WINAPI*)(HANDLE, PVOID, ULONG);
  Allocate allocate = nullptr;
  Map map = nullptr;
  Unmap unmap = nullptr;
};

template <typename F>
F Find(const char* name) {
  return reinterpret_cast<F>(reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"kernelbase"), name)));
}

const PlaceholderCalls& Calls() {
  static const PlaceholderCalls calls = [] {
    PlaceholderCalls found;
    found.allocate = Find<PlaceholderCalls::Allocate>("VirtualAlloc2");
    found.map = Find<PlaceholderCalls::Map>("MapViewOfFile3");
    found.unmap = Find<PlaceholderCalls::Unmap>("UnmapViewOfFile2");
    // They may be there and not know of placeholders.
    void* trial = found.allocate == nullptr || found.map == nullptr || found.unmap == nullptr
                      ? nullptr
                      : found.allocate(GetCurrentProcess(), nullptr, Granularity(),
                                       MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, nullptr, 0);
    if (trial == nullptr) return PlaceholderCalls();
    VirtualFree(trial, 0, MEM_RELEASE);
    return found;
  }();
  return calls;
}

enum class Kind { kPlaceholder, kZeros, kView };
struct Piece {
  size_t length;
  Kind kind;
};

// All reservations, piece by piece. Never held while mapped memory is touched: the exception handler takes
// it.
std::mutex space_lock;
std::map<uintptr_t, Piece>& Pieces() {
  // Never destroyed: threads may outlive the order of destruction.
  static auto* pieces = new std::map<uintptr_t, Piece>();
  return *pieces;
}
using Iterator = std::map<uintptr_t, Piece>::iterator;

void* Pointer(uintptr_t address) { return reinterpret_cast<void*>(address); }
uintptr_t Address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

// The piece that holds the address, or end().
Iterator PieceOf(uintptr_t address) {
  Iterator next = Pieces().upper_bound(address);
  if (next == Pieces().begin()) return Pieces().end();
  const Iterator piece = std::prev(next);
  return address - piece->first < piece->second.length ? piece : Pieces().end();
}

// ENOMEM where less of it, or another time, may do.
int WhyRefused() {
  const DWORD error = GetLastError();
  const bool no_room = error == ERROR_NOT_ENOUGH_MEMORY || error == ERROR_COMMITMENT_LIMIT ||
                       error == ERROR_NO_SYSTEM_RESOURCES;
  return no_room ? ENOMEM : EINVAL;
}

// With a placeholder in its place.
bool Empty(Iterator piece) {
  switch (piece->second.kind) {
    case Kind::kPlaceholder:
      return true;
    case Kind::kZeros:
      if (!VirtualFree(Pointer(piece->first), piece->second.length, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER))
        return false;
      break;
    case Kind::kView:
      if (!Calls().unmap(GetCurrentProcess(), Pointer(piece->first), MEM_PRESERVE_PLACEHOLDER)) return false;
      break;
  }
  piece->second.kind = Kind::kPlaceholder;
  return true;
}

// Cuts [start, start + length) out of the placeholder that holds it.
bool Split(uintptr_t start, size_t length) {
  const Iterator piece = PieceOf(start);
  const uintptr_t from = piece->first;
  const uintptr_t to = from + piece->second.length;
  if (from == start && to == start + length) return true;
  if (!VirtualFree(Pointer(start), length, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER)) return false;
  if (from < start) piece->second.length = start - from;
  Pieces()[start] = {length, Kind::kPlaceholder};
  if (to > start + length) Pieces()[start + length] = {to - start - length, Kind::kPlaceholder};
  return true;
}

// Makes one placeholder of the range.
int Clear(uintptr_t start, size_t length, bool may_cut) {
  const uintptr_t end = start + length;
  const Iterator first = PieceOf(start);
  if (first == Pieces().end()) return EINVAL;
  const Iterator last = Pieces().lower_bound(end);
  for (Iterator piece = first; piece != last; ++piece) {
    const bool inside = piece->first >= start && piece->first + piece->second.length <= end;
    if (!may_cut && !inside && piece->second.kind == Kind::kView) return EINVAL;
  }
  uintptr_t to = first->first;
  for (Iterator piece = first; piece != last; ++piece) {
    if (piece->first != to) return EINVAL;
    if (!Empty(piece)) return ENOMEM;
    to += piece->second.length;
  }
  if (to < end) return EINVAL;
  if (std::next(first) != last) {
    const uintptr_t from = first->first;
    if (!VirtualFree(Pointer(from), to - from, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS)) return ENOMEM;
    first->second.length = to - from;
    Pieces().erase(std::next(first), last);
  }
  return Split(start, length) ? 0 : ENOMEM;
}

}  // namespace

bool HasPlaceholders() { return Calls().allocate != nullptr; }

int TakeSpace(size_t length, size_t alignment, size_t phase, size_t headroom, void** address) {
  if (!HasPlaceholders()) return EOPNOTSUPP;
  const size_t slack = (alignment > Granularity() ? alignment - Granularity() : 0) + headroom;
  if (length > SIZE_MAX - slack) return ENOMEM;
  const std::lock_guard<std::mutex> hold(space_lock);
  // Asked for together and given back at once: what can be had is known only by asking.
  void* raw = Calls().allocate(GetCurrentProcess(), nullptr, length + slack,
                               MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, nullptr, 0);
  if (raw == nullptr) return ENOMEM;
  const uintptr_t from = Address(raw);
  const uintptr_t start = from + ((phase - from) & (static_cast<uintptr_t>(alignment) - 1));
  Pieces()[from] = {length + slack, Kind::kPlaceholder};
  const bool split = Split(start, length);
  const uintptr_t kept = split ? start : 0;
  for (uintptr_t at = from, next; at < from + length + slack; at = next) {
    const Iterator piece = Pieces().find(at);
    next = at + piece->second.length;
    if (at == kept) continue;
    VirtualFree(Pointer(at), 0, MEM_RELEASE);
    Pieces().erase(piece);
  }
  if (!split) return ENOMEM;
  *address = Pointer(start);
  return 0;
}

void GiveSpaceBack(void* address, size_t length) {
  const std::lock_guard<std::mutex> hold(space_lock);
  const Iterator first = Pieces().lower_bound(Address(address));
  const Iterator last = Pieces().lower_bound(Address(address) + length);
  for (Iterator piece = first; piece != last; ++piece) {
    if (piece->second.kind == Kind::kView) {
      Calls().unmap(GetCurrentProcess(), Pointer(piece->first), 0);
    } else {
      VirtualFree(Pointer(piece->first), 0, MEM_RELEASE);
    }
  }
  Pieces().erase(first, last);
}

int MapSection(void* address, size_t length, HANDLE section, uint64_t position, uint64_t bytes,
               DWORD protection, size_t step) {
  const std::lock_guard<std::mutex> hold(space_lock);
  const uintptr_t start = Address(address);
  if (int error = Clear(start, length, true)) return error;
  for (size_t done = 0; done < length && done < bytes;) {
    const size_t rest = length - done;
    // The last granule, where it is not whole, is a view of its own: it alone is mapped anew when the file
    // grows.
    const size_t whole = rest / Granularity() * Granularity();
    const size_t piece = std::min(step, whole > 0 ? whole : rest);
    if (!Split(start + done, piece)) return ENOMEM;
    // A view may not be longer than its section, but takes whole pages.
    const size_t shown = static_cast<size_t>(std::min<uint64_t>(piece, bytes - done));
    const auto map = [&](size_t size) {
      return Calls().map(section, GetCurrentProcess(), Pointer(start + done), position + done, size,
                         MEM_REPLACE_PLACEHOLDER, protection, nullptr, 0) != nullptr;
    };
    if (!map(shown) && (shown == piece || !map(piece))) return WhyRefused();
    PieceOf(start + done)->second.kind = Kind::kView;
    done += piece;
  }
  return 0;
}

int ClearSpace(void* address, size_t length, bool at_once) {
  const std::lock_guard<std::mutex> hold(space_lock);
  if (int error = Clear(Address(address), length, false)) return error;
  if (!at_once) return 0;
  if (Calls().allocate(GetCurrentProcess(), address, length,
                       MEM_RESERVE | MEM_COMMIT | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE, nullptr,
                       0) == nullptr) {
    return ENOMEM;
  }
  PieceOf(Address(address))->second.kind = Kind::kZeros;
  return 0;
}

std::vector<ViewPart> ViewsIn(const void* address, size_t length) {
  const std::lock_guard<std::mutex> hold(space_lock);
  std::vector<ViewPart> parts;
  const uintptr_t start = Address(address);
  const uintptr_t end = start + length;
  Iterator piece = PieceOf(start);
  if (piece == Pieces().end()) return parts;
  for (; piece != Pieces().end() && piece->first < end; ++piece) {
    if (piece->second.kind != Kind::kView) continue;
    const uintptr_t from = std::max(start, piece->first);
    const uintptr_t to = std::min(end, piece->first + piece->second.length);
    parts.push_back({static_cast<uint8_t*>(Pointer(from)), to - from,
                     static_cast<uint8_t*>(Pointer(piece->first)), piece->second.length});
  }
  return parts;
}

bool Provide(uintptr_t address, bool writing, bool writable) {
  const std::lock_guard<std::mutex> hold(space_lock);
  const Iterator piece = PieceOf(address);
  if (piece == Pieces().end()) return false;
  MEMORY_BASIC_INFORMATION found;
  if (VirtualQuery(Pointer(address), &found, sizeof found) == 0) return false;
  if (found.State == MEM_COMMIT) {
    // Somebody else was faster, or the range was being mapped when it was touched.
    constexpr DWORD kWritten = PAGE_READWRITE | PAGE_WRITECOPY;
    return (found.Protect & (writing ? kWritten : kWritten | PAGE_READONLY)) != 0;
  }
  if (piece->second.kind == Kind::kView || (writing && !writable)) return false;
  if (piece->second.kind == Kind::kPlaceholder) {
    if (Calls().allocate(GetCurrentProcess(), Pointer(piece->first), piece->second.length,
                         MEM_RESERVE | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE, nullptr, 0) == nullptr) {
      return false;
    }
    piece->second.kind = Kind::kZeros;
  }
  const uintptr_t granule = address / Granularity() * Granularity();
  const uintptr_t from = std::max(granule, piece->first);
  const uintptr_t to = std::min(granule + Granularity(), piece->first + piece->second.length);
  return VirtualAlloc(Pointer(from), to - from, MEM_COMMIT, writable ? PAGE_READWRITE : PAGE_READONLY) !=
         nullptr;
}

}  // namespace sliding_mmap::os
