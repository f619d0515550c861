// random_u32 FILE COUNT: the sum of COUNT 32-bit numbers at random places of a mapped file, as scenarios/scalars.ts
// draws them. Prints the sum and the milliseconds of the loop.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static uint32_t Hash(uint32_t mixed) {
  mixed = (mixed ^ (mixed >> 16)) * 0x85ebca6bu;
  mixed = (mixed ^ (mixed >> 13)) * 0xc2b2ae35u;
  return mixed ^ (mixed >> 16);
}

static double Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char** argv) {
  const uint32_t count = (uint32_t)atol(argv[2]);
  const int fd = open(argv[1], O_RDONLY);
  struct stat file;
  if (argc != 3 || fd < 0 || fstat(fd, &file) != 0) return 1;
  const uint8_t* bytes = mmap(NULL, file.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) return 1;
  const uint32_t places = (uint32_t)(file.st_size / 4);
  uint32_t total = 0;
  double started = 0;
  for (int round = 0; round < 2; round++) {  // the first one brings the pages in
    total = 0;
    started = Now();
    for (uint32_t i = 0; i < count; i++) {
      uint32_t value;
      memcpy(&value, bytes + (uint64_t)(Hash(i) % places) * 4, 4);
      total += value;
    }
  }
  printf("%d %.3f\n", (int32_t)total, Now() - started);
  return 0;
}
