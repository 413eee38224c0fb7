// SPDX-License-Identifier: Apache-2.0
// Loaded before a program, moves the clock on its wall while it runs: by as many seconds as the
// file says that VIVARIUM_TEST_WALL_CLOCK names. Clocks that only run forward are left alone, as an
// operator's `date` leaves them.
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

const volatile std::int64_t* shared_offset() noexcept {
  static const std::int64_t none = 0;
  const char* path = std::getenv("VIVARIUM_TEST_WALL_CLOCK"); // NOLINT(concurrency-mt-unsafe)
  int fd = path != nullptr ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0)
    return &none;
  void* shown = ::mmap(nullptr, sizeof(none), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  return shown == MAP_FAILED ? &none : static_cast<const std::int64_t*>(shown);
}

std::int64_t offset() noexcept {
  static const volatile std::int64_t* const where = shared_offset();
  return *where;
}

} // namespace

extern "C" {

int clock_gettime(clockid_t which, timespec* out) noexcept {
  auto failed = ::syscall(SYS_clock_gettime, which, out);
  if (failed == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
    out->tv_sec += offset();
  return static_cast<int>(failed);
}

int gettimeofday(timeval* out, void*) noexcept {
  timespec now{};
  if (clock_gettime(CLOCK_REALTIME, &now) != 0)
    return -1;
  *out = {now.tv_sec, now.tv_nsec / 1'000};
  return 0;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr)
    *out = now.tv_sec;
  return now.tv_sec;
}

} // extern "C"
