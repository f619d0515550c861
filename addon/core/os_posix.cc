// POSIX: Linux, macOS, FreeBSD.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#if defined(__linux__)
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#endif

#include <algorithm>
#include <atomic>
#include <iterator>
#include <string>

#include "core/injection.h"
#include "core/os.h"

#if !defined(MAP_ANONYMOUS)
#define MAP_ANONYMOUS MAP_ANON
#endif
#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif

namespace sliding_mmap::os {

static_assert(sizeof(off_t) == 8, "file offsets are 64 bits wide on every target");

namespace {

int Protection(Access access) { return access == Access::kReadWrite ? PROT_READ | PROT_WRITE : PROT_READ; }

// fstat(2) without the times: once they were looked at, Linux (6.13) has to write the file's next change of
// time down, and a small write costs twice as much (statx(2); multigrain timestamps).
int Look(int fd, struct stat* found) {
#if defined(SYS_statx) && defined(STATX_SIZE)
  struct statx known;
  constexpr unsigned kWanted = STATX_TYPE | STATX_SIZE | STATX_INO;
  if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, kWanted, &known) == 0) {
    found->st_mode = known.stx_mode;
    found->st_size = static_cast<off_t>(known.stx_size);
    found->st_dev = makedev(known.stx_dev_major, known.stx_dev_minor);
    found->st_ino = static_cast<ino_t>(known.stx_ino);
    return 0;
  }
  // Kernels before 4.11 do not have it, and some sandboxes refuse it.
  if (errno != ENOSYS && errno != EPERM) return -1;
#endif
  return fstat(fd, found);
}

// A block device says that it has 0 bytes (stat(2)); its driver knows better.
uint64_t SizeOf(int fd, const struct stat& found) {
#if defined(BLKGETSIZE64)
  uint64_t size = 0;
  if (S_ISBLK(found.st_mode) && ioctl(fd, BLKGETSIZE64, &size) == 0) return size;
#endif
  return found.st_size > 0 ? static_cast<uint64_t>(found.st_size) : 0;
}

// Most that one read or write moves: Linux cuts at 0x7ffff000 bytes anyway (read(2)).
constexpr size_t kMostPerCall = 0x7ffff000;

template <typename F>
auto Retry(F call) {
  decltype(call()) result;
  do result = call();
  while (result == -1 && errno == EINTR);
  return result;
}

// AMD's processors with fast string instructions (Zen 3 and later) copy by `rep movsb`, which is what the
// kernel reads with, at a fifth of the speed where the target lies less than 32 bytes behind the source
// modulo 4 KiB: each load then looks as if it depended on the store before. Large blocks of glibc's allocator
// begin 16 bytes behind a page, and so do the ArrayBuffers in them, while the page cache begins at one.
constexpr size_t kCollidesWithin = 32;
constexpr uint64_t kCollidesModulo = 4096;

bool StringCopiesCollide() {
#if defined(__x86_64__) || defined(__i386__)
  static const bool collide = [] {
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) == 0 || ecx != signature_AMD_ecx) return false;
    constexpr unsigned kFastStrings = 1u << 9;  // ERMS
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & kFastStrings) != 0;
  }();
  return collide;
#else
  return false;
#endif
}

