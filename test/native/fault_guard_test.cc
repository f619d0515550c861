// The guard without Node: one behaviour by name, `fault_guard_test NAME DIRECTORY`. Ends with 0, or by the
// signal.
#include "core/fault_guard.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "core/mapping.h"

using sliding_mmap::FaultGuard;
using sliding_mmap::Mapping;
namespace os = sliding_mmap::os;

namespace {

std::string directory;

void Check(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "not so: %s\n", what);
  _exit(1);
}

// A file whose pages all are past its end.
int EmptyFile() {
  const std::string path = directory + "/empty";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  Check(fd >= 0, "a file can be made");
  return fd;
}

volatile uint8_t* Guarded(Mapping* mapping, size_t pages) {
  const size_t length = pages * os::PageSize();
  const int fd = EmptyFile();
  Check(mapping->Reserve(length) == 0, "address space");
  Check(mapping->Slide(fd, 0, length, os::Access::kReadWrite, os::Sharing::kShared) == 0, "a mapping");
  close(fd);
  return mapping->data();
}

volatile uint8_t* Unguarded() {
  const int fd = EmptyFile();
  void* address = mmap(nullptr, os::PageSize(), PROT_READ, MAP_SHARED, fd, 0);
  Check(address != MAP_FAILED, "a mapping");
  close(fd);
  return static_cast<uint8_t*>(address);
}

sigjmp_buf back;
volatile int earlier_calls = 0;

void EarlierWithInfo(int, siginfo_t*, void*) {
  ++earlier_calls;
  siglongjmp(back, 1);
}

void Earlier(int) {
  ++earlier_calls;
  siglongjmp(back, 1);
}

void InstallEarlier(bool with_info) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  if (with_info) {
    action.sa_sigaction = EarlierWithInfo;
    action.sa_flags = SA_SIGINFO;
  } else {
    action.sa_handler = Earlier;
  }
  sigaction(SIGBUS, &action, nullptr);
}

void Absorbs() {
  Check(FaultGuard::Install() == 0, "the handler is installed");
  Check(FaultGuard::Install() == 0, "and again");
  Mapping mapping;
  volatile uint8_t* bytes = Guarded(&mapping, 8);
  const size_t page = os::PageSize();
  const int32_t before = FaultGuard::Counter()->load();
  Check(bytes[3 * page + 5] == 0, "a lost page reads as zeros");
  bytes[5 * page] = 7;
  Check(bytes[5 * page] == 7, "and can be written");
  Check(mapping.faults() == 2 && mapping.first_fault() == 3 * page + 5, "it is counted");
  Check(FaultGuard::Counter()->load() == before + 2, "for the process, too");
  mapping.Release();
}

void* TouchPages(void* argument) {
  auto* mapping = static_cast<Mapping*>(argument);
  volatile uint8_t* bytes = mapping->data();
  for (size_t i = 0; i < mapping->capacity(); i += os::PageSize()) Check(bytes[i] == 0, "zeros");
  return nullptr;
}

void AbsorbsOnThreads() {
  FaultGuard::Install();
  constexpr int kThreads = 8;
  constexpr size_t kPages = 200;
  Mapping mappings[kThreads];
  pthread_t threads[kThreads];
  for (Mapping& mapping : mappings) Guarded(&mapping, kPages);
  for (int i = 0; i < kThreads; ++i) pthread_create(&threads[i], nullptr, TouchPages, &mappings[i]);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  for (Mapping& mapping : mappings) Check(mapping.faults() > 0, "each has its count");
}

// More ranges than one block of the registry holds.
void AbsorbsInManyRanges() {
  FaultGuard::Install();
  constexpr int kRanges = 1000;
  static Mapping mappings[kRanges];
  for (Mapping& mapping : mappings) Guarded(&mapping, 1);
  for (Mapping& mapping : mappings)
    Check(mapping.data()[9] == 0 && mapping.faults() == 1, "each range is known");
}

