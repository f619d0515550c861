// Windows. Descriptors are those of the executable's C runtime, which is not this library's: libuv, which the
// executable exports, translates them.
// clang-format off
#include <winsock2.h>  // which uv.h includes, and which must come before windows.h
#include <windows.h>
// clang-format on

#include <errno.h>
#include <psapi.h>
#include <string.h>
#include <uv.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "core/injection.h"
#include "core/os.h"
#include "core/space_win32.h"

namespace sliding_mmap::os {

namespace {

// ERROR_DISK_QUOTA_EXCEEDED, which not all headers have.
constexpr DWORD kQuotaExceeded = 1295;

// The C runtime's numbers, which are also those of node:os.
int ErrnoOf(DWORD error) {
  switch (error) {
    case ERROR_SUCCESS:
      return 0;
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_INVALID_DRIVE:
      return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_NETWORK_ACCESS_DENIED:
      return EACCES;
    case ERROR_INVALID_HANDLE:
      return EBADF;
    case ERROR_TOO_MANY_OPEN_FILES:
      return EMFILE;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_NO_SYSTEM_RESOURCES:
      return ENOMEM;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
    case kQuotaExceeded:
      return ENOSPC;
    case ERROR_FILE_TOO_LARGE:
      return EFBIG;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS:
      return EEXIST;
    case ERROR_DIRECTORY:
      return ENOTDIR;
    case ERROR_WRITE_PROTECT:
      return EROFS;
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA:
    case ERROR_PIPE_NOT_CONNECTED:
      return EPIPE;
    case ERROR_NOACCESS:
      return EFAULT;
    case ERROR_USER_MAPPED_FILE:
    case ERROR_BUSY:
      return EBUSY;
    case ERROR_NOT_SUPPORTED:
    case ERROR_INVALID_FUNCTION:
    case ERROR_CALL_NOT_IMPLEMENTED:
      return EOPNOTSUPP;
    case ERROR_INVALID_PARAMETER:
    case ERROR_NEGATIVE_SEEK:
    case ERROR_MAPPED_ALIGNMENT:
    case ERROR_INVALID_ADDRESS:
      return EINVAL;
    default:
      return EIO;
  }
}

int LastErrno() { return ErrnoOf(GetLastError()); }

// The descriptor keeps it; INVALID_HANDLE_VALUE for one that is not open.
HANDLE HandleOf(int fd) {
  const HANDLE handle = reinterpret_cast<HANDLE>(uv_get_osfhandle(fd));
  // -2 is what a standard stream without anything behind it has.
  return handle == reinterpret_cast<HANDLE>(static_cast<intptr_t>(-2)) ? INVALID_HANDLE_VALUE : handle;
}

class OwnHandle {
 public:
  explicit OwnHandle(HANDLE handle) : handle_(handle) {}
  ~OwnHandle() {
    if (*this) CloseHandle(handle_);
  }
  OwnHandle(const OwnHandle&) = delete;
  OwnHandle& operator=(const OwnHandle&) = delete;
  explicit operator bool() const { return handle_ != nullptr && handle_ != INVALID_HANDLE_VALUE; }
  HANDLE get() const { return handle_; }