// One system call that reads at a position, as several by way of memory that collides with neither side where
// the target does. A piece that comes short ends it, as it would have ended the one call.
template <typename F>
ssize_t ReadClear(void* target, size_t length, int64_t position, F read) {
  constexpr size_t kPiece = size_t{32} << 10;
  constexpr size_t kWorthIt = 512;
  const uint64_t behind =
      (reinterpret_cast<uintptr_t>(target) - static_cast<uint64_t>(position)) % kCollidesModulo;
  if (length < kWorthIt || behind == 0 || behind >= kCollidesWithin || !StringCopiesCollide()) {
    return read(target, length, position);
  }
  alignas(kCollidesModulo) uint8_t room[kPiece + kCollidesModulo];
  uint8_t* const between = room + (static_cast<uint64_t>(position) + kCollidesModulo / 2) % kCollidesModulo;
  size_t done = 0;
  while (done < length) {
    const size_t piece = std::min(kPiece, length - done);
    const ssize_t moved = read(between, piece, position + static_cast<int64_t>(done));
    if (moved < 0) return done > 0 ? static_cast<ssize_t>(done) : moved;
    memcpy(static_cast<uint8_t*>(target) + done, between, static_cast<size_t>(moved));
    done += static_cast<size_t>(moved);
    if (static_cast<size_t>(moved) < piece) break;
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

size_t PageSize() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

size_t Granularity() { return PageSize(); }

uint64_t MaxMappings() {
  static const uint64_t limit = [] {
    unsigned long long read = 0;
    if (FILE* file = fopen("/proc/sys/vm/max_map_count", "re")) {
      if (fscanf(file, "%llu", &read) != 1) read = 0;
      fclose(file);
    }
    return static_cast<uint64_t>(read);
  }();
  return limit;
}

namespace {

// Enough for the heap of a small program to grow.
constexpr size_t kHeap = size_t{sizeof(void*) == 8 ? 64 : 16} << 20;

#if defined(__GLIBC__) && defined(__LP64__)
// glibc gives a thread that allocates for the first time an arena of its own, 64 MiB of address space (its
// malloc/arena.c, HEAP_MAX_SIZE), if it can get them, and only then makes do with another's.
constexpr size_t kArena = size_t{64} << 20;
// The engine's threads that allocate: its pool for compiling and collecting (node(1), --v8-pool-size).
constexpr size_t kThreads = 4;

// How many arenas those threads may still make. On a thread that JavaScript runs on, where it makes none.
size_t ArenasToCome() {
  static std::atomic<size_t> made{0};  // none ever goes
  static const size_t most = [] {
    const char* limit = getenv("MALLOC_ARENA_MAX");  // mallopt(3); 0 is none
    const long count = limit == nullptr ? 0 : atol(limit);
    return count > 0 ? std::min(kThreads, static_cast<size_t>(count - 1)) : kThreads;
  }();
  if (made.load(std::memory_order_relaxed) < most) {
    char* text = nullptr;
    size_t length = 0;
    FILE* file = open_memstream(&text, &length);
    if (file == nullptr) return most;
    malloc_info(0, file);
    fclose(file);
    size_t count = 0;
    for (const char* at = text; at != nullptr && (at = strstr(at, "<heap nr=")) != nullptr; at++) count++;
    free(text);
    made.store(count > 0 ? count - 1 : 0, std::memory_order_relaxed);  // the first is the process's
  }
  return most - std::min(most, made.load(std::memory_order_relaxed));
}
#else
constexpr size_t kArena = 0;
size_t ArenasToCome() { return 0; }
#endif

}  // namespace

size_t Headroom() { return kHeap + (IsAddressSpaceLimited() ? ArenasToCome() * kArena : 0); }

int Reserve(size_t length, size_t alignment, size_t phase, size_t headroom, void** address) {
  if (int error = Injected(Call::kReserve)) return error;
  // Asked for together and given back at once: what can be had is known only by asking.
  const size_t slack = (alignment > PageSize() ? alignment - PageSize() : 0) + headroom;
  if (length > SIZE_MAX - slack) return ENOMEM;
  void* raw = mmap(nullptr, length + slack, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return errno;
  const uintptr_t start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = start + ((phase - start) & (static_cast<uintptr_t>(alignment) - 1));
  if (aligned > start) munmap(raw, aligned - start);
  if (const size_t rest = start + slack - aligned) munmap(reinterpret_cast<void*>(aligned + length), rest);
  *address = reinterpret_cast<void*>(aligned);
  return 0;
}

void Release(void* address, size_t length) { munmap(address, length); }

bool IsAddressSpaceLimited() {
#if defined(RLIMIT_AS)
  struct rlimit limit;
  return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
#else
  return false;
#endif
}

int MapFile(void* address, size_t length, int fd, uint64_t position, Access access, Sharing sharing) {
  if (int error = Injected(Call::kMapFile)) return error;
  const int flags = MAP_FIXED | (sharing == Sharing::kShared ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE);
  void* mapped = mmap(address, length, Protection(access), flags, fd, static_cast<off_t>(position));
  return mapped == MAP_FAILED ? errno : 0;
}

int MapZeros(void* address, size_t length, Access access) {
  void* mapped = mmap(address, length, Protection(access),
                      MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return mapped == MAP_FAILED ? errno : 0;
}

int Protect(void* address, size_t length, Access access) {
  return mprotect(address, length, Protection(access)) == 0 ? 0 : errno;
}

namespace {

// madvise(2)'s number; -1 where the system has no such advice. The last four are newer than many a copy of
// the headers: Linux 5.4, and 2.6.38.
int MappingAdvice(Advice advice) {
  switch (advice) {
    case Advice::kNormal:
      return MADV_NORMAL;
    case Advice::kRandom:
      return MADV_RANDOM;
    case Advice::kSequential:
      return MADV_SEQUENTIAL;
    case Advice::kWillNeed:
      return MADV_WILLNEED;
    case Advice::kDontNeed:
      return MADV_DONTNEED;
#if defined(__linux__)
    case Advice::kCold:
      return 20;
    case Advice::kPageOut:
      return 21;
    case Advice::kHugePage:
      return 14;
    case Advice::kNoHugePage:
      return 15;
#endif
    default:
      return -1;
  }
}

}  // namespace

int Advise(void* address, size_t length, Advice advice) {
  const int number = MappingAdvice(advice);
  if (number == -1) return EOPNOTSUPP;
  return Retry([&] { return madvise(address, length, number); }) == 0 ? 0 : errno;
}

int AdviseFile(int fd, uint64_t position, uint64_t length, Advice advice) {
#if defined(POSIX_FADV_NORMAL)
  static constexpr int kAdvice[] = {POSIX_FADV_NORMAL, POSIX_FADV_RANDOM, POSIX_FADV_SEQUENTIAL,
                                    POSIX_FADV_WILLNEED};
  if (static_cast<size_t>(advice) >= std::size(kAdvice)) return EOPNOTSUPP;
  return posix_fadvise(fd, static_cast<off_t>(position), static_cast<off_t>(length),
                       kAdvice[static_cast<size_t>(advice)]);
#else
  return EOPNOTSUPP;
#endif
}

int DropCache(int fd, uint64_t position, uint64_t length) {
#if defined(POSIX_FADV_DONTNEED)
  return posix_fadvise(fd, static_cast<off_t>(position), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
#else
  return EOPNOTSUPP;
#endif
}

namespace {

// Whether nothing of the range is in memory, where the system tells that at once (Linux 6.5): the time that
// takes depends on what is there, and that of mincore(2) on the range.
bool IsAbsent(int fd, uint64_t position, uint64_t length) {
#if defined(__linux__)
  constexpr long kCacheStat = 451;  // of all architectures but Alpha
  struct {
    uint64_t offset, length;
  } range = {position, length};
  struct {
    uint64_t cached, dirty, written_back, evicted, recently_evicted;
  } found = {};
  return syscall(kCacheStat, fd, &range, &found, 0) == 0 && found.cached == 0;
#else
  return false;
#endif
}

}  // namespace

int Residency(int fd, uint64_t position, size_t pages, uint8_t* map, uint64_t* resident) {
  size_t most = (size_t{64} << 20) / PageSize();
  for (size_t done = 0; done < pages;) {
    const size_t count = std::min(pages - done, most);
    const size_t length = count * PageSize();
    const uint64_t start = position + uint64_t{done} * PageSize();
    if (IsAbsent(fd, start, length)) {
      done += count;
      continue;
    }
    void* address = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(start));
    if (address == MAP_FAILED) {
      if (errno != ENOMEM || most == 1) return errno;
      most = std::max<size_t>(1, most / 8);
      continue;
    }
#if defined(__linux__)
    unsigned char* found = map + done;
#else
    char* found = reinterpret_cast<char*>(map + done);
#endif
    const int error =
        Retry([&] { return mincore(static_cast<char*>(address), length, found); }) == 0 ? 0 : errno;
    munmap(address, length);
    if (error != 0) return error;
    for (size_t i = done; i < done + count; ++i) *resident += map[i] &= 1;
    done += count;
  }
  return 0;
}

int LockMemory(void* address, size_t length) { return mlock(address, length) == 0 ? 0 : errno; }

uint64_t MostLocked() {
  struct rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

int Populate(void* address, size_t length) {
#if defined(__linux__)
#if !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22  // Linux 5.14, madvise(2)
#endif
  return Retry([&] { return madvise(address, length, MADV_POPULATE_READ); }) == 0 ? 0 : errno;
#else
  return ENOSYS;
#endif
}

bool IsResident(const void* address, size_t length) {
  const uintptr_t page = PageSize();
  const uintptr_t start = reinterpret_cast<uintptr_t>(address) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(address) + length;
  constexpr size_t kMostPages = 32;  // a block of lines, 64 KiB, wherever it begins
  const size_t pages = (end - start + page - 1) / page;
  if (pages > kMostPages) return false;
#if defined(__linux__)
  unsigned char found[kMostPages];
#else
  char found[kMostPages];
#endif
  if (mincore(reinterpret_cast<char*>(start), end - start, found) != 0) return false;
  for (size_t i = 0; i < pages; ++i) {
    if ((found[i] & 1) == 0) return false;
  }
  return true;
}

bool IsCold(const void* address, size_t length) { return !IsResident(address, length); }

bool TellsResidency(int fd) {
  struct stat found;
  if (fstat(fd, &found) != 0) return false;
  const uid_t user = geteuid();
  if (user == 0 || found.st_uid == user) return true;
#if defined(__linux__)
  char name[32];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  return faccessat(AT_FDCWD, name, W_OK, AT_EACCESS) == 0;
#else
  return false;
#endif
}

int DropChanges(void* address, size_t length, int fd, uint64_t position) {
#if defined(__linux__)
  // Elsewhere the advice may leave them; here it refuses pages that are locked in memory.
  if (madvise(address, length, MADV_DONTNEED) == 0) return 0;
#endif
  return MapFile(address, length, fd, position, Access::kReadWrite, Sharing::kPrivate);
}

int ChangedPages(const void* address, size_t pages, uint8_t* changed) {
#if defined(__linux__)
  const int map = Retry([] { return open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC); });
  if (map == -1) return EOPNOTSUPP;
  // A page that was copied is there, or swapped out, and not the file's (pagemap(5)).
  constexpr uint64_t kPresent = uint64_t{1} << 63;
  constexpr uint64_t kSwapped = uint64_t{1} << 62;
  constexpr uint64_t kOfFile = uint64_t{1} << 61;
  const auto was_written = [](uint64_t entry) {
    return (entry & (kPresent | kSwapped)) != 0 && (entry & kOfFile) == 0;
  };
  uint64_t entries[512];
  int error = 0;
  // An emulator's addresses are not those of the process that it is: of this page, which was just written,
  // the answer is known.
  uint64_t probe = 1;
  const uint64_t own = reinterpret_cast<uintptr_t>(&probe) / PageSize();
  if (Retry([&] { return pread(map, &probe, sizeof probe, static_cast<off_t>(own * sizeof probe)); }) !=
          static_cast<ssize_t>(sizeof probe) ||
      !was_written(probe)) {
    error = EOPNOTSUPP;
  }
  for (size_t done = 0; done < pages && error == 0;) {
    const size_t count = std::min(pages - done, std::size(entries));
    const uint64_t first = reinterpret_cast<uintptr_t>(address) / PageSize() + done;
    const auto bytes = static_cast<ssize_t>(count * sizeof entries[0]);
    if (Retry([&] { return pread(map, entries, bytes, static_cast<off_t>(first * sizeof entries[0])); }) !=
        bytes) {
      error = EOPNOTSUPP;
    }
    for (size_t i = 0; i < count && error == 0; ++i) {
      changed[done + i] = was_written(entries[i]);
    }
    done += count;
  }
  close(map);
  return error;
#else
  return EOPNOTSUPP;
#endif
}

int SyncMapping(void* address, size_t length) {
  if (int error = Injected(Call::kSyncMapping)) return error;
  return Retry([&] { return msync(address, length, MS_SYNC); }) == 0 ? 0 : errno;
}

int Status(int fd, FileStatus* status) {
  if (int error = Injected(Call::kStatus)) return error;
  struct stat found;
  if (Look(fd, &found) != 0) return errno;
  status->size = SizeOf(fd, found);
  status->kind = S_ISREG(found.st_mode)   ? FileKind::kRegular
                 : S_ISDIR(found.st_mode) ? FileKind::kDirectory
                 : S_ISBLK(found.st_mode) ? FileKind::kBlockDevice
                                          : FileKind::kOther;
  status->id = {static_cast<uint64_t>(found.st_dev), static_cast<uint64_t>(found.st_ino)};
  return 0;
}

int Duplicate(int fd, int* duplicate) {
  *duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return *duplicate == -1 ? errno : 0;
}

int DuplicateAside(int fd, int* duplicate) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
  const rlim_t eighth = limit.rlim_cur / 8;
  const rlim_t first = std::min<rlim_t>(limit.rlim_cur - eighth, 4096);
  *duplicate = fcntl(fd, F_DUPFD_CLOEXEC, static_cast<int>(first));
  if (*duplicate == -1) return errno;
  if (static_cast<rlim_t>(*duplicate) - first < eighth) return 0;
  close(*duplicate);
  return EMFILE;
}

int SameOpening(int fd, int other) {
#if defined(__linux__)
  constexpr int kDuplicateQuery =
      1024 + 3;  // F_DUPFD_QUERY of <linux/fcntl.h>, newer than many of its copies
  const int same = fcntl(fd, kDuplicateQuery, other);
  return same >= 0 ? same : errno == EINVAL ? -EOPNOTSUPP : -errno;
#else
  return -EOPNOTSUPP;
#endif
}

void Close(int fd) { close(fd); }

int Reopen(int fd, bool writing, int* reopened) {
#if defined(__linux__)
  // proc(5): opened by this name, a pipe is a new open file on the same pipe. Not so well for a FIFO: when
  // nobody has it open for writing at that moment, its end would not be told (fs/pipe.c, fifo_open).
  struct stat found;
  struct statfs system;
  if (fstat(fd, &found) != 0 || fstatfs(fd, &system) != 0) return errno;
  const bool pipe = S_ISFIFO(found.st_mode) && system.f_type == PIPEFS_MAGIC;
  if (!pipe && !S_ISCHR(found.st_mode)) return EOPNOTSUPP;
  const std::string name = "/proc/self/fd/" + std::to_string(fd);
  const int flags = (writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  *reopened = Retry([&] { return open(name.c_str(), flags); });
  return *reopened == -1 ? errno : 0;
#else
  return EOPNOTSUPP;
#endif
}

int ReopenForHoles(int fd, int* own) {
#if defined(__linux__)
  // Only where a page that was written through a mapping, and has no block yet, counts as data (the magic
  // numbers are statfs(2)'s). A server's answer, on NFS or FUSE, may be older than this machine's memory.
  constexpr uint32_t kKnown[] = {0xEF53, 0x58465342, 0x9123683E, 0x01021994};  // ext4, XFS, btrfs, tmpfs
  struct statfs system;
  if (fstatfs(fd, &system) != 0) return errno;
  const auto type = static_cast<uint32_t>(system.f_type);
  if (std::find(std::begin(kKnown), std::end(kKnown), type) == std::end(kKnown)) return EOPNOTSUPP;
  char name[32];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  *own = Retry([&] { return open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
  return *own == -1 ? errno : 0;
#else
  return EOPNOTSUPP;
#endif
}

int ReopenForLocks(int fd, int* own) {
  const int mode = fcntl(fd, F_GETFL);
  if (mode == -1) return errno;
  const int flags = ((mode & O_ACCMODE) == O_RDWR ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
#if defined(__linux__)
  char name[32];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  *own = Retry([&] { return open(name, flags); });
  return *own == -1 ? errno : 0;
#elif defined(__APPLE__)
  // By its path, which may lead to another file by now.
  char name[MAXPATHLEN];
  if (fcntl(fd, F_GETPATH, name) == -1) return errno;
  const int found = Retry([&] { return open(name, flags); });
  if (found == -1) return errno;
  struct stat wanted;
  struct stat got;
  if (fstat(fd, &wanted) != 0 || fstat(found, &got) != 0 || wanted.st_dev != got.st_dev ||
      wanted.st_ino != got.st_ino) {
    close(found);
    return ENOENT;
  }
  *own = found;
  return 0;
#else
  return EOPNOTSUPP;
#endif
}

// Behind the last byte that JavaScript can name. What has no end ends here: locks from here on are no bytes'.
constexpr uint64_t kEndOfPositions = uint64_t{1} << 53;

int Lock(int fd, uint64_t start, uint64_t length, LockKind kind) {
#if defined(F_OFD_SETLK)
  // Of the open file description, not of the process (fcntl(2)): another descriptor's close does not drop it.
  struct flock lock = {};
  lock.l_type = kind == LockKind::kNone ? F_UNLCK : kind == LockKind::kShared ? F_RDLCK : F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(start);
  lock.l_len = static_cast<off_t>(length == 0 ? kEndOfPositions - start : length);
  if (Retry([&] { return fcntl(fd, F_OFD_SETLK, &lock); }) == 0) return 0;
  return errno == EACCES ? EAGAIN : errno;
#else
  if (start != 0 || length != 0) return EOPNOTSUPP;
  const int operation = kind == LockKind::kNone ? LOCK_UN : kind == LockKind::kShared ? LOCK_SH : LOCK_EX;
  if (Retry([&] { return flock(fd, operation | LOCK_NB); }) == 0) return 0;
  return errno == EWOULDBLOCK ? EAGAIN : errno;
#endif
}

int IsBlocking(int fd, bool* blocking) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags == -1) return errno;
  *blocking = (flags & O_NONBLOCK) == 0;
  return 0;
}

int SetBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags == -1 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1 ? errno : 0;
}

int OpenUnlinked(const char* folder, int* fd) {
#if defined(O_TMPFILE)
  // O_EXCL: nor can it be given a name later (open(2)).
  *fd = Retry([&] { return open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600); });
  if (*fd != -1) return 0;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL) return errno;
#endif
  // Where the file system has no nameless files: mkstemp(3) creates exclusively, with mode 0600.
  std::string name = std::string(folder) + "/sliding-mmap-XXXXXX";
#if defined(__linux__) || defined(__FreeBSD__)
  *fd = mkostemp(name.data(), O_CLOEXEC);
#else
  *fd = mkstemp(name.data());
  if (*fd != -1) fcntl(*fd, F_SETFD, FD_CLOEXEC);
#endif
  if (*fd == -1) return errno;
  unlink(name.c_str());
  return 0;
}

int CreateAnonymous(const char* folder, int* fd) {
#if defined(__linux__)
  // Newer than many a copy of the headers: MFD_NOEXEC_SEAL (Linux 6.3), without which newer systems warn, and
  // may refuse; F_ADD_SEALS with F_SEAL_SEAL, so that no one who gets the descriptor can forbid us to write.
  constexpr unsigned kNoExecSeal = 8;
  constexpr int kAddSeals = 1024 + 9;
  constexpr int kSealSeal = 1;
  constexpr const char* kName = "sliding-mmap";
  *fd = static_cast<int>(syscall(SYS_memfd_create, kName, MFD_CLOEXEC | kNoExecSeal));
  if (*fd != -1) {
    fcntl(*fd, kAddSeals, kSealSeal);
    return 0;
  }
  // Without the flag it has that seal from the start (memfd_create(2)).
  if (errno == EINVAL) *fd = static_cast<int>(syscall(SYS_memfd_create, kName, MFD_CLOEXEC));
  if (*fd != -1) return 0;
  if (errno != ENOSYS) return errno;
#endif
  return OpenUnlinked(folder, fd);
}

namespace {

int Fill(int fd, uint64_t size) {
  if (size == 0) return 0;
  const int error = Allocate(fd, 0, size);
  return error != 0 && error != EOPNOTSUPP ? error : Truncate(fd, size);
}

}  // namespace

int CreateShared(const char* folder, const char* name, uint64_t size, int* fd) {
  const std::string path = std::string(folder) + "/" + name;
  struct stat found;
  if (lstat(path.c_str(), &found) == 0) return EEXIST;  // before room is taken for nothing
#if defined(O_TMPFILE)
  // Nameless until it is whole: whoever opens it sees its size, and nothing is left when we are killed.
  *fd = Retry([&] { return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); });
  if (*fd != -1) {
    int error = Fill(*fd, size);
    if (error == 0) {
      char self[32];
      snprintf(self, sizeof self, "/proc/self/fd/%d", *fd);
      if (linkat(AT_FDCWD, self, AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) return 0;
      error = errno;
    }
    close(*fd);
    if (error != ENOENT) return error;  // else there is no procfs
  }
#endif
  *fd = Retry([&] { return open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600); });
  if (*fd == -1) return errno;
  const int error = Fill(*fd, size);
  if (error != 0) {
    unlink(path.c_str());
    close(*fd);
  }
  return error;
}

int64_t NextData(int fd, int64_t position) {
#if defined(SEEK_DATA)
  const off_t found = lseek(fd, position, SEEK_DATA);
  if (found != -1) return found;
  if (errno != ENXIO) return -static_cast<int64_t>(errno);
  return lseek(fd, 0, SEEK_END);
#else
  return -EOPNOTSUPP;
#endif
}

int Mode(int fd, OpenMode* mode) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags == -1) return errno;
  const int access = flags & O_ACCMODE;
  mode->readable = access == O_RDONLY || access == O_RDWR;
  mode->writable = access == O_WRONLY || access == O_RDWR;
  mode->appending = (flags & O_APPEND) != 0;
  return 0;
}