size_t SystemMappings() {
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return 0;
  size_t lines = 0;
  for (int c; (c = fgetc(maps)) != EOF;)
    if (c == '\n') ++lines;
  fclose(maps);
  return lines;
}

// Pages with others between them, which merge with nothing.
void LosesPagesOneByOne() {
  FaultGuard::Install();
  constexpr size_t kPages = 4000;
  constexpr size_t kRanges = 24;
  const size_t page = os::PageSize();
  static Mapping mappings[kRanges];
  const size_t before = SystemMappings();
  size_t after_one = 0;
  for (Mapping& mapping : mappings) {
    volatile uint8_t* bytes = Guarded(&mapping, kPages);
    for (size_t i = kPages; i >= 2; i -= 2) Check(bytes[(i - 1) * page] == 0, "zeros");
    Check(mapping.first_fault() == (kPages - 1) * page, "the first is known");
    if (after_one == 0) after_one = SystemMappings();
  }
  Check(after_one < before + 2 * 256 + 10, "one range is split into a bounded number of mappings");
  const uint64_t most = os::MaxMappings();
  if (most == 0) return;
  Check(SystemMappings() < before + most / 8 + 3 * kRanges, "and so are all together");
  // What is renewed may lose pages one by one again.
  for (Mapping& mapping : mappings) mapping.Park();
  Check(SystemMappings() < before + 3 * kRanges, "they are whole again");
  const int fd = EmptyFile();
  Check(mappings[0].Slide(fd, 0, kPages * page, os::Access::kRead, os::Sharing::kShared) == 0, "a mapping");
  close(fd);
  const size_t whole = SystemMappings();
  Check(mappings[0].data()[9 * page] == 0 && SystemMappings() == whole + 2, "one page of its own");
}

// A file that is cut in the middle: however many pages are lost, those before the cut are still the file's.
void KeepsWhatIsLeft() {
  FaultGuard::Install();
  constexpr size_t kPages = 4000;
  const size_t page = os::PageSize();
  const int fd = EmptyFile();
  for (size_t i = 0; i < kPages; ++i) {
    const uint8_t byte = static_cast<uint8_t>(i % 251 + 1);
    Check(pwrite(fd, &byte, 1, static_cast<off_t>(i * page)) == 1, "a page");
  }
  Mapping mapping;
  Check(mapping.Reserve(kPages * page) == 0, "address space");
  Check(mapping.Slide(fd, 0, kPages * page, os::Access::kReadWrite, os::Sharing::kShared) == 0, "a mapping");
  const volatile uint8_t* bytes = mapping.data();
  Check(ftruncate(fd, static_cast<off_t>(kPages / 2 * page)) == 0, "a cut");
  for (size_t i = 0; i < kPages; i += 2) {
    const size_t j = i * 1237 % kPages;
    Check(bytes[j * page] == (j < kPages / 2 ? j % 251 + 1 : 0), "what is left, and zeros");
  }
  close(fd);
}

// Ranges that come and go on other threads must not be taken for the one that was touched: its owner would not
// be told. Here a short one at a low address and a long one at the highest, where no program has memory, take
// the same slot in turn; the start of the one with the length of the other holds every address.
std::atomic<bool> enough{false};

void* ComeAndGo(void*) {
  const size_t page = os::PageSize();
  while (!enough.load()) {
    FaultGuard::Unguard(FaultGuard::Guard(reinterpret_cast<void*>(page), page));
    FaultGuard::Unguard(FaultGuard::Guard(reinterpret_cast<void*>(SIZE_MAX - page + 1), SIZE_MAX - 2 * page));
  }
  return nullptr;
}

void* LoseAndLook(void*) {
  const size_t page = os::PageSize();
  for (int i = 0; i < 5000; ++i) {
    Mapping mapping;
    volatile uint8_t* bytes = Guarded(&mapping, 3);
    Check(bytes[2 * page + 1] == 0, "zeros");
    Check(mapping.faults() == 1 && mapping.first_fault() == 2 * page + 1, "the fault is this range's");
    bytes[2 * page] = 1;
  }
  return nullptr;
}

