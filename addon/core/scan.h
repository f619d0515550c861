// Searching memory. No Node-API in here. The memory may be a mapping: the guard sees to lost pages.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/array.h"

namespace sliding_mmap {

// Offset of the first (or last) place where the needle stands whole inside the haystack, or -1. The needle
// has at least one byte.
int64_t Find(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length);
int64_t FindLast(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length);

// How often the byte stands in [at, at + length).
size_t CountByte(const uint8_t* at, size_t length, uint8_t byte);

// What was found on the way through bytes: a number of places, and whether they all are ASCII.
struct Places {
  size_t count;
  bool is_ascii;
};

// Offsets from `at` of all places where the byte stands in [at, at + length), which is shorter than 4 GiB.
// `offsets` has room for one at every place. Copies the bytes to `copy` on the way, unless that is null.
Places FindEach(const uint8_t* at, size_t length, uint8_t byte, uint32_t* offsets, uint8_t* copy);

// One needle, prepared for many searches; its bytes are the caller's. To ignore the case of ASCII letters,
// they are in lower case.
class Needle {
 public:
  Needle() = default;
  // `length` is at least 1.
  Needle(const uint8_t* bytes, size_t length, bool ignores_case);

  size_t length() const { return length_; }
  uint8_t operator[](size_t offset) const { return bytes_[offset]; }
  bool IsOneByte() const { return length_ == 1 && probes_[0].fold == 0; }

  // Learns from the haystack which of the needle's bytes are rare there: those are looked for first.
  void Tune(const uint8_t* haystack, size_t length);

  // The first place where the needle stands whole in [from, end); null when there is none. Takes time in
  // proportion to the haystack, whatever the needle.
  const uint8_t* Find(const uint8_t* from, const uint8_t* end) const;

  // Whether it stands at `at`, where there are enough bytes.
  bool StandsAt(const uint8_t* at) const { return Agrees(at, 0, length_); }

 private:
  struct Probe {
    size_t offset = 0;
    uint8_t byte = 0;
    // The bit in which the two cases of a letter differ, set before bytes are compared; 0 for all else.
    uint8_t fold = 0;
  };

  Probe ProbeAt(size_t offset) const;
  bool Agrees(const uint8_t* at, size_t offset, size_t length) const;
  bool Verify(const uint8_t* at, size_t* cost) const;
  template <typename Vector>
  const uint8_t* Filter(const uint8_t* from, const uint8_t* last, const uint8_t** left) const;
  // With vectors that not every processor of the architecture has.
  const uint8_t* FilterWide(const uint8_t* from, const uint8_t* last, const uint8_t** left) const;
  const uint8_t* Linear(const uint8_t* from, const uint8_t* end) const;

  const uint8_t* bytes_ = nullptr;
  size_t length_ = 0;
  bool ignores_case_ = false;
  Probe probes_[2];
};

// Several needles, searched for at once.
class NeedleSet {
 public:
  struct Match {
    uint32_t offset;
    uint32_t needle;
  };

  struct Options {
    // Every needle at every place; otherwise the first needle at the first place, and on behind it.
    bool overlapping;
    // At most one match in a line that ends with the delimiter: on behind the delimiter. Null for no lines.
    const Needle* delimiter;
  };

  struct Result {
    // Offset from which to go on: the limit or behind it, or before it where there was no more room, or so
    // many bytes have been compared that others should have their turn.
    size_t resume;
    size_t found;
  };

  // At least one needle, none of them empty. Before anything else; false where there is no memory.
  bool Prepare(Array<Array<uint8_t>> needles, bool ignores_case);

  size_t longest() const { return longest_; }
  size_t size() const { return needles_.size(); }

  // Finds what begins in [from, limit) of the haystack and ends inside its `length`, which is under 4 GiB.
  // The matches go to `matches`, in order, while there is room for another one of each needle, which
  // `capacity` has to be from the start. With null they are counted only.
  Result Scan(const uint8_t* haystack, size_t length, size_t from, size_t limit, const Options& options,
              Match* matches, size_t capacity);

 private:
  // The first place from `from` where a needle begins; the needles that stand there are in `standing_`, the
  // first of them at least. Where none is, there was too much work to get further.
  size_t Next(const uint8_t* haystack, size_t length, size_t from, size_t limit, bool takes_all);
  size_t NextOfFew(const uint8_t* haystack, size_t length, size_t from, size_t limit);
  size_t NextOfMany(const uint8_t* haystack, size_t length, size_t from, size_t limit, bool takes_all);

  // Puts the needles that stand at `at`, where `left` bytes of the haystack begin, into `standing_`: all, or
  // the first in the list.
  void Gather(const uint8_t* at, size_t left, bool takes_all);
  // Puts the needle of a match behind those that are known.
  void Stands(uint32_t needle) { standing_[standing_count_++] = needle; }

  Array<Array<uint8_t>> bytes_;
  Array<Needle> needles_;
  size_t longest_ = 0;
  size_t scans_ = 0;
  // What the scan has had to compare so far, in bytes.
  size_t work_ = 0;
  // In order; has room for all.
  Array<uint32_t> standing_;
  size_t standing_count_ = 0;
  // Of few needles: where each stands next, SIZE_MAX for nowhere before the limit.
  Array<size_t> next_;
  // Of many: those that have at least `key` bytes, and fewer than the next level's, by the hash of so many:
  // [begin[bucket], begin[bucket + 1]) of `needles`.
  struct Level {
    size_t key = 0;
    Array<uint32_t> begin;
    Array<uint32_t> needles;
  };
  struct Index {
    uint8_t folded[256];
    // Whether any begins with two bytes, and whether with four, by their hash.
    std::bitset<65536> pairs;
    Array<bool> fours;
    Level levels[10];
  };
  std::unique_ptr<Index> index_;
};

// The two below find needles at multiples of `unit` (1 or 2) from the haystack's start. The needle is whole
// units and none of its beginnings is also an end of it, so that no two places overlap.

// In how many places the needle stands whole.
uint64_t Count(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length,
               size_t unit);
// Offset of the n-th place, counted from 1; -1 - k where there are only k.
int64_t FindNth(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length,
                size_t unit, uint64_t n);

}  // namespace sliding_mmap