 private:
  HANDLE handle_;
};

// Gives the handle to a new descriptor, or closes it.
int DescriptorFor(HANDLE handle, int* fd) {
  *fd = uv_open_osfhandle(handle);
  if (*fd != -1) return 0;
  CloseHandle(handle);
  return EMFILE;
}

// What the handle was opened for, as in CreateFileW's dwDesiredAccess; 0 where that cannot be told.
ACCESS_MASK AccessOf(HANDLE handle) {
  struct StatusBlock {
    void* status;
    ULONG_PTR information;
  };
  using Query = LONG(NTAPI*)(HANDLE, StatusBlock*, void*, ULONG, int);
  static const auto query = reinterpret_cast<Query>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll"), "NtQueryInformationFile")));
  constexpr int kFileAccessInformation = 8;  // FILE_INFORMATION_CLASS, wdm.h
  StatusBlock block;
  ACCESS_MASK access = 0;
  if (query == nullptr || query(handle, &block, &access, sizeof access, kFileAccessInformation) < 0) return 0;
  return access;
}

bool IsWritable(HANDLE handle) { return (AccessOf(handle) & FILE_WRITE_DATA) != 0; }

constexpr DWORD kShareAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

// The same file opened once more, with a cursor and locks of its own.
HANDLE OpenAgain(HANDLE handle, DWORD access) { return ReOpenFile(handle, access, kShareAll, 0); }

bool SizeOf(HANDLE handle, int64_t* size) {
  LARGE_INTEGER found;
  if (!GetFileSizeEx(handle, &found)) return false;
  *size = found.QuadPart;
  return true;
}

// Most that one read or write moves, as on POSIX.
constexpr size_t kMostPerCall = 0x7ffff000;

// Reads and writes at a position move the cursor of a synchronous handle, too, and it has to be put back;
// those at the cursor take their place in turn. The system does one of them at a time for each open file
// anyway.
std::mutex& CursorLock(HANDLE handle) {
  static std::mutex locks[64];
  return locks[(reinterpret_cast<uintptr_t>(handle) / 4) % 64];
}

// ReadFile or WriteFile. Bytes moved, or a negative errno.
template <typename Call>
int64_t Move(HANDLE handle, size_t length, int64_t position, Call call) {
  if (handle == INVALID_HANDLE_VALUE) return -EBADF;
  const auto most = static_cast<DWORD>(std::min(length, kMostPerCall));
  DWORD moved = 0;
  std::unique_lock<std::mutex> hold(CursorLock(handle), std::defer_lock);
  // What is no file may keep its reader waiting for long, and has no cursor.
  if (GetFileType(handle) == FILE_TYPE_DISK) hold.lock();
  if (position < 0) {
    if (call(most, &moved, nullptr)) return moved;
  } else {
    LARGE_INTEGER cursor;
    const bool seekable = SetFilePointerEx(handle, {}, &cursor, FILE_CURRENT);
    OVERLAPPED where = {};
    where.Offset = static_cast<DWORD>(position);
    where.OffsetHigh = static_cast<DWORD>(position >> 32);
    const bool done = call(most, &moved, &where);
    const DWORD error = GetLastError();
    if (seekable) SetFilePointerEx(handle, cursor, nullptr, FILE_BEGIN);
    if (done) return moved;
    SetLastError(error);
  }
  const DWORD error = GetLastError();
  if (error == ERROR_HANDLE_EOF || error == ERROR_BROKEN_PIPE) return moved;
  return -ErrnoOf(error);
}

// A file's own size, told by the handle; set without moving the cursor.
int SetSize(HANDLE handle, uint64_t size) {
  FILE_END_OF_FILE_INFO end;
  end.EndOfFile.QuadPart = static_cast<LONGLONG>(size);
  return SetFileInformationByHandle(handle, FileEndOfFileInfo, &end, sizeof end) ? 0 : LastErrno();
}

std::wstring Wide(const char* text) {
  const int length = MultiByteToWideChar(CP_UTF8, 0, text, -1, nullptr, 0);
  std::wstring wide(static_cast<size_t>(std::max(1, length)), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text, -1, wide.data(), length);
  wide.resize(wide.size() - 1);
  return wide;
}

const SYSTEM_INFO& System() {
  static const SYSTEM_INFO system = [] {
    SYSTEM_INFO found;
    GetSystemInfo(&found);
    return found;
  }();
  return system;
}

}  // namespace

size_t PageSize() { return System().dwPageSize; }

size_t Granularity() { return System().dwAllocationGranularity; }

uint64_t MaxMappings() { return 0; }

// --- address space
// -----------------------------------------------------------------------------------------------------

size_t Headroom() { return size_t{sizeof(void*) == 8 ? 64 : 16} << 20; }

bool IsAddressSpaceLimited() { return false; }

int Reserve(size_t length, size_t alignment, size_t phase, size_t headroom, void** address) {
  if (int error = Injected(Call::kReserve)) return error;
  return TakeSpace(length, alignment, phase, headroom, address);
}

void Release(void* address, size_t length) { GiveSpaceBack(address, length); }

namespace {

// What is dropped of a private mapping is dropped view by view: this is the most that has to be compared
// then.
constexpr size_t kPrivateView = size_t{4} << 20;

DWORD ProtectionOf(Access access, Sharing sharing) {
  if (access == Access::kRead) return PAGE_READONLY;
  return sharing == Sharing::kShared ? PAGE_READWRITE : PAGE_WRITECOPY;
}

int MapInto(void* address, size_t length, int fd, uint64_t position, Access access, Sharing sharing) {
  const HANDLE handle = HandleOf(fd);
  if (handle == INVALID_HANDLE_VALUE) return EBADF;
  // A view of a read-only section can never be written: one that can be is mapped, and then protected.
  const bool shared = sharing == Sharing::kShared;
  const bool writable = shared && (access == Access::kReadWrite || IsWritable(handle));
  const OwnHandle section(
      CreateFileMappingW(handle, nullptr, writable ? PAGE_READWRITE : PAGE_READONLY, 0, 0, nullptr));
  // An empty file has none: it has been cut.
  if (!section) return GetLastError() == ERROR_FILE_INVALID ? EFAULT : LastErrno();
  int64_t size = 0;
  if (!SizeOf(handle, &size)) return LastErrno();
  if (static_cast<uint64_t>(size) <= position ||
      static_cast<uint64_t>(size) - position + PageSize() <= length) {
    return EFAULT;
  }
  const DWORD protection = shared ? (writable ? PAGE_READWRITE : PAGE_READONLY) : PAGE_WRITECOPY;
  if (int error = MapSection(address, length, section.get(), position, static_cast<uint64_t>(size) - position,
                             protection, shared ? SIZE_MAX : kPrivateView)) {
    return error;
  }
  return protection == ProtectionOf(access, sharing) ? 0 : Protect(address, length, access);
}

}  // namespace

int MapFile(void* address, size_t length, int fd, uint64_t position, Access access, Sharing sharing) {
  if (int error = Injected(Call::kMapFile)) return error;
  return MapInto(address, length, fd, position, access, sharing);
}

namespace {

// Memory that can be written counts against what the system has, touched or not.
constexpr size_t kMostAtOnce = size_t{4} << 20;

}  // namespace

int MapZeros(void* address, size_t length, Access access) {
  return ClearSpace(address, length, access == Access::kReadWrite && length <= kMostAtOnce);
}

int Protect(void* address, size_t length, Access access) {
  for (const ViewPart& part : ViewsIn(address, length)) {
    MEMORY_BASIC_INFORMATION found;
    if (VirtualQuery(part.view, &found, sizeof found) == 0) return LastErrno();
    const Sharing sharing = found.AllocationProtect == PAGE_WRITECOPY ? Sharing::kPrivate : Sharing::kShared;
    DWORD before;
    if (!VirtualProtect(part.data, part.length, ProtectionOf(access, sharing), &before)) return LastErrno();
  }
  return 0;
}

namespace {

void Prefetch(const ViewPart& part) {
  WIN32_MEMORY_RANGE_ENTRY range = {part.data, part.length};
  PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0);
}

}  // namespace