void TellsRangesApart() {
  FaultGuard::Install();
  pthread_t come_and_go, lose_and_look;
  pthread_create(&come_and_go, nullptr, ComeAndGo, nullptr);
  usleep(1000);
  pthread_create(&lose_and_look, nullptr, LoseAndLook, nullptr);
  pthread_join(lose_and_look, nullptr);
  enough.store(true);
  pthread_join(come_and_go, nullptr);
}

// A thread that was not waited for goes on in a range that is retired, and is stopped by nothing.
std::atomic<bool> ended{false};

void* GoOn(void* argument) {
  auto* bytes = static_cast<volatile uint8_t*>(argument);
  const size_t page = os::PageSize();
  for (size_t i = 0; !ended.load(); i = (i + 1) % 64) {
    bytes[i * page] = 7;
    (void)bytes[(63 - i) * page];
  }
  return nullptr;
}

void RetiresUnderThreads() {
  FaultGuard::Install();
  const size_t page = os::PageSize();
  for (int round = 0; round < 200; ++round) {
    Mapping mapping;
    volatile uint8_t* bytes = Guarded(&mapping, 64);
    ended.store(false);
    pthread_t thread;
    pthread_create(&thread, nullptr, GoOn, const_cast<uint8_t*>(bytes));
    usleep(static_cast<useconds_t>(round));
    const int64_t before = Mapping::Count();
    Check(mapping.Retire(), "it is retired");
    Check(!mapping.Retire() && Mapping::Count() == before - 1 && mapping.mapped() == 0, "once");
    usleep(50);
    bytes[5 * page] = 1;
    ended.store(true);
    pthread_join(thread, nullptr);
    mapping.Release();
    Check(Mapping::Count() == before - 1, "and is not counted twice");
  }
}

// As another copy of the guard would be, put in place over this one, and this one again over it.
struct sigaction beneath;
void PassBack(int signal, siginfo_t* info, void* context) { beneath.sa_sigaction(signal, info, context); }

void InstallInCircle() {
  FaultGuard::Install();
  struct sigaction other = {};
  other.sa_sigaction = PassBack;
  other.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGBUS, &other, &beneath);
  FaultGuard::Install();
}

void DiesOfCircle() {
  InstallInCircle();
  Mapping mapping;
  Check(Guarded(&mapping, 1)[0] == 0, "ours is absorbed");
  raise(SIGBUS);
}

void Chains(bool with_info) {
  InstallEarlier(with_info);
  FaultGuard::Install();
  Mapping mapping;
  Check(Guarded(&mapping, 1)[0] == 0 && earlier_calls == 0, "ours is not passed on");
  volatile uint8_t* bytes = Unguarded();
  if (sigsetjmp(back, 1) == 0) {
    (void)bytes[0];
    Check(false, "the fault is passed on");
  }
  Check(earlier_calls == 1, "the earlier handler has its fault");
  if (sigsetjmp(back, 1) == 0) raise(SIGBUS);
  Check(earlier_calls == 2, "and its signal");
}

// As the engine's handler, which stays in place.
int engine_calls = 0;
void Engine(int) {
  ++engine_calls;
  siglongjmp(back, 1);
}

void LeavesOut() {
  InstallEarlier(true);
  FaultGuard::Install();
  signal(SIGBUS, Engine);
  FaultGuard::Install();
  FaultGuard::LeaveOut(Engine);
  Mapping mapping;
  Check(Guarded(&mapping, 1)[0] == 0 && earlier_calls == 0, "ours is not passed on");
  volatile uint8_t* bytes = Unguarded();
  if (sigsetjmp(back, 1) == 0) (void)bytes[0];
  Check(earlier_calls == 1 && engine_calls == 0, "the fault goes to the handler before the one left out");
  if (sigsetjmp(back, 1) == 0) raise(SIGBUS);
  Check(earlier_calls == 2 && engine_calls == 0, "and so does a signal");
  FaultGuard::LeaveOut(nullptr);
  if (sigsetjmp(back, 1) == 0) raise(SIGBUS);
  Check(earlier_calls == 2 && engine_calls == 1, "until it is wanted again");
}

