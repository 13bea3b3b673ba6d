/// C11 threads on top of POSIX threads, for binaries built with ThreadSanitizer: GCC 12's does not know thrd_create and
/// crashes in the first thread that librdkafka starts with it. Defined here, they come before the C library's, whose
/// types are POSIX ones under another name. Included once, by doctest_main.cpp.
#pragma once

#include <cerrno>
#include <cstdint>

#include <pthread.h>
#include <threads.h>

namespace c11_threads {

inline int result(int error) {
  switch (error) {
    case 0:
      return thrd_success;
    case EBUSY:
      return thrd_busy;
    case ENOMEM:
      return thrd_nomem;
    case ETIMEDOUT:
      return thrd_timedout;
    default:
      return thrd_error;
  }
}

inline pthread_mutex_t* posix(mtx_t* mutex) {
  return reinterpret_cast<pthread_mutex_t*>(mutex);
}
inline pthread_cond_t* posix(cnd_t* condition) {
  return reinterpret_cast<pthread_cond_t*>(condition);
}

struct Start {
  thrd_start_t function;
  void* argument;
};

inline void* run(void* opaque) {
  Start const start = *static_cast<Start*>(opaque);
  delete static_cast<Start*>(opaque);
  return reinterpret_cast<void*>(static_cast<std::intptr_t>(start.function(start.argument)));
}

}  // namespace c11_threads

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  auto* const start = new c11_threads::Start{function, argument};
  int const error = pthread_create(thread, nullptr, c11_threads::run, start);
  if (error != 0) delete start;
  return c11_threads::result(error);
}
int thrd_join(thrd_t thread, int* status) {
  void* returned = nullptr;
  int const error = pthread_join(thread, &returned);
  if (status != nullptr) *status = static_cast<int>(reinterpret_cast<std::intptr_t>(returned));
  return c11_threads::result(error);
}
int thrd_detach(thrd_t thread) {
  return c11_threads::result(pthread_detach(thread));
}

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, (type & mtx_recursive) != 0 ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
  int const error = pthread_mutex_init(c11_threads::posix(mutex), &attributes);
  pthread_mutexattr_destroy(&attributes);
  return c11_threads::result(error);
}
int mtx_lock(mtx_t* mutex) {
  return c11_threads::result(pthread_mutex_lock(c11_threads::posix(mutex)));
}
int mtx_trylock(mtx_t* mutex) {
  return c11_threads::result(pthread_mutex_trylock(c11_threads::posix(mutex)));
}
int mtx_unlock(mtx_t* mutex) {
  return c11_threads::result(pthread_mutex_unlock(c11_threads::posix(mutex)));
}
void mtx_destroy(mtx_t* mutex) {
  pthread_mutex_destroy(c11_threads::posix(mutex));
}

int cnd_init(cnd_t* condition) {
  return c11_threads::result(pthread_cond_init(c11_threads::posix(condition), nullptr));
}
int cnd_signal(cnd_t* condition) {
  return c11_threads::result(pthread_cond_signal(c11_threads::posix(condition)));
}
int cnd_broadcast(cnd_t* condition) {
  return c11_threads::result(pthread_cond_broadcast(c11_threads::posix(condition)));
}
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return c11_threads::result(pthread_cond_wait(c11_threads::posix(condition), c11_threads::posix(mutex)));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, timespec const* until) {
  return c11_threads::result(pthread_cond_timedwait(c11_threads::posix(condition), c11_threads::posix(mutex), until));
}
void cnd_destroy(cnd_t* condition) {
  pthread_cond_destroy(c11_threads::posix(condition));
}

}  // extern "C"
