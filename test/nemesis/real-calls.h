/* The C library's own functions that change files, for libraries that stand in front of them (LD_PRELOAD). */
#ifndef REAL_CALLS_H
#define REAL_CALLS_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/uio.h>

/* 64-bit offsets are the only ones there are here. */
#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__);
REAL(int, openat, int, const char *, int, ...)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(ssize_t, pwritev64, int, const struct iovec *, int, off64_t)
REAL(int, ftruncate64, int, off64_t)
REAL(int, fallocate64, int, int, off64_t, off64_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, renameat, int, const char *, int, const char *)

static void *find(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found != NULL) return found;
  dprintf(2, "shim: the C library has no %s\n", name);
  abort();
}

#define FIND(name) real_##name = find(#name)

static void find_real_calls(void) {
  FIND(openat); FIND(write); FIND(pwrite64); FIND(writev); FIND(pwritev64); FIND(ftruncate64);
  FIND(fallocate64); FIND(fsync); FIND(fdatasync); FIND(renameat);
}

#endif