// Where the handler before both wants what neither does.
void PassesBackAndOn() {
  signal(SIGBUS, Engine);
  InstallInCircle();
  for (int i = 1; i <= 3; ++i) {
    if (sigsetjmp(back, 1) == 0) raise(SIGBUS);
    Check(engine_calls == i, "the first of them has its signal");
  }
  Check(!FaultGuard::IsPrevious(Engine), "it is not the one right before");
}

bool was_blocked = false;
void LooksAtMask(int) {
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  was_blocked = sigismember(&now, SIGUSR2) == 1;
}

void KeepsMask() {
  struct sigaction action = {};
  action.sa_handler = LooksAtMask;
  sigfillset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
  FaultGuard::Install();
  Check(FaultGuard::IsPrevious(LooksAtMask), "it is the one right before");
  raise(SIGBUS);
  Check(was_blocked, "what it wants blocked is");
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  Check(sigismember(&now, SIGUSR2) == 0, "and is not afterwards");
}

void DiesWhereAllAreLeftOut() {
  signal(SIGBUS, Engine);
  FaultGuard::Install();
  FaultGuard::LeaveOut(Engine);
  raise(SIGBUS);
  Check(false, "it was absorbed");
}

void StaysIgnored() {
  signal(SIGBUS, SIG_IGN);
  FaultGuard::Install();
  raise(SIGBUS);
}

void DiesOfForeignFault() {
  FaultGuard::Install();
  Mapping mapping;
  Check(Guarded(&mapping, 1)[0] == 0, "ours is absorbed");
  (void)Unguarded()[0];
  Check(false, "it was absorbed");
}

void DiesOfReleasedRange() {
  FaultGuard::Install();
  Mapping mapping;
  volatile uint8_t* bytes = Guarded(&mapping, 1);
  mapping.Release();
  const int fd = EmptyFile();
  void* address = mmap(const_cast<uint8_t*>(bytes), os::PageSize(), PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
  Check(address != MAP_FAILED, "the address is free");
  (void)bytes[0];
  Check(false, "it was absorbed");
}

void DiesOfSentSignal() {
  FaultGuard::Install();
  raise(SIGBUS);
  Check(false, "it was absorbed");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string name = argv[1];
  directory = argv[2];
  if (name == "absorbs")
    Absorbs();
  else if (name == "absorbs on threads")
    AbsorbsOnThreads();
  else if (name == "absorbs in many ranges")
    AbsorbsInManyRanges();
  else if (name == "chains to a handler with information")
    Chains(true);
  else if (name == "chains to a plain handler")
    Chains(false);
  else if (name == "passes on what is passed back")
    PassesBackAndOn();
  else if (name == "blocks what the handler wants blocked")
    KeepsMask();
  else if (name == "leaves a handler out")
    LeavesOut();
  else if (name == "a signal that nobody is left for")
    DiesWhereAllAreLeftOut();
  else if (name == "stays ignored when sent")
    StaysIgnored();
  else if (name == "a foreign fault")
    DiesOfForeignFault();
  else if (name == "a fault in a range that was released")
    DiesOfReleasedRange();
  else if (name == "a signal that was sent")
    DiesOfSentSignal();
  else if (name == "loses pages one by one")
    LosesPagesOneByOne();
  else if (name == "keeps what is left")
    KeepsWhatIsLeft();
  else if (name == "tells ranges apart that come and go")
    TellsRangesApart();
  else if (name == "retires a range under a thread")
    RetiresUnderThreads();
  else if (name == "a signal that goes in a circle")
    DiesOfCircle();
  else
    return 2;
  return 0;
}