int Advise(void* address, size_t length, Advice advice) {
  if (advice == Advice::kNormal) return 0;
  if (advice != Advice::kWillNeed && advice != Advice::kDontNeed) return EOPNOTSUPP;
  for (const ViewPart& part : ViewsIn(address, length)) {
    // Unlocking what was not locked takes it out of the working set (VirtualUnlock, Remarks).
    if (advice == Advice::kWillNeed)
      Prefetch(part);
    else
      VirtualUnlock(part.data, part.length);
  }
  return 0;
}

// How a file is read is told when it is opened here, and how much of it is in memory, or shall not be, never:
// QueryWorkingSetEx knows of this process's own pages only.
int AdviseFile(int, uint64_t, uint64_t, Advice advice) {
  return advice == Advice::kNormal || advice == Advice::kWillNeed ? 0 : EOPNOTSUPP;
}
int Residency(int, uint64_t, size_t, uint8_t*, uint64_t*) { return EOPNOTSUPP; }
int DropCache(int, uint64_t, uint64_t) { return EOPNOTSUPP; }

int LockMemory(void* address, size_t length) {
  for (const ViewPart& part : ViewsIn(address, length)) {
    if (VirtualLock(part.data, part.length)) continue;
    // Beyond the working set's minimum (VirtualLock, Remarks).
    return GetLastError() == ERROR_WORKING_SET_QUOTA ? ENOMEM : LastErrno();
  }
  return 0;
}

