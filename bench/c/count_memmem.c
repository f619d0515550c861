// Counts a string in a file with the C library's memmem, over a mapping of all of it.
// count_memmem FILE STRING: prints the count and the milliseconds that it took
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const double started = now();
  const int fd = open(argv[1], O_RDONLY);
  struct stat file;
  if (fd < 0 || fstat(fd, &file) != 0) return 1;
  const size_t size = (size_t)file.st_size;
  const char* bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) return 1;
  const size_t length = strlen(argv[2]);
  size_t count = 0;
  const char* end = bytes + size;
  for (const char* at = bytes; (at = memmem(at, (size_t)(end - at), argv[2], length)) != NULL; at += length) ++count;
  printf("%zu %f\n", count, now() - started);
  return 0;
}
