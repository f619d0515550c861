// The operating system as the rest of the addon sees it: one header, one implementation per system
// (os_posix.cc, os_win32.cc). No Node-API in here, no exceptions, no allocation except where said.
//
// Unless said otherwise a function returns 0 or a positive errno, may be called from any thread, and works
// on addresses that the caller owns.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sliding_mmap::os {

enum class Access { kRead, kReadWrite };
enum class Sharing { kShared, kPrivate };
enum class Advice {
  kNormal,
  kRandom,
  kSequential,
  kWillNeed,
  kDontNeed,
  kCold,
  kPageOut,
  kHugePage,
  kNoHugePage,
  kCount
};
enum class FileKind { kRegular, kDirectory, kBlockDevice, kOther };

// What a mapping's file offset must be a multiple of, in bytes; a power of two.
size_t Granularity();
size_t PageSize();

// How many mappings the system allows one process; 0 when it has no such limit.
uint64_t MaxMappings();

// Takes `length` bytes of address space that start `phase` bytes (whole pages, less than `alignment`) behind
// a multiple of `alignment` (a power of two, at least the page size). They read as zeros and cannot be
// written, so that a stray read meets no signal. ENOMEM also where less than `headroom` would be left;
// EOPNOTSUPP where the system cannot map a range anew in place.
int Reserve(size_t length, size_t alignment, size_t phase, size_t headroom, void** address);
void Release(void* address, size_t length);

// Replaces the pages of [address, address + length), inside a reservation, by the file's. Nothing is read
// yet. When it fails the range may hold anything: call MapZeros before it is read. EFAULT where the file ends
// more than a page before the range, and the system does not map what is not there. Where granules are larger
// than pages, a piece that was mapped before must not reach out of the range, or goes as a whole.
int MapFile(void* address, size_t length, int fd, uint64_t position, Access access, Sharing sharing);

// Whether somebody limited it (RLIMIT_AS), so that what is kept of it is missing elsewhere.
bool IsAddressSpaceLimited();

// What has to be left beside a reservation: the engine aborts when it gets no memory.
size_t Headroom();

// Replaces the pages by zeros again. Async-signal-safe on POSIX. EINVAL where the system cannot take a part
// out of what was mapped at once.
int MapZeros(void* address, size_t length, Access access);

int Protect(void* address, size_t length, Access access);
// EOPNOTSUPP for advice that the system does not know; other errors where it does not take it.
int Advise(void* address, size_t length, Advice advice);
// How the file will be read and written by its descriptor; a length of 0 is all from `position` on.
// EOPNOTSUPP for advice that is about mappings only.
int AdviseFile(int fd, uint64_t position, uint64_t length, Advice advice);

// Which of the `pages` from `position` on, a multiple of the page size, are in memory: 1 in `map`, which is
// all zeros before; how many is added to `*resident`. What is mapped for it is gone afterwards, and never
// touched. Only as true as the system is to this process: see TellsResidency.
int Residency(int fd, uint64_t position, size_t pages, uint8_t* map, uint64_t* resident);

// Brings the pages into memory and keeps them there until they are released. ENOMEM, EPERM or EAGAIN where
// the process may not keep so much. May block on the device.
int LockMemory(void* address, size_t length);
// How many bytes a process without privileges may keep so; UINT64_MAX where there is no limit.
uint64_t MostLocked();

// Lets go of the pages of the file that are in memory, are clean, and are mapped by nobody; a length of 0 is
// all from `position` on. EOPNOTSUPP where the system cannot be asked.
int DropCache(int fd, uint64_t position, uint64_t length);

// Brings the pages into memory and maps them, without a signal where the file is too short (EFAULT instead).
// May block on the device. EINVAL or ENOSYS where the system cannot.
int Populate(void* address, size_t length);

// Whether the pages of [address, address + length), a few, can be touched without waiting for the device.
// Only as true as the system is to this process: see TellsResidency.
bool IsResident(const void* address, size_t length);
// Whether touching them is known to wait for the device. False where only this process's pages are told of:
// what it has not touched yet may be in memory all the same.
bool IsCold(const void* address, size_t length);
// Whether the system tells this process which pages of the file are in memory: Linux claims all of them to
// those who neither own the file nor may write it (mincore(2)).
bool TellsResidency(int fd);

// Lets the pages of a private mapping, which can be read and written, show the file from `position` on again.
// After an error they may hold anything.
int DropChanges(void* address, size_t length, int fd, uint64_t position);
// Which of the pages from `address` on, in a private mapping, have been written: 1 in `changed`, or 0.
// EOPNOTSUPP where the system does not tell.
int ChangedPages(const void* address, size_t pages, uint8_t* changed);

// Writes the dirty pages of a shared mapping to the file and waits for the device.
int SyncMapping(void* address, size_t length);

// What tells a file from all others, for as long as somebody has it open or mapped.
struct FileId {
  uint64_t device;
  uint64_t file;
  bool operator==(const FileId& other) const { return device == other.device && file == other.file; }
};

struct FileStatus {
  uint64_t size;  // of a block device, too; 0 for what has none
  FileKind kind;
  FileId id;
};
int Status(int fd, FileStatus* status);