uint64_t MostLocked() {
  SIZE_T least = 0;
  SIZE_T most = 0;
  return GetProcessWorkingSetSize(GetCurrentProcess(), &least, &most) ? least : UINT64_MAX;
}

int Populate(void* address, size_t length) {
  for (const ViewPart& part : ViewsIn(address, length)) {
    Prefetch(part);
    // That brings the pages into memory, but not into the working set.
    for (size_t at = 0; at < part.length; at += PageSize()) {
      (void)*const_cast<const volatile uint8_t*>(part.data + at);
    }
  }
  return 0;
}

bool IsResident(const void* address, size_t length) {
  const uintptr_t page = PageSize();
  const uintptr_t start = reinterpret_cast<uintptr_t>(address) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(address) + length;
  constexpr size_t kMostPages = 16;
  const size_t pages = (end - start + page - 1) / page;
  if (pages > kMostPages) return false;
  PSAPI_WORKING_SET_EX_INFORMATION found[kMostPages] = {};
  for (size_t i = 0; i < pages; ++i) found[i].VirtualAddress = reinterpret_cast<void*>(start + i * page);
  if (!K32QueryWorkingSetEx(GetCurrentProcess(), found, static_cast<DWORD>(pages * sizeof found[0])))
    return false;
  return std::all_of(found, found + pages,
                     [](const auto& each) { return each.VirtualAttributes.Valid != 0; });
}

bool IsCold(const void*, size_t) { return false; }

// Of this process's own working set, everything.
bool TellsResidency(int) { return true; }

int DropChanges(void* address, size_t length, int fd, uint64_t position) {
  // Only whole views can be mapped anew: what else was changed in them is kept aside meanwhile.
  auto* const start = static_cast<uint8_t*>(address);
  struct Kept {
    uint8_t* at;
    std::unique_ptr<uint8_t[]> bytes;
  };
  std::vector<Kept> kept;
  const std::vector<ViewPart> parts = ViewsIn(address, length);
  const std::unique_ptr<uint8_t[]> file(new (std::nothrow) uint8_t[PageSize()]);
  if (file == nullptr) return ENOMEM;
  for (const ViewPart& part : parts) {
    for (uint8_t* at = part.view; at < part.view + part.view_length; at += PageSize()) {
      if (at >= part.data && at < part.data + part.length) continue;
      const int64_t from = static_cast<int64_t>(position) + (at - start);
      const int64_t moved = Read(fd, file.get(), PageSize(), from);
      if (moved < 0) return static_cast<int>(-moved);
      memset(file.get() + moved, 0, PageSize() - static_cast<size_t>(moved));
      if (memcmp(at, file.get(), PageSize()) == 0) continue;
      kept.push_back({at, std::unique_ptr<uint8_t[]>(new (std::nothrow) uint8_t[PageSize()])});
      if (kept.back().bytes == nullptr) return ENOMEM;
      memcpy(kept.back().bytes.get(), at, PageSize());
    }
  }
  int error = 0;
  for (const ViewPart& part : parts) {
    if (error != 0) break;
    const auto from = static_cast<uint64_t>(static_cast<int64_t>(position) + (part.view - start));
    error = MapInto(part.view, part.view_length, fd, from, Access::kReadWrite, Sharing::kPrivate);
  }
  for (const Kept& page : kept) {
    if (error == 0) memcpy(page.at, page.bytes.get(), PageSize());
  }
  return error;
}

// VirtualQuery tells it (a page that was copied is PAGE_READWRITE), but not everywhere.
int ChangedPages(const void*, size_t, uint8_t*) { return EOPNOTSUPP; }