int64_t Read(int fd, void* buffer, size_t length, int64_t position) {
  if (int error = Injected(Call::kRead)) return -error;
  const size_t most = std::min(length, kMostPerCall);
  const auto at = [fd](void* target, size_t bytes, int64_t from) {
    return Retry([&] { return pread(fd, target, bytes, from); });
  };
  const ssize_t moved =
      position < 0 ? Retry([&] { return read(fd, buffer, most); }) : ReadClear(buffer, most, position, at);
  return moved < 0 ? -static_cast<int64_t>(errno) : moved;
}

int64_t Write(int fd, const void* buffer, size_t length, int64_t position) {
  if (int error = Injected(Call::kWrite)) return -error;
  const size_t most = std::min(length, kMostPerCall);
  const ssize_t moved =
      Retry([&] { return position < 0 ? write(fd, buffer, most) : pwrite(fd, buffer, most, position); });
  return moved < 0 ? -static_cast<int64_t>(errno) : moved;
}

int64_t ReadResident(int fd, void* buffer, size_t length, int64_t position) {
  if (int error = Injected(Call::kRead)) return -error;
#if defined(__linux__) && defined(RWF_NOWAIT)
  const auto at = [fd](void* target, size_t bytes, int64_t from) {
    struct iovec piece = {target, bytes};
    return Retry([&] { return preadv2(fd, &piece, 1, from, RWF_NOWAIT); });
  };
  const ssize_t moved = ReadClear(buffer, std::min(length, kMostPerCall), position, at);
  if (moved >= 0) return moved;
  return errno == ENOSYS ? -EOPNOTSUPP : -static_cast<int64_t>(errno);
#else
  return -EOPNOTSUPP;
#endif
}

