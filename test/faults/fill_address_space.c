// Takes the whole address space of the program that loads it, but for so many holes of so many bytes
// (the environment's HOLES and HOLE_SIZE), one apart from the other.
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

static char* take(size_t length) {
  return mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

__attribute__((constructor)) static void fill(void) {
  const size_t holes = strtoull(getenv("HOLES"), NULL, 10);
  const size_t size = strtoull(getenv("HOLE_SIZE"), NULL, 10);
  char* region = take(2 * holes * size);
  if (region == MAP_FAILED) abort();
  for (size_t length = (size_t)1 << (8 * sizeof(size_t) - 2); length >= 4096;) {
    if (take(length) == MAP_FAILED) length /= 2;
  }
  for (size_t i = 0; i < holes; i++) munmap(region + 2 * i * size, size);
}
