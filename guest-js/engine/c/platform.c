/* The operating system that QuickJS believes to have. There is none: the clock is the host's (through src/lib.rs), text
 * written to streams is dropped, and what would abort traps. Defining these here keeps wasi-libc's own versions, and with
 * them every WASI import, out of the link. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

extern uint64_t belljar_now_us(void);

int gettimeofday(struct timeval *restrict tv, void *restrict tz) {
  uint64_t us = belljar_now_us();
  (void)tz;
  tv->tv_sec = (time_t)(us / 1000000u);
  tv->tv_usec = (suseconds_t)(us % 1000000u);
  return 0;
}

int clock_gettime(clockid_t id, struct timespec *ts) {
  uint64_t us = belljar_now_us();
  (void)id;
  ts->tv_sec = (time_t)(us / 1000000u);
  ts->tv_nsec = (long)(us % 1000000u) * 1000;
  return 0;
}

/* The sandbox's local time is UTC. QuickJS reads tm_gmtoff only. */
struct tm *localtime_r(const time_t *restrict t, struct tm *restrict out) {
  (void)t;
  unsigned char *p = (unsigned char *)out;
  for (size_t i = 0; i < sizeof *out; i++) p[i] = 0;
  return out;
}

_Noreturn void abort(void) { __builtin_trap(); }
_Noreturn void __assert_fail(const char *e, const char *f, int l, const char *fn) {
  (void)e; (void)f; (void)l; (void)fn;
  __builtin_trap();
}

int fprintf(FILE *restrict f, const char *restrict format, ...) { (void)f; (void)format; return 0; }
int printf(const char *restrict format, ...) { (void)format; return 0; }
int fputc(int c, FILE *f) { (void)f; return c; }
int putc(int c, FILE *f) { (void)f; return c; }
int putchar(int c) { return c; }
int fputs(const char *restrict s, FILE *restrict f) { (void)s; (void)f; return 0; }
int fflush(FILE *f) { (void)f; return 0; }
size_t __stdio_write(FILE *f, const unsigned char *p, size_t n) { (void)f; (void)p; return n; }
size_t __stdout_write(FILE *f, const unsigned char *p, size_t n) { (void)f; (void)p; return n; }
off_t __stdio_seek(FILE *f, off_t o, int w) { (void)f; (void)o; (void)w; return -1; }
int __stdio_close(FILE *f) { (void)f; return 0; }

/* Bulk-memory instructions; short runs are cheaper as a loop, because each such instruction is a call into the host. */
void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  if (n < 32) {
    unsigned char *d = to;
    const unsigned char *s = from;
    while (n >= 8) { *(uint64_t *)d = *(const uint64_t *)s; d += 8; s += 8; n -= 8; }
    while (n--) *d++ = *s++;
    return to;
  }
  return __builtin_memcpy(to, from, n);
}
void *memmove(void *to, const void *from, size_t n) {
  if (n < 32) {
    unsigned char *d = to;
    const unsigned char *s = from;
    if (d <= s || d >= s + n) {
      while (n--) *d++ = *s++;
    } else {
      while (n--) d[n] = s[n];
    }
    return to;
  }
  return __builtin_memmove(to, from, n);
}
void *memset(void *to, int byte, size_t n) {
  if (n < 32) {
    unsigned char *d = to;
    while (n--) *d++ = (unsigned char)byte;
    return to;
  }
  return __builtin_memset(to, byte, n);
}
