/*
 * A disk that fails while a process uses it: writes and syncs of the files of one directory fail, or
 * wait, for as long as a control file says so.
 *
 * Loaded with LD_PRELOAD, before the power-cut shim if both are: a call that fails here never reaches
 * it. The control file is mapped, so that a test changes it by writing to it.
 *
 *   HOLDFAST_FAULT_DIRECTORY  absolute path, without links in it
 *   HOLDFAST_FAULT_CONTROL    struct control, little endian
 *
 * A failed write has written nothing; a failed sync has synced nothing, and says so once per call. What
 * opens, renames or creates fails with `name_errno`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../real-calls.h"

struct control {
  uint32_t write_errno;   /* 0: none */
  uint32_t sync_errno;
  uint32_t name_errno;
  uint32_t fail_ppm;      /* Of those calls; the others succeed. */
  uint32_t write_delay_us;
  uint32_t sync_delay_us;
  uint32_t failed;        /* Counted here. */
  uint32_t delayed;
};

static volatile struct control *control = NULL;
static char directory[PATH_MAX];
static size_t directory_length = 0;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_up(void) {
  find_real_calls();
  const char *watched = getenv("HOLDFAST_FAULT_DIRECTORY");
  const char *path = getenv("HOLDFAST_FAULT_CONTROL");
  if (watched == NULL || path == NULL) return;
  directory_length = (size_t)snprintf(directory, sizeof directory, "%s", watched);
  int file = real_openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) {
    fprintf(stderr, "fault shim: %s: %s\n", path, strerror(errno));
    abort();
  }
  close(file);
  control = mapped;
}

static void ready(void) { pthread_once(&once, set_up); }

static int is_inside(const char *path) {
  return strncmp(path, directory, directory_length) == 0 && (path[directory_length] == '/' || path[directory_length] == 0);
}

static int is_watched(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_inside(path);
}

static int is_drawn(void) {
  static __thread uint32_t state = 0;
  if (state == 0) state = (uint32_t)(uintptr_t)&state | 1;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % 1000000 < control->fail_ppm;
}

/* What this call must fail with; 0: nothing. */
static int judge(uint32_t number, uint32_t delay_us) {
  if (delay_us != 0) {
    __atomic_add_fetch(&control->delayed, 1, __ATOMIC_RELAXED);
    usleep(delay_us);
  }
  if (number == 0 || !is_drawn()) return 0;
  __atomic_add_fetch(&control->failed, 1, __ATOMIC_RELAXED);
  return (int)number;
}

static int judge_file(int fd, int is_sync) {
  int kept = errno, result = 0;
  ready();
  int is_quiet = control == NULL || (is_sync ? control->sync_errno == 0 && control->sync_delay_us == 0
                                             : control->write_errno == 0 && control->write_delay_us == 0);
  if (!is_quiet && is_watched(fd))
    result = is_sync ? judge(control->sync_errno, control->sync_delay_us)
                     : judge(control->write_errno, control->write_delay_us);
  errno = kept;
  return result;
}

static int judge_name(int at, const char *given) {
  ready();
  if (control == NULL || control->name_errno == 0 || given == NULL) return 0;
  /* Whoever works here names files by their whole path. */
  if (at != AT_FDCWD && given[0] != '/') return 0;
  return is_inside(given) ? judge(control->name_errno, 0) : 0;
}

#define FAILING(judged, call)   \
  int number = judged;          \
  if (number != 0) {            \
    errno = number;             \
    return -1;                  \
  }                             \
  return call;

ssize_t write(int fd, const void *bytes, size_t length) { FAILING(judge_file(fd, 0), real_write(fd, bytes, length)) }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  FAILING(judge_file(fd, 0), real_pwrite64(fd, bytes, length, offset))
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
  FAILING(judge_file(fd, 0), real_writev(fd, parts, count))
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  FAILING(judge_file(fd, 0), real_pwritev64(fd, parts, count, offset))
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return pwritev64(fd, parts, count, offset);
}
int ftruncate64(int fd, off64_t size) { FAILING(judge_file(fd, 0), real_ftruncate64(fd, size)) }
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  FAILING(judge_file(fd, 0), real_fallocate64(fd, mode, offset, length))
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }
int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  return fallocate64(fd, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }
int fsync(int fd) { FAILING(judge_file(fd, 1), real_fsync(fd)) }
int fdatasync(int fd) { FAILING(judge_file(fd, 1), real_fdatasync(fd)) }

#define WITH_MODE                       \
  mode_t mode = 0;                      \
  if (flags & (O_CREAT | O_TMPFILE)) {  \
    va_list more;                       \
    va_start(more, flags);              \
    mode = (mode_t)va_arg(more, int);   \
    va_end(more);                       \
  }

static int open_judged(int at, const char *path, int flags, mode_t mode) {
  FAILING((flags & O_CREAT) ? judge_name(at, path) : 0, (ready(), real_openat(at, path, flags, mode)))
}
int open(const char *path, int flags, ...) { WITH_MODE return open_judged(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { WITH_MODE return open_judged(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { WITH_MODE return open_judged(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { WITH_MODE return open_judged(at, path, flags, mode); }
int renameat(int from_at, const char *from, int to_at, const char *to) {
  FAILING(judge_name(to_at, to), real_renameat(from_at, from, to_at, to))
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }
