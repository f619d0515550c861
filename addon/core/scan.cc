#include "core/scan.h"

#include <string.h>
#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <iterator>
#include <new>
#include <numeric>
#include <type_traits>
#include <utility>

namespace sliding_mmap {
namespace {

// Searches in less than this are over before the needle is tuned.
constexpr size_t kWorthTuning = 64 * 1024;
// Scans of blocks of one text that what was learnt from the first of them serves.
constexpr size_t kScansPerTuning = 16;
// Up to so many needles are faster searched for one by one.
constexpr size_t kFew = 32;
// Bytes compared with needles after which a scan comes to an end, which takes some milliseconds: long needles
// may stand at every place, and very many at one. Each needle counts for some bytes more than it has.
constexpr size_t kMostWork = 4 * 1024 * 1024;
constexpr size_t kWorkPerNeedle = 16;

constexpr uint32_t kHashBegin = 2166136261;
// FNV-1a.
uint32_t Hash(uint32_t hash, uint8_t byte) { return (hash ^ byte) * 16777619; }
// `count` is a power of two.
size_t Bucket(uint32_t hash, size_t count) { return (hash ^ hash >> 16) & (count - 1); }

uint8_t Lower(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }

const uint8_t* LastByte(const uint8_t* from, size_t length, uint8_t byte) {
#if defined(__GLIBC__)
  return static_cast<const uint8_t*>(memrchr(from, byte, length));
#else
  while (length > 0) {
    if (from[--length] == byte) return from + length;
  }
  return nullptr;
#endif
}

// Knuth, Morris and Pratt's search, which takes time in proportion to the haystack: where the needle begins,
// or `end`. Those of C++'s library do not keep to it.
template <typename Iterator>
Iterator LinearFind(Iterator from, Iterator end, Iterator needle, size_t length) {
  // Of each beginning of the needle, how long its longest end is that is one, too.
  Array<size_t> borders;
  if (!borders.Allocate(length)) return std::search(from, end, needle, needle + length);
  const auto extend = [&](size_t matched, uint8_t byte) {
    while (matched > 0 && needle[matched] != byte) matched = borders[matched - 1];
    return needle[matched] == byte ? matched + 1 : 0;
  };
  borders[0] = 0;
  for (size_t i = 1; i < length; ++i) borders[i] = extend(borders[i - 1], needle[i]);
  size_t matched = 0;
  for (Iterator at = from; at != end; ++at) {
    matched = extend(matched, *at);
    if (matched == length) return at + 1 - length;
  }
  return end;
}

// The same by the C library, where it has one that keeps to it: Windows' has none.
const uint8_t* LibraryFind(const uint8_t* from, const uint8_t* end, const uint8_t* needle, size_t length) {
#if defined(_WIN32)
  const uint8_t* at = LinearFind(from, end, needle, length);
  return at == end ? nullptr : at;
#else
  return static_cast<const uint8_t*>(memmem(from, static_cast<size_t>(end - from), needle, length));
#endif
}

// The bytes from `offset` on, behind which `count` places and the bits of `all` were found.
template <bool kCopies>
Places FindRest(const uint8_t* at, size_t length, uint8_t byte, uint32_t* offsets, uint8_t* copy,
                size_t offset, uint8_t all, size_t count) {
  for (; offset < length; ++offset) {
    const uint8_t value = at[offset];
    if constexpr (kCopies) copy[offset] = value;
    all |= value;
    if (value == byte) offsets[count++] = static_cast<uint32_t>(offset);
  }
  return {count, all < 0x80};
}

#if defined(__GNUC__)
// The compiler's vectors: one instruction where the processor has it, several where it does not.
typedef uint8_t Vector16 __attribute__((vector_size(16)));
typedef uint8_t Vector32 __attribute__((vector_size(32)));

// GCC for Windows spills wide vectors to a stack that is aligned for narrow ones (its bug 54412).
#if defined(__x86_64__) && !defined(__MINGW32__)
#define SLIDING_MMAP_WIDE __attribute__((target("avx2")))
bool HasWide() {
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
}
#endif

// One byte of a lane of eight, in memory's order.
int FirstByte(uint64_t lane) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return __builtin_clzll(lane) / 8;
#else
  return __builtin_ctzll(lane) / 8;
#endif
}

uint64_t ByteMask(int index) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return uint64_t{0xff} << (56 - 8 * index);
#else
  return uint64_t{0xff} << (8 * index);
#endif
}

template <typename Vector>
__attribute__((always_inline)) inline size_t CountIn(const uint8_t* at, size_t length, uint8_t byte) {
  constexpr size_t kWidth = sizeof(Vector);
  const Vector wanted = Vector{} + byte;
  size_t count = 0;
  while (length >= kWidth) {
    // An element counts to 255.
    const size_t steps = std::min<size_t>(255, length / kWidth);
    Vector sums = {};
    for (size_t i = 0; i < steps; ++i) {
      Vector bytes;
      memcpy(&bytes, at + i * kWidth, kWidth);
      sums -= reinterpret_cast<Vector>(bytes == wanted);
    }
    for (size_t i = 0; i < kWidth; ++i) count += sums[i];
    at += steps * kWidth;
    length -= steps * kWidth;
  }
  for (size_t i = 0; i < length; ++i) count += at[i] == byte;
  return count;
}

// Each byte is loaded once, so that what is told is true of the copy, whoever writes into the bytes
// meanwhile.
template <typename Vector, bool kCopies>
__attribute__((always_inline)) inline Places FindEachIn(const uint8_t* at, size_t length, uint8_t byte,
                                                        uint32_t* offsets, uint8_t* copy) {
  constexpr size_t kWidth = sizeof(Vector);
  const Vector wanted = Vector{} + byte;
  Vector all = {};
  size_t count = 0;
  size_t offset = 0;
  for (; length - offset >= kWidth; offset += kWidth) {
    Vector bytes;
    memcpy(&bytes, at + offset, kWidth);
    if constexpr (kCopies) memcpy(copy + offset, &bytes, kWidth);
    all |= bytes;
    const Vector hits = reinterpret_cast<Vector>(bytes == wanted);
    uint64_t lanes[kWidth / 8];
    memcpy(lanes, &hits, kWidth);
    for (size_t i = 0; i < kWidth / 8; ++i) {
      for (uint64_t lane = lanes[i]; lane != 0;) {
        const int index = FirstByte(lane);
        offsets[count++] = static_cast<uint32_t>(offset + i * 8) + static_cast<uint32_t>(index);
        lane &= ~ByteMask(index);
      }
    }
  }
  uint8_t bits = 0;
  for (size_t i = 0; i < kWidth; ++i) bits |= all[i];
  return FindRest<kCopies>(at, length, byte, offsets, copy, offset, bits, count);
}

#if defined(SLIDING_MMAP_WIDE)
// By masks of one bit for each byte, which only the processor's own instruction makes.
template <bool kCopies>
SLIDING_MMAP_WIDE Places FindEachWide(const uint8_t* at, size_t length, uint8_t byte, uint32_t* offsets,
                                      uint8_t* copy) {
  const __m256i wanted = _mm256_set1_epi8(static_cast<char>(byte));
  __m256i all = _mm256_setzero_si256();
  size_t count = 0;
  size_t offset = 0;
  for (; length - offset >= 64; offset += 64) {
    const auto* bytes = reinterpret_cast<const __m256i*>(at + offset);
    const __m256i first = _mm256_loadu_si256(bytes);
    const __m256i second = _mm256_loadu_si256(bytes + 1);
    if constexpr (kCopies) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(copy + offset), first);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(copy + offset + 32), second);
    }
    all = _mm256_or_si256(all, _mm256_or_si256(first, second));
    const auto low = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(first, wanted)));
    const auto high = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(second, wanted)));
    for (uint64_t mask = low | uint64_t{high} << 32; mask != 0; mask &= mask - 1) {
      offsets[count++] = static_cast<uint32_t>(offset) + static_cast<uint32_t>(__builtin_ctzll(mask));
    }
  }
  const uint8_t high_bits = _mm256_movemask_epi8(all) == 0 ? 0 : 0x80;
  return FindRest<kCopies>(at, length, byte, offsets, copy, offset, high_bits, count);
}

SLIDING_MMAP_WIDE size_t CountWide(const uint8_t* at, size_t length, uint8_t byte) {
  return CountIn<Vector32>(at, length, byte);
}
#endif
#endif  // __GNUC__

// Each lane counts at its own place, and narrow lanes make the compiler compare as many units at a time as a
// register of the processor holds. A lane is emptied before it overflows.
uint64_t CountWideUnits(const uint8_t* bytes, size_t units, uint16_t wanted) {
  constexpr size_t kLanes = 32;
  constexpr size_t kRounds = UINT16_MAX;
  uint64_t count = 0;
  while (units >= kLanes) {
    uint16_t lanes[kLanes] = {};
    const size_t rounds = std::min(kRounds, units / kLanes);
    for (size_t round = 0; round < rounds; ++round, bytes += sizeof(lanes)) {
      uint16_t values[kLanes];
      memcpy(values, bytes, sizeof(values));
      for (size_t i = 0; i < kLanes; ++i) lanes[i] = static_cast<uint16_t>(lanes[i] + (values[i] == wanted));
    }
    for (size_t i = 0; i < kLanes; ++i) count += lanes[i];
    units -= rounds * kLanes;
  }
  for (; units > 0; --units, bytes += sizeof(wanted)) count += memcmp(bytes, &wanted, sizeof(wanted)) == 0;
  return count;
}

// The first place at `from` (a multiple of the unit) or after it; -1 for none.
int64_t FindAligned(const uint8_t* haystack, size_t length, size_t from, const uint8_t* needle,
                    size_t needle_length, size_t unit) {
  while (from < length) {
    const int64_t at = Find(haystack + from, length - from, needle, needle_length);
    if (at < 0) return -1;
    from += static_cast<size_t>(at);
    if (from % unit == 0) return static_cast<int64_t>(from);
    ++from;
  }
  return -1;
}

template <bool kCopies>
Places FindEachBy(const uint8_t* at, size_t length, uint8_t byte, uint32_t* offsets, uint8_t* copy) {
#if defined(SLIDING_MMAP_WIDE)
  if (HasWide()) return FindEachWide<kCopies>(at, length, byte, offsets, copy);
#endif
#if defined(__GNUC__)
  return FindEachIn<Vector16, kCopies>(at, length, byte, offsets, copy);
#else
  return FindRest<kCopies>(at, length, byte, offsets, copy, 0, 0, 0);
#endif
}

}  // namespace

size_t CountByte(const uint8_t* at, size_t length, uint8_t byte) {
#if defined(SLIDING_MMAP_WIDE)
  if (HasWide()) return CountWide(at, length, byte);
#endif
#if defined(__GNUC__)
  return CountIn<Vector16>(at, length, byte);
#else
  return static_cast<size_t>(std::count(at, at + length, byte));
#endif
}

Places FindEach(const uint8_t* at, size_t length, uint8_t byte, uint32_t* offsets, uint8_t* copy) {
  return copy == nullptr ? FindEachBy<false>(at, length, byte, offsets, copy)
                         : FindEachBy<true>(at, length, byte, offsets, copy);
}

int64_t Find(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length) {
  Needle prepared(needle, needle_length, false);
  if (length >= kWorthTuning) prepared.Tune(haystack, length);
  const uint8_t* found = prepared.Find(haystack, haystack + length);
  return found == nullptr ? -1 : found - haystack;
}

int64_t FindLast(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length) {
  if (needle_length > length) return -1;
  // Candidates by their first byte, from behind, as long as comparing them costs little beside searching.
  size_t starts = length - needle_length + 1;
  size_t left = 4 * length;
  for (; left >= needle_length; left -= needle_length) {
    const uint8_t* at = LastByte(haystack, starts, needle[0]);
    if (at == nullptr) return -1;
    if (memcmp(at, needle, needle_length) == 0) return at - haystack;
    starts = static_cast<size_t>(at - haystack);
  }
  using Reverse = std::reverse_iterator<const uint8_t*>;
  const Reverse end(haystack);
  const Reverse found = LinearFind(Reverse(haystack + starts + needle_length - 1), end,
                                   Reverse(needle + needle_length), needle_length);
  return found == end ? -1 : found.base() - haystack - static_cast<ptrdiff_t>(needle_length);
}

// --- one needle --------------------------------------------------------------------------------------------

Needle::Needle(const uint8_t* bytes, size_t length, bool ignores_case)
    : bytes_(bytes), length_(length), ignores_case_(ignores_case) {
  probes_[0] = ProbeAt(0);
  probes_[1] = ProbeAt(length - 1);
}

Needle::Probe Needle::ProbeAt(size_t offset) const {
  const uint8_t byte = bytes_[offset];
  const bool folds = ignores_case_ && byte >= 'a' && byte <= 'z';
  return {offset, byte, static_cast<uint8_t>(folds ? 0x20 : 0)};
}

void Needle::Tune(const uint8_t* haystack, size_t length) {
  if (length_ < 3) return;
  constexpr size_t kSample = 2048;
  uint16_t counts[256] = {};
  for (size_t begin : {size_t{0}, length / 2}) {
    const size_t end = begin + std::min(kSample, length - begin);
    for (size_t i = begin; i < end; ++i) ++counts[ignores_case_ ? Lower(haystack[i]) : haystack[i]];
  }
  const size_t considered = std::min<size_t>(length_, 256);
  size_t first = 0;
  for (size_t i = 1; i < considered; ++i) {
    if (counts[bytes_[i]] < counts[bytes_[first]]) first = i;
  }
  // Another place, and another byte where there is one: equal ones often stand together.
  size_t second = first == 0 ? 1 : 0;
  const auto cost = [&](size_t i) {
    return counts[bytes_[i]] + (bytes_[i] == bytes_[first] ? kSample * 2 : 0);
  };
  for (size_t i = 0; i < considered; ++i) {
    if (i != first && cost(i) < cost(second)) second = i;
  }
  probes_[0] = ProbeAt(first);
  probes_[1] = ProbeAt(second);
}

bool Needle::Agrees(const uint8_t* at, size_t offset, size_t length) const {
  if (!ignores_case_) return memcmp(at + offset, bytes_ + offset, length) == 0;
  for (size_t i = offset; i < offset + length; ++i) {
    if (Lower(at[i]) != bytes_[i]) return false;
  }
  return true;
}

bool Needle::Verify(const uint8_t* at, size_t* cost) const {
  const size_t beginning = std::min<size_t>(length_, 32);
  *cost += beginning;
  if (!Agrees(at, 0, beginning)) return false;
  *cost += length_;
  return Agrees(at, beginning, length_ - beginning);
}

#if defined(__GNUC__)
// The first place in [from, last) that both probes and then the needle agree with. Gives up, with `left` set
// to where to go on, when comparing costs more than another search would.
template <typename Vector>
__attribute__((always_inline)) inline const uint8_t* Needle::Filter(const uint8_t* from, const uint8_t* last,
                                                                    const uint8_t** left) const {
  constexpr size_t kWidth = sizeof(Vector);
  constexpr size_t kVectors = 4;
  constexpr size_t kLanes = kWidth / 8;
  const Probe first = probes_[0];
  const Probe second = probes_[1];
  const Vector byte1 = Vector{} + first.byte;
  const Vector byte2 = Vector{} + second.byte;
  const Vector fold1 = Vector{} + first.fold;
  const Vector fold2 = Vector{} + second.fold;
  size_t cost = 0;
  const uint8_t* at = from;
  for (; static_cast<size_t>(last - at) >= kVectors * kWidth; at += kVectors * kWidth) {
    Vector hits[kVectors];
    Vector any = {};
    for (size_t i = 0; i < kVectors; ++i) {
      Vector here;
      Vector there;
      memcpy(&here, at + first.offset + i * kWidth, kWidth);
      memcpy(&there, at + second.offset + i * kWidth, kWidth);
      hits[i] = reinterpret_cast<Vector>(((here | fold1) == byte1) & ((there | fold2) == byte2));
      any |= hits[i];
    }
    uint64_t lanes[kVectors * kLanes];
    memcpy(lanes, &any, kWidth);
    uint64_t some = 0;
    for (size_t i = 0; i < kLanes; ++i) some |= lanes[i];
    if (some == 0) continue;
    memcpy(lanes, hits, sizeof(lanes));
    for (size_t i = 0; i < kVectors * kLanes; ++i) {
      for (uint64_t lane = lanes[i]; lane != 0;) {
        const int index = FirstByte(lane);
        const uint8_t* candidate = at + i * 8 + index;
        if (Verify(candidate, &cost)) return candidate;
        lane &= ~ByteMask(index);
      }
    }
    if (cost > 4096 + 4 * static_cast<size_t>(at - from)) {
      *left = at + kVectors * kWidth;
      return nullptr;
    }
  }
  for (; at < last; ++at) {
    if ((at[first.offset] | first.fold) == first.byte && (at[second.offset] | second.fold) == second.byte &&
        StandsAt(at)) {
      return at;
    }
  }
  return nullptr;
}