int SyncMapping(void* address, size_t length) {
  if (int error = Injected(Call::kSyncMapping)) return error;
  int first = 0;
  for (const ViewPart& part : ViewsIn(address, length)) {
    if (FlushViewOfFile(part.data, part.length)) continue;
    // Unmapped meanwhile: its pages are the file's, and SyncFile sees to them.
    const DWORD error = GetLastError();
    if (first == 0 && error != ERROR_INVALID_ADDRESS) first = ErrnoOf(error);
  }
  return first;
}

// --- files
// -------------------------------------------------------------------------------------------------------------

int Status(int fd, FileStatus* status) {
  if (int error = Injected(Call::kStatus)) return error;
  const HANDLE handle = HandleOf(fd);
  if (handle == INVALID_HANDLE_VALUE) return EBADF;
  BY_HANDLE_FILE_INFORMATION found;
  if (GetFileType(handle) != FILE_TYPE_DISK || !GetFileInformationByHandle(handle, &found)) {
    // A pipe, a console, a device.
    *status = {0, FileKind::kOther, {UINT64_MAX, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(handle))}};
    return 0;
  }
  const bool directory = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  status->size = directory ? 0 : uint64_t{found.nFileSizeHigh} << 32 | found.nFileSizeLow;
  status->kind = directory ? FileKind::kDirectory : FileKind::kRegular;
  status->id = {found.dwVolumeSerialNumber, uint64_t{found.nFileIndexHigh} << 32 | found.nFileIndexLow};
  return 0;
}

int Duplicate(int fd, int* duplicate) {
  const HANDLE handle = HandleOf(fd);
  if (handle == INVALID_HANDLE_VALUE) return EBADF;
  HANDLE copy = nullptr;
  const HANDLE process = GetCurrentProcess();
  if (!DuplicateHandle(process, handle, process, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS)) return LastErrno();
  return DescriptorFor(copy, duplicate);
}

// The number of a descriptor cannot be chosen.
int DuplicateAside(int, int*) { return EOPNOTSUPP; }

void Close(int fd) {
  uv_fs_t request;
  uv_fs_close(nullptr, &request, fd, nullptr);
  uv_fs_req_cleanup(&request);
}

int SameOpening(int fd, int other) {
  using Compare = BOOL(WINAPI*)(HANDLE, HANDLE);
  static const auto compare = reinterpret_cast<Compare>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"kernelbase"), "CompareObjectHandles")));
  const HANDLE one = HandleOf(fd);
  const HANDLE two = HandleOf(other);
  if (one == INVALID_HANDLE_VALUE || two == INVALID_HANDLE_VALUE) return -EBADF;
  return compare == nullptr ? -EOPNOTSUPP : compare(one, two) ? 1 : 0;
}

int Reopen(int, bool, int*) { return EOPNOTSUPP; }

// There is no such flag.
int IsBlocking(int fd, bool* blocking) {
  *blocking = true;
  return HandleOf(fd) == INVALID_HANDLE_VALUE ? EBADF : 0;
}
int SetBlocking(int) { return 0; }

namespace {

// A new file in `folder` by a name that nobody else takes.
int OpenNew(const std::wstring& folder, DWORD share, DWORD flags, HANDLE* handle) {
  static std::atomic<uint32_t> count{0};
  for (int attempt = 0; attempt < 64; ++attempt) {
    LARGE_INTEGER ticks;
    QueryPerformanceCounter(&ticks);
    const std::wstring name = folder + L"\\sliding-mmap-" + std::to_wstring(GetCurrentProcessId()) + L"-" +
                              std::to_wstring(count.fetch_add(1, std::memory_order_relaxed)) + L"-" +
                              std::to_wstring(ticks.QuadPart);
    // FILE_ATTRIBUTE_TEMPORARY: what lives shortly is kept from the disk as long as there is memory.
    *handle = CreateFileW(name.c_str(), GENERIC_READ | GENERIC_WRITE | DELETE, share, nullptr, CREATE_NEW,
                          FILE_ATTRIBUTE_TEMPORARY | flags, nullptr);
    if (*handle != INVALID_HANDLE_VALUE) return 0;
    if (GetLastError() != ERROR_FILE_EXISTS) return LastErrno();
  }
  return EEXIST;
}

int Rename(HANDLE handle, const std::wstring& name) {
  const size_t bytes = name.size() * sizeof(wchar_t);
  const size_t length = sizeof(FILE_RENAME_INFO) + bytes;
  const std::unique_ptr<uint8_t[]> memory(new (std::nothrow) uint8_t[length]());
  if (memory == nullptr) return ENOMEM;
  auto* info = new (memory.get()) FILE_RENAME_INFO();
  info->FileNameLength = static_cast<DWORD>(bytes);
  memcpy(info->FileName, name.c_str(), bytes);
  return SetFileInformationByHandle(handle, FileRenameInfo, info, static_cast<DWORD>(length)) ? 0
                                                                                              : LastErrno();
}

}  // namespace

