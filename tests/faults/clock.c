// A wall clock that is CLOCK_OFFSET seconds ahead (or behind, if negative), preloaded into one process. Timers keep
// their monotonic clock, as they do on a machine whose time is set wrong. What waits for a moment of the wall clock
// names that moment by this clock, and has it translated.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static time_t offset;

__attribute__((constructor)) static void read_offset(void) {
  char const* const text = getenv("CLOCK_OFFSET");
  if (text != NULL) offset = atol(text);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  int const result = (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset;
  return result;
}

int timespec_get(struct timespec* now, int base) {
  return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t* restrict condition, pthread_mutex_t* restrict mutex,
                           struct timespec const* restrict until) {
  struct timespec moment = *until;
  int const wall = moment.tv_sec > 1000000000;  // no machine is up for thirty years
  if (wall) moment.tv_sec -= offset;
  return pthread_cond_clockwait(condition, mutex, wall ? CLOCK_REALTIME : CLOCK_MONOTONIC, &moment);
}

// glibc's C11 threads are its POSIX threads under other names.
int cnd_timedwait(cnd_t* restrict condition, mtx_t* restrict mutex, struct timespec const* restrict until) {
  switch (pthread_cond_timedwait((pthread_cond_t*)condition, (pthread_mutex_t*)mutex, until)) {
    case 0:
      return thrd_success;
    case ETIMEDOUT:
      return thrd_timedout;
    default:
      return thrd_error;
  }
}