#if defined(SLIDING_MMAP_WIDE)
SLIDING_MMAP_WIDE const uint8_t* Needle::FilterWide(const uint8_t* from, const uint8_t* last,
                                                    const uint8_t** left) const {
  return Filter<Vector32>(from, last, left);
}
#endif
#endif  // __GNUC__

const uint8_t* Needle::Find(const uint8_t* from, const uint8_t* end) const {
  if (static_cast<size_t>(end - from) < length_) return nullptr;
  if (IsOneByte()) {
    return static_cast<const uint8_t*>(memchr(from, bytes_[0], static_cast<size_t>(end - from)));
  }
  const uint8_t* left = nullptr;
#if defined(__GNUC__)
  const uint8_t* last = end - length_ + 1;
  const uint8_t* found =
#if defined(SLIDING_MMAP_WIDE)
      HasWide() ? FilterWide(from, last, &left) :
#endif
                Filter<Vector16>(from, last, &left);
  if (left == nullptr) return found;
#else
  left = from;
#endif
  return Linear(left, end);
}

const uint8_t* Needle::Linear(const uint8_t* from, const uint8_t* end) const {
  if (!ignores_case_) return LibraryFind(from, end, bytes_, length_);
  // A copy in lower case, piece by piece, which overlap by what may be the beginning of a needle.
  Array<uint8_t> piece;
  if (!piece.Allocate(std::min(std::max<size_t>(64 * 1024, 2 * length_), static_cast<size_t>(end - from)))) {
    // Without memory it takes longer.
    while (static_cast<size_t>(end - from) >= length_ && !StandsAt(from)) ++from;
    return static_cast<size_t>(end - from) >= length_ ? from : nullptr;
  }
  while (static_cast<size_t>(end - from) >= length_) {
    const size_t size = std::min(piece.size(), static_cast<size_t>(end - from));
    std::transform(from, from + size, piece.begin(), Lower);
    const uint8_t* data = piece.data();
    const uint8_t* found = LibraryFind(data, data + size, bytes_, length_);
    if (found != nullptr) return from + (found - data);
    from += size - length_ + 1;
  }
  return nullptr;
}

// --- several -----------------------------------------------------------------------------------------------

namespace {

constexpr size_t kFour = 4;
// Places in the table of four bytes for each needle: few have to be compared then where none stands.
constexpr size_t kFoursPerNeedle = 16;

uint32_t HashOf(const Needle& needle, size_t length) {
  uint32_t hash = kHashBegin;
  for (size_t i = 0; i < length; ++i) hash = Hash(hash, needle[i]);
  return hash;
}

}  // namespace