int64_t StillInside(int fd, int64_t moved, int64_t position) {
  struct stat found;
  if (moved <= 0 || Look(fd, &found) != 0) return moved;
  const int64_t end = position < 0 ? lseek(fd, 0, SEEK_CUR) : position + moved;
  const int64_t size = static_cast<int64_t>(SizeOf(fd, found));
  if (end <= size) return moved;
  const int64_t inside = std::max<int64_t>(0, moved - (end - size));
  if (position < 0) lseek(fd, inside - moved, SEEK_CUR);
  return inside;
}

int SyncFile(int fd) {
  if (int error = Injected(Call::kSyncFile)) return error;
#if defined(__APPLE__)
  // fsync(2) there leaves the data in the drive's cache.
  if (fcntl(fd, F_FULLFSYNC) == 0) return 0;
  return Retry([&] { return fsync(fd); }) == 0 ? 0 : errno;
#else
  return Retry([&] { return fdatasync(fd); }) == 0 ? 0 : errno;
#endif
}

int Allocate(int fd, uint64_t position, uint64_t length) {
#if defined(__linux__)
  return Retry([&] {
           return fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(position),
                            static_cast<off_t>(length));
         }) == 0
             ? 0
             : errno;
#elif defined(__APPLE__)
  fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, static_cast<off_t>(length), 0};
  return fcntl(fd, F_PREALLOCATE, &store) == -1 ? errno : 0;
#else
  return EOPNOTSUPP;
#endif
}

int Truncate(int fd, uint64_t size) {
  if (int error = Injected(Call::kTruncate)) return error;
  return Retry([&] { return ftruncate(fd, static_cast<off_t>(size)); }) == 0 ? 0 : errno;
}

int WatchNames(const char* folder, int* events) {
#if defined(__linux__)
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd == -1) return errno;
  constexpr uint32_t kNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF | IN_ONLYDIR;
  if (inotify_add_watch(fd, folder, kNames) == -1) {
    const int error = errno;
    close(fd);
    return error;
  }
  *events = fd;
  return 0;
#else
  return ENOSYS;
#endif
}

}  // namespace sliding_mmap::os