int OpenUnlinked(const char* folder, int* fd) {
  // It has its name until it is closed, and is opened again for locks and to be extended, so it is shared.
  HANDLE handle;
  if (int error = OpenNew(Wide(folder), kShareAll, FILE_FLAG_DELETE_ON_CLOSE, &handle)) return error;
  return DescriptorFor(handle, fd);
}

// Sections without a file can be neither read nor written, only mapped.
int CreateAnonymous(const char* folder, int* fd) { return OpenUnlinked(folder, fd); }

int CreateShared(const char* folder, const char* name, uint64_t size, int* fd) {
  const std::wstring place = Wide(folder);
  HANDLE handle;
  if (int error = OpenNew(place, kShareAll, 0, &handle)) return error;
  int error = SetSize(handle, size);
  // By its own name only when it is whole: whoever opens it sees its size.
  if (error == 0) error = Rename(handle, place + L"\\" + Wide(name));
  if (error == 0) return DescriptorFor(handle, fd);
  FILE_DISPOSITION_INFO disposition = {TRUE};
  SetFileInformationByHandle(handle, FileDispositionInfo, &disposition, sizeof disposition);
  CloseHandle(handle);
  return error;
}

// NTFS tells which ranges of a sparse file have room on the disk (FSCTL_QUERY_ALLOCATED_RANGES), but a page
// that was written through a mapping gets its room only when it is written back.
int ReopenForHoles(int, int*) { return EOPNOTSUPP; }
int64_t NextData(int, int64_t) { return -EOPNOTSUPP; }

int ReopenForLocks(int fd, int* own) {
  const HANDLE handle = HandleOf(fd);
  if (handle == INVALID_HANDLE_VALUE) return EBADF;
  const bool writable = (AccessOf(handle) & (FILE_WRITE_DATA | FILE_APPEND_DATA)) != 0;
  const HANDLE opened = OpenAgain(handle, writable ? GENERIC_READ | GENERIC_WRITE : GENERIC_READ);
  return opened == INVALID_HANDLE_VALUE ? LastErrno() : DescriptorFor(opened, own);
}

int Lock(int fd, uint64_t start, uint64_t length, LockKind kind) {
  const HANDLE handle = HandleOf(fd);
  if (handle == INVALID_HANDLE_VALUE) return EBADF;
  // Locks here keep everybody from reading and writing, this process's other handles, too. So a byte's lock
  // is that of one so far behind it that no file has it: it excludes locks only.
  constexpr uint64_t kBehind = uint64_t{1} << 62;
  if (start >= kBehind || length > kBehind - start) return EINVAL;
  const uint64_t from = kBehind + start;
  // What has no end ends behind the last byte that JavaScript can name: locks from there on are no bytes'.
  constexpr uint64_t kEndOfPositions = uint64_t{1} << 53;
  const uint64_t bytes = length == 0 ? kEndOfPositions - start : length;
  OVERLAPPED where = {};
  where.Offset = static_cast<DWORD>(from);
  where.OffsetHigh = static_cast<DWORD>(from >> 32);
  const auto low = static_cast<DWORD>(bytes);
  const auto high = static_cast<DWORD>(bytes >> 32);
  if (kind == LockKind::kNone) {
    return UnlockFileEx(handle, 0, low, high, &where) || GetLastError() == ERROR_NOT_LOCKED ? 0 : LastErrno();
  }
  const DWORD exclusive = kind == LockKind::kExclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0;
  if (LockFileEx(handle, LOCKFILE_FAIL_IMMEDIATELY | exclusive, 0, low, high, &where)) return 0;
  const DWORD error = GetLastError();
  return error == ERROR_LOCK_VIOLATION || error == ERROR_IO_PENDING ? EAGAIN : ErrnoOf(error);
}