bool NeedleSet::Prepare(Array<Array<uint8_t>> needles, bool ignores_case) {
  bytes_ = std::move(needles);
  const size_t count = bytes_.size();
  if (!needles_.Allocate(count) || !standing_.Allocate(count) || !next_.Allocate(count)) return false;
  for (size_t i = 0; i < count; ++i) {
    Array<uint8_t>& bytes = bytes_[i];
    if (ignores_case) std::transform(bytes.begin(), bytes.end(), bytes.begin(), Lower);
    needles_[i] = Needle(bytes.data(), bytes.size(), ignores_case);
    longest_ = std::max(longest_, bytes.size());
  }
  if (count <= kFew) return true;
  index_.reset(new (std::nothrow) Index);
  size_t buckets = 256;
  while (buckets < count) buckets *= 2;
  if (index_ == nullptr || !index_->fours.Allocate(kFoursPerNeedle * buckets)) return false;
  for (size_t byte = 0; byte < 256; ++byte) {
    const auto itself = static_cast<uint8_t>(byte);
    index_->folded[byte] = ignores_case ? Lower(itself) : itself;
  }
  for (const Needle& needle : needles_) {
    const size_t first = needle[0];
    for (size_t second = 0; second < 256; ++second) {
      if (needle.length() == 1 || needle[1] == second) index_->pairs.set(first << 8 | second);
    }
    if (needle.length() >= kFour) index_->fours[Bucket(HashOf(needle, kFour), index_->fours.size())] = true;
  }
  // Close to each other where words are long.
  constexpr size_t kKeys[] = {1, 2, 3, 4, 5, 6, 8, 12, 16, 32, SIZE_MAX};
  static_assert(std::size(kKeys) == std::extent_v<decltype(Index::levels)> + 1);
  for (size_t i = 0; i + 1 < std::size(kKeys); ++i) {
    Level& level = index_->levels[i];
    level.key = kKeys[i];
    const auto belongs = [&, next = kKeys[i + 1]](const Needle& needle) {
      return needle.length() >= level.key && needle.length() < next;
    };
    const auto size = static_cast<size_t>(std::count_if(needles_.begin(), needles_.end(), belongs));
    if (size == 0) continue;
    if (!level.begin.Allocate(buckets + 2) || !level.needles.Allocate(size)) return false;
    // One place further on than it is in the end, which putting them in their places makes good.
    for (const Needle& needle : needles_) {
      if (belongs(needle)) ++level.begin[Bucket(HashOf(needle, level.key), buckets) + 2];
    }
    std::partial_sum(level.begin.begin(), level.begin.end(), level.begin.begin());
    for (size_t n = 0; n < count; ++n) {
      if (!belongs(needles_[n])) continue;
      const size_t bucket = Bucket(HashOf(needles_[n], level.key), buckets);
      level.needles[level.begin[bucket + 1]++] = static_cast<uint32_t>(n);
    }
  }
  return true;
}

NeedleSet::Result NeedleSet::Scan(const uint8_t* haystack, size_t length, size_t from, size_t limit,
                                  const Options& options, Match* matches, size_t capacity) {
  limit = std::min(limit, length);
  if (from >= limit) return {from, 0};
  if (index_ == nullptr && length >= kWorthTuning && scans_++ % kScansPerTuning == 0) {
    for (Needle& needle : needles_) needle.Tune(haystack, length);
  }
  if (matches == nullptr && options.delimiter == nullptr && needles_.size() == 1 && needles_[0].IsOneByte()) {
    return {limit, CountByte(haystack + from, limit - from, needles_[0][0])};
  }
  if (index_ == nullptr) std::fill(next_.begin(), next_.end(), 0);
  const bool takes_all = options.overlapping && options.delimiter == nullptr;
  size_t found = 0;
  work_ = 0;
  while (from < limit) {
    if (work_ > kMostWork) return {from, found};
    if (matches != nullptr && capacity - found < needles_.size()) return {from, found};
    const size_t at = Next(haystack, length, from, limit, takes_all);
    if (at >= limit) break;
    if (standing_count_ == 0) return {at, found};
    const size_t taken = takes_all ? standing_count_ : 1;
    for (size_t i = 0; i < taken && matches != nullptr; ++i) {
      matches[found + i] = {static_cast<uint32_t>(at), standing_[i]};
    }
    found += taken;
    if (options.delimiter != nullptr) {
      const uint8_t* end = options.delimiter->Find(haystack + at, haystack + length);
      from = end == nullptr ? length : static_cast<size_t>(end - haystack) + options.delimiter->length();
    } else {
      from = options.overlapping ? at + 1 : at + needles_[standing_[0]].length();
    }
  }
  return {std::max(from, limit), found};
}

size_t NeedleSet::Next(const uint8_t* haystack, size_t length, size_t from, size_t limit, bool takes_all) {
  standing_count_ = 0;
  return index_ == nullptr ? NextOfFew(haystack, length, from, limit)
                           : NextOfMany(haystack, length, from, limit, takes_all);
}