// A second descriptor on the same open file, closed on exec.
int Duplicate(int fd, int* duplicate);
// As Duplicate, by a number that the program hardly gets to: from 4096 on, or from seven eighths of the
// numbers that it may use, if those are fewer. Never more of them than an eighth: EMFILE. EOPNOTSUPP where
// numbers cannot be chosen.
int DuplicateAside(int fd, int* duplicate);
void Close(int fd);

// 1 when both descriptors are of the same opening of a file, 0 when they are not, -EOPNOTSUPP where the
// system cannot tell (Linux before 6.10, and others). The cheapest system call there is.
int SameOpening(int fd, int other);
// A descriptor of its own on the same pipe, FIFO or terminal, non-blocking and closed on exec: a duplicate
// would share the flag with whoever else has the file open. Fails where the system has no such thing, as for
// sockets.
int Reopen(int fd, bool writing, int* reopened);
// Whether reads and writes of an open file wait; every duplicate of the descriptor shares it.
int IsBlocking(int fd, bool* blocking);
int SetBlocking(int fd);

// A new file in `folder`, for its owner only and closed on exec, that has no name: nobody else can open it,
// and it is gone with the last descriptor.
int OpenUnlinked(const char* folder, int* fd);
// A new file of 0 bytes, closed on exec, that lies in memory and has no name; where the system has no such
// thing, as OpenUnlinked in `folder`.
int CreateAnonymous(const char* folder, int* fd);
// A new file of `size` bytes, for its owner only and closed on exec, by the name `name` in `folder`; all room
// for it is taken before it can be seen, where the system can do that. EEXIST where there is one already. May
// wait, as Allocate does.
int CreateShared(const char* folder, const char* name, uint64_t size, int* fd);
// A second descriptor on the same file with a cursor of its own, closed on exec, for NextData. EOPNOTSUPP
// where the file system is none of those that are known to tell of holes what is so.
int ReopenForHoles(int fd, int* own);
// Position of the first byte from `position` on that is not in a hole, or the file's size; or a negative
// errno. Moves the descriptor's cursor (lseek(2), SEEK_DATA).
int64_t NextData(int fd, int64_t position);

// --- locks
// ---------------------------------------------------------------------------------------------------

enum class LockKind { kNone, kShared, kExclusive };
// A descriptor of its own on the same file, closed on exec, for locks that belong to nobody else: those of a
// duplicate would be the open file's. Open for writing where `fd` is, as an exclusive lock needs it.
// EOPNOTSUPP where the system cannot open a file again by its descriptor.
int ReopenForLocks(int fd, int* own);
// Takes an advisory lock of [start, start + length), 0 being all there will ever be, or gives it back
// (kNone), without waiting: EAGAIN where another open file holds one that excludes it. EOPNOTSUPP for a part
// of a file where the system only locks whole ones.
int Lock(int fd, uint64_t start, uint64_t length, LockKind kind);

// What a descriptor was opened for.
struct OpenMode {
  bool readable;
  bool writable;
  bool appending;
};
int Mode(int fd, OpenMode* mode);

// Bytes moved, or a negative errno. A negative position means the descriptor's own cursor.
int64_t Read(int fd, void* buffer, size_t length, int64_t position);
int64_t Write(int fd, const void* buffer, size_t length, int64_t position);
// Like Read at a position, but never waits for the device: -EAGAIN when nothing of it is in memory,
// -EOPNOTSUPP where the system or the file system cannot tell.
int64_t ReadResident(int fd, void* buffer, size_t length, int64_t position);
// Of `moved` bytes that were read from `position`, those that are inside the file now: where another process
// cuts the file meanwhile, the kernel zeroes the rest of the last page, and may hand that out. The
// descriptor's own cursor is put back to where they end. Not for files that do not tell their size.
int64_t StillInside(int fd, int64_t moved, int64_t position);
// A read of either kind that gives only what was still inside the file afterwards.
template <int64_t (*kRead)(int, void*, size_t, int64_t)>
int64_t Exactly(int fd, void* buffer, size_t length, int64_t position) {
  return StillInside(fd, kRead(fd, buffer, length, position), position);
}

// Writes the file's data, and what is needed to find it again (its size), to the device.
int SyncFile(int fd);
// Reserves disk blocks for the range without changing the file's size.
int Allocate(int fd, uint64_t position, uint64_t length);
int Truncate(int fd, uint64_t size);

// Begins to watch the names in a folder: `*events` becomes a descriptor, closed on exec, from which Read
// gives the inotify_event structures of names that were made, moved and removed, in the order in which that
// happened; -EAGAIN when there are none (inotify(7)). ENOSYS where the system does not tell what was moved to
// where.
int WatchNames(const char* folder, int* events);

// --- seams for tests
// -------------------------------------------------------------------------------------------

// The calls that a test can make fail.
enum class Call { kReserve, kMapFile, kSyncMapping, kSyncFile, kRead, kWrite, kStatus, kTruncate, kCount };

// Lets `after` further calls through, then makes the next `times` calls return `error`. times = 0 switches it
// off.
void InjectFailure(Call call, int64_t after, int64_t times, int error);

}  // namespace sliding_mmap::os
