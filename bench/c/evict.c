// evict FILE: writes a file out and drops it from the page cache. Prints 0 and 0.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char** argv) {
  const int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
  if (fd < 0 || fsync(fd) != 0) return 1;
#if defined(POSIX_FADV_DONTNEED)
  if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) return 1;
#endif
  puts("0 0");
  return 0;
}