size_t NeedleSet::NextOfFew(const uint8_t* haystack, size_t length, size_t from, size_t limit) {
  size_t first = SIZE_MAX;
  for (size_t i = 0; i < needles_.size(); ++i) {
    const Needle& needle = needles_[i];
    if (next_[i] <= from) {
      const size_t end = length - limit < needle.length() ? length : limit + needle.length() - 1;
      const uint8_t* at = needle.Find(haystack + from, haystack + end);
      next_[i] = at == nullptr ? SIZE_MAX : static_cast<size_t>(at - haystack);
    }
    first = std::min(first, next_[i]);
  }
  for (uint32_t i = 0; i < needles_.size() && first != SIZE_MAX; ++i) {
    if (next_[i] != first) continue;
    Stands(i);
    work_ += needles_[i].length() + kWorkPerNeedle;
  }
  return first;
}

size_t NeedleSet::NextOfMany(const uint8_t* haystack, size_t length, size_t from, size_t limit,
                             bool takes_all) {
  const Index& index = *index_;
  for (size_t at = from; at < limit; ++at) {
    if (work_ > kMostWork) return at;
    const size_t first = index.folded[haystack[at]];
    if (at + 1 < length && !index.pairs[first << 8 | index.folded[haystack[at + 1]]]) continue;
    Gather(haystack + at, length - at, takes_all);
    if (standing_count_ == 0) continue;
    std::sort(standing_.begin(), standing_.begin() + standing_count_);
    return at;
  }
  return SIZE_MAX;
}

void NeedleSet::Gather(const uint8_t* at, size_t left, bool takes_all) {
  const Index& index = *index_;
  uint32_t hash = kHashBegin;
  size_t hashed = 0;
  const auto hash_up_to = [&](size_t length) {
    for (; hashed < length; ++hashed) hash = Hash(hash, index.folded[at[hashed]]);
  };
  for (const Level& level : index.levels) {
    if (level.key > left) return;
    hash_up_to(std::min(level.key, kFour));
    if (hashed == kFour && !index.fours[Bucket(hash, index.fours.size())]) return;
    if (level.needles.empty()) continue;
    hash_up_to(level.key);
    const size_t bucket = Bucket(hash, level.begin.size() - 2);
    for (size_t entry = level.begin[bucket]; entry < level.begin[bucket + 1]; ++entry) {
      const uint32_t i = level.needles[entry];
      // Those behind it in the list are behind it here.
      if (!takes_all && standing_count_ > 0 && i > standing_[0]) break;
      work_ += kWorkPerNeedle;
      if (needles_[i].length() > left) continue;
      work_ += needles_[i].length();
      if (!needles_[i].StandsAt(at)) continue;
      if (!takes_all) standing_count_ = 0;
      Stands(i);
    }
  }
}

uint64_t Count(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length,
               size_t unit) {
  if (needle_length == 1) return CountByte(haystack, length, needle[0]);
  if (needle_length == 2 && unit == 2) {
    uint16_t wanted;
    memcpy(&wanted, needle, sizeof(wanted));
    return CountWideUnits(haystack, length / 2, wanted);
  }
  uint64_t count = 0;
  for (int64_t at = FindAligned(haystack, length, 0, needle, needle_length, unit); at >= 0; ++count) {
    at = FindAligned(haystack, length, static_cast<size_t>(at) + needle_length, needle, needle_length, unit);
  }
  return count;
}

int64_t FindNth(const uint8_t* haystack, size_t length, const uint8_t* needle, size_t needle_length,
                size_t unit, uint64_t n) {
  // Counting is faster than finding: only the piece with the n-th is searched.
  constexpr size_t kPiece = 1024;
  size_t from = 0;
  uint64_t before = 0;
  if (needle_length == unit) {
    while (from < length) {
      const size_t piece = std::min(kPiece, length - from);
      const uint64_t count = Count(haystack + from, piece, needle, needle_length, unit);
      if (before + count >= n) break;
      before += count;
      from += piece;
    }
  }
  for (;;) {
    const int64_t at = FindAligned(haystack, length, from, needle, needle_length, unit);
    if (at < 0) return -1 - static_cast<int64_t>(before);
    if (++before == n) return at;
    from = static_cast<size_t>(at) + needle_length;
  }
}

}  // namespace sliding_mmap