int Mode(int fd, OpenMode* mode) {
  const HANDLE handle = HandleOf(fd);
  if (handle == INVALID_HANDLE_VALUE) return EBADF;
  const ACCESS_MASK access = AccessOf(handle);
  mode->readable = (access & FILE_READ_DATA) != 0;
  mode->writable = (access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) != 0;
  mode->appending = (access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) == FILE_APPEND_DATA;
  return 0;
}

int64_t Read(int fd, void* buffer, size_t length, int64_t position) {
  if (int error = Injected(Call::kRead)) return -error;
  const HANDLE handle = HandleOf(fd);
  return Move(handle, length, position, [&](DWORD most, DWORD* moved, OVERLAPPED* where) {
    return ReadFile(handle, buffer, most, moved, where) != 0;
  });
}

int64_t Write(int fd, const void* buffer, size_t length, int64_t position) {
  if (int error = Injected(Call::kWrite)) return -error;
  const HANDLE handle = HandleOf(fd);
  return Move(handle, length, position, [&](DWORD most, DWORD* moved, OVERLAPPED* where) {
    return WriteFile(handle, buffer, most, moved, where) != 0;
  });
}

int64_t ReadResident(int, void*, size_t, int64_t) {
  if (int error = Injected(Call::kRead)) return -error;
  return -EOPNOTSUPP;
}

int64_t StillInside(int fd, int64_t moved, int64_t position) {
  const HANDLE handle = HandleOf(fd);
  int64_t size = 0;
  if (moved <= 0 || !SizeOf(handle, &size)) return moved;
  int64_t end = position + moved;
  if (position < 0) {
    LARGE_INTEGER cursor;
    if (!SetFilePointerEx(handle, {}, &cursor, FILE_CURRENT)) return moved;
    end = cursor.QuadPart;
  }
  if (end <= size) return moved;
  const int64_t inside = std::max<int64_t>(0, moved - (end - size));
  if (position < 0) {
    LARGE_INTEGER back;
    back.QuadPart = inside - moved;
    SetFilePointerEx(handle, back, nullptr, FILE_CURRENT);
  }
  return inside;
}

int SyncFile(int fd) {
  if (int error = Injected(Call::kSyncFile)) return error;
  const HANDLE handle = HandleOf(fd);
  if (handle == INVALID_HANDLE_VALUE) return EBADF;
  if (FlushFileBuffers(handle)) return 0;
  const DWORD error = GetLastError();
  // Refused to those who cannot have written.
  const bool written = (AccessOf(handle) & (FILE_WRITE_DATA | FILE_APPEND_DATA)) != 0;
  return error == ERROR_ACCESS_DENIED && !written ? 0 : ErrnoOf(error);
}

// FileAllocationInfo would do, but cuts a file that somebody made longer meanwhile.
int Allocate(int, uint64_t, uint64_t) { return EOPNOTSUPP; }

int Truncate(int fd, uint64_t size) {
  if (int error = Injected(Call::kTruncate)) return error;
  const HANDLE handle = HandleOf(fd);
  if (handle == INVALID_HANDLE_VALUE) return EBADF;
  if (IsWritable(handle)) return SetSize(handle, size);
  // Open for appending, it may not be cut; another opening of it may.
  if ((AccessOf(handle) & FILE_APPEND_DATA) == 0) return EINVAL;
  const OwnHandle opened(OpenAgain(handle, GENERIC_WRITE));
  return opened ? SetSize(opened.get(), size) : LastErrno();
}

int WatchNames(const char*, int*) { return ENOSYS; }

}  // namespace sliding_mmap::os
