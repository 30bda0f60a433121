/*
 * Remembers how to undo every write to the files of one directory that was not made durable.
 *
 * Loaded with LD_PRELOAD. Before a write changes a file, its old bytes and size are appended to a
 * journal outside the directory; when fsync or fdatasync of that file has returned, the journal says
 * so. After the process was killed, undoing what no sync covers (power-cut.ts) leaves the directory as
 * a power cut might have. Names count too: files that were created, renamed or removed come and go
 * with fsync of the directory they are in.
 *
 *   HOLDFAST_SHIM_DIRECTORY  absolute path; only what lies in it is watched
 *   HOLDFAST_SHIM_JOURNAL    the journal; a stash of removed files lies beside it (.stash)
 *   HOLDFAST_SHIM_STASH      the stash, if the journal is on another file system than the directory
 *   HOLDFAST_SHIM_NO_SYNC=1  fsync and fdatasync do nothing and say that they did
 *
 * One lock is held from the journal record to the end of the write, so that records are in the order
 * of the writes and a sync covers exactly the records before it.
 *
 * Not seen: stores to mapped memory, writes of stdio (RocksDB's text log), system calls made
 * directly. What is not seen is kept, which a power cut may do as well.
 *
 * A record: 48 bytes of header (struct record, little endian), then `path_length` bytes of text, then
 * `data_length` old bytes. A record that a kill cut short belongs to a write that did not happen.
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../real-calls.h"

enum { WRITE = 1, RESIZE = 2, SYNC = 3, CREATE = 4, RENAME = 5, REMOVE = 6, MAKE_DIRECTORY = 7 };

struct record {
  uint32_t magic;
  uint32_t type;
  uint64_t inode;
  uint64_t offset;   /* WRITE: where; SYNC: the journal up to here; names: inode of the directory */
  uint64_t length;   /* WRITE: of the new bytes; RESIZE: the new size */
  uint64_t old_size;
  uint32_t path_length;
  uint32_t data_length;
};

#define MAGIC 0x53465048u
#define PATHS_MAX (3 * PATH_MAX)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static int no_sync = 0;
static char directory[PATH_MAX];
static size_t directory_length = 0;
static char stash[PATH_MAX];
static unsigned stashed = 0;

/* ---- the real functions, besides those of real-calls.h ---- */

REAL(int, unlinkat, int, const char *, int)
REAL(int, linkat, int, const char *, int, const char *, int)
REAL(int, mkdirat, int, const char *, mode_t)

static void die(const char *what) {
  dprintf(2, "power-cut shim: %s: %s\n", what, strerror(errno));
  abort();
}

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

static void open_journal(void) {
  const char *watched = getenv("HOLDFAST_SHIM_DIRECTORY");
  const char *path = getenv("HOLDFAST_SHIM_JOURNAL");
  if (watched == NULL || path == NULL) return;
  snprintf(directory, sizeof directory, "%s/", watched);
  directory_length = strlen(directory);
  const char *elsewhere = getenv("HOLDFAST_SHIM_STASH");
  if (elsewhere != NULL) snprintf(stash, sizeof stash, "%s", elsewhere);
  else snprintf(stash, sizeof stash, "%s.stash", path);
  no_sync = getenv("HOLDFAST_SHIM_NO_SYNC") != NULL;
  journal = real_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (journal < 0) die("can't open the journal");
  /* Out of the way of programs that expect the lowest free descriptor. */
  int high = fcntl(journal, F_DUPFD_CLOEXEC, 900);
  if (high >= 0) {
    syscall(SYS_close, journal);
    journal = high;
  }
  pthread_atfork(before_fork, after_fork, after_fork);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_up(void) {
  find_real_calls();
  FIND(unlinkat); FIND(linkat); FIND(mkdirat);
  open_journal();
}

/* Others' constructors may write before ours has run. */
static void ready(void) { pthread_once(&once, set_up); }
__attribute__((constructor)) static void at_load(void) { ready(); }

/* ---- the journal ---- */

static void append(struct record *record, const char *text, size_t text_length, const void *data, size_t data_length) {
  record->magic = MAGIC;
  record->path_length = (uint32_t)text_length;
  record->data_length = (uint32_t)data_length;
  struct iovec parts[3] = {
    { record, sizeof *record }, { (void *)text, text_length }, { (void *)data, data_length } };
  size_t total = sizeof *record + text_length + data_length;
  /* One call, so that a journal shared with a child process is not torn. */
  ssize_t taken = syscall(SYS_writev, journal, parts, 3);
  if (taken != (ssize_t)total) die("the journal took less than a record");
}

static int is_inside(const char *path) { return strncmp(path, directory, directory_length) == 0; }

/* The path of a regular file (or directory) inside what is watched; 0 if it is not. */
static int watched_descriptor(int fd, struct stat *status, char *path) {
  if (journal < 0 || fd == journal) return 0;
  if (fstat(fd, status) != 0 || !(S_ISREG(status->st_mode) || S_ISDIR(status->st_mode))) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (S_ISDIR(status->st_mode) && strncmp(path, directory, directory_length - 1) == 0) return 1;
  return is_inside(path);
}

static int real_path(int at, const char *given, char *path) {
  char full[PATH_MAX];
  if (given[0] == '/' || at == AT_FDCWD) {
    snprintf(full, sizeof full, "%s", given);
  } else {
    char link[64], base[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t length = readlink(link, base, sizeof base - 1);
    if (length <= 0) return 0;
    base[length] = 0;
    if (snprintf(full, sizeof full, "%s/%s", base, given) >= (int)sizeof full) return 0;
  }
  char *slash = strrchr(full, '/');
  const char *name = slash == NULL ? full : slash + 1;
  char parent[PATH_MAX];
  if (slash == NULL) {
    if (realpath(".", parent) == NULL) return 0;
  } else {
    *slash = 0;
    if (realpath(full[0] == 0 ? "/" : full, parent) == NULL) return 0;
  }
  return snprintf(path, PATH_MAX, "%s/%s", parent, name) < PATH_MAX;
}

static int watched_path(int at, const char *given, char *path) {
  if (journal < 0 || given == NULL) return 0;
  int kept = errno;
  int inside = real_path(at, given, path) && is_inside(path);
  errno = kept;
  return inside;
}

static uint64_t parent_inode(const char *path) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  *strrchr(parent, '/') = 0;
  struct stat status;
  if (stat(parent, &status) != 0) die("no parent directory");
  return status.st_ino;
}

/* The bytes of [offset, offset + length) that are in the file; the descriptor may be write-only. */
static void *old_bytes(int fd, const struct stat *status, uint64_t offset, uint64_t length, size_t *found) {
  *found = 0;
  uint64_t size = (uint64_t)status->st_size;
  if (offset >= size || length == 0) return NULL;
  size_t wanted = (size_t)(size - offset < length ? size - offset : length);
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int reader = real_openat(AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
  if (reader < 0) die("can't read a file that is written");
  char *bytes = malloc(wanted);
  if (bytes == NULL) die("no memory for old bytes");
  while (*found < wanted) {
    ssize_t taken = syscall(SYS_pread64, reader, bytes + *found, wanted - *found, (off64_t)(offset + *found));
    if (taken <= 0) die("can't read old bytes");
    *found += (size_t)taken;
  }
  syscall(SYS_close, reader);
  return bytes;
}

static void note_change(int type, int fd, const struct stat *status, const char *path, uint64_t offset, uint64_t length,
                        uint64_t kept_from, uint64_t kept_length) {
  size_t found;
  void *bytes = old_bytes(fd, status, kept_from, kept_length, &found);
  struct record record = { .type = (uint32_t)type, .inode = status->st_ino, .offset = offset, .length = length,
                           .old_size = (uint64_t)status->st_size };
  append(&record, path, strlen(path), bytes, found);
  free(bytes);
}

/* Both with the lock held. */
static void note_write(int fd, int has_offset, off64_t offset, size_t length) {
  struct stat status;
  char path[PATH_MAX];
  int kept = errno;
  if (watched_descriptor(fd, &status, path) && S_ISREG(status.st_mode)) {
    off64_t at = offset;
    if (!has_offset) at = (fcntl(fd, F_GETFL) & O_APPEND) ? status.st_size : lseek(fd, 0, SEEK_CUR);
    note_change(WRITE, fd, &status, path, (uint64_t)at, length, (uint64_t)at, length);
  }
  errno = kept;
}

static void note_resize(int fd, uint64_t size) {
  struct stat status;
  char path[PATH_MAX];
  int kept = errno;
  if (watched_descriptor(fd, &status, path) && S_ISREG(status.st_mode) && (uint64_t)status.st_size != size)
    note_change(RESIZE, fd, &status, path, size, size, size, UINT64_MAX - size);
  errno = kept;
}

static void note_names(int type, uint64_t inode, uint64_t parent, uint64_t other_parent, const char *first,
                       const char *second, const char *third) {
  char text[PATHS_MAX];
  int length = snprintf(text, sizeof text, "%s%c%s%c%s", first, 0, second, 0, third);
  struct record record = { .type = (uint32_t)type, .inode = inode, .offset = parent, .length = other_parent };
  append(&record, text, (size_t)length, NULL, 0);
}

/* A second name for a file that is about to lose its own; "" if there is no such file. */
static void keep_file(const char *path, char *kept, uint64_t *inode) {
  struct stat status;
  kept[0] = 0;
  if (lstat(path, &status) != 0) return;
  *inode = status.st_ino;
  if (!S_ISREG(status.st_mode)) return;
  real_mkdirat(AT_FDCWD, stash, 0755);
  do {
    if (snprintf(kept, PATH_MAX, "%s/%d-%u", stash, (int)getpid(), ++stashed) >= PATH_MAX) die("stash path");
  } while (real_linkat(AT_FDCWD, path, AT_FDCWD, kept, 0) != 0 && errno == EEXIST);
}

/* ---- writes ---- */

static size_t total_of(const struct iovec *parts, int count) {
  size_t total = 0;
  for (int at = 0; at < count; at++) total += parts[at].iov_len;
  return total;
}

/* Anything but a file of ours goes its way without the lock: a socket's write may take long. */
static int is_file(int fd) {
  struct stat status;
  int kept = errno;
  int result = journal >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  errno = kept;
  return result;
}

#define NOTED(note, call)                \
  ready();                               \
  if (!is_file(fd)) return call;         \
  pthread_mutex_lock(&lock);             \
  note;                                  \
  __auto_type result = call;             \
  pthread_mutex_unlock(&lock);           \
  return result;

ssize_t write(int fd, const void *bytes, size_t length) {
  NOTED(note_write(fd, 0, 0, length), real_write(fd, bytes, length))
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  NOTED(note_write(fd, 1, offset, length), real_pwrite64(fd, bytes, length, offset))
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
  NOTED(note_write(fd, 0, 0, total_of(parts, count)), real_writev(fd, parts, count))
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  NOTED(note_write(fd, 1, offset, total_of(parts, count)), real_pwritev64(fd, parts, count, offset))
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return pwritev64(fd, parts, count, offset);
}
int ftruncate64(int fd, off64_t size) { NOTED(note_resize(fd, (uint64_t)size), real_ftruncate64(fd, size)) }
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static void note_allocation(int fd, int mode, off64_t offset, off64_t length) {
  struct stat status;
  if (mode == 0) {
    if (fstat(fd, &status) == 0 && status.st_size < offset + length) note_resize(fd, (uint64_t)(offset + length));
  } else if (mode & ~FALLOC_FL_KEEP_SIZE) {
    note_write(fd, 1, offset, (size_t)length);
  }
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  NOTED(note_allocation(fd, mode, offset, length), real_fallocate64(fd, mode, offset, length))
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }
int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  return fallocate64(fd, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

/* ---- syncs ---- */

static int sync_file(int fd, int (*real)(int)) {
  ready();
  struct stat status, journal_status;
  char path[PATH_MAX];
  int kept = errno;
  if (!watched_descriptor(fd, &status, path)) {
    errno = kept;
    return real(fd);
  }
  if (no_sync) return 0;
  pthread_mutex_lock(&lock);
  if (fstat(journal, &journal_status) != 0) die("no journal");
  pthread_mutex_unlock(&lock);
  errno = kept;
  int result = real(fd);
  if (result != 0) return result;
  struct record record = { .type = SYNC, .inode = status.st_ino, .offset = (uint64_t)journal_status.st_size };
  pthread_mutex_lock(&lock);
  append(&record, "", 0, NULL, 0);
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) { return sync_file(fd, real_fsync); }
int fdatasync(int fd) { return sync_file(fd, real_fdatasync); }

/* ---- names ---- */

static int open_watched(int at, const char *given, int flags, mode_t mode) {
  char path[PATH_MAX];
  ready();
  if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !watched_path(at, given, path))
    return real_openat(at, given, flags, mode);
  pthread_mutex_lock(&lock);
  struct stat status;
  int kept = errno;
  int existed = stat(path, &status) == 0;
  errno = kept;
  /* What O_TRUNC cuts is cut after it was noted. */
  int fd = real_openat(at, given, flags & ~O_TRUNC, mode);
  if (fd >= 0 && !existed) {
    if (fstat(fd, &status) != 0) die("no file behind a descriptor");
    note_names(CREATE, status.st_ino, parent_inode(path), 0, path, "", "");
  } else if (fd >= 0 && (flags & O_TRUNC)) {
    note_resize(fd, 0);
    if (real_ftruncate64(fd, 0) != 0) die("can't truncate");
  }
  pthread_mutex_unlock(&lock);
  return fd;
}

#define WITH_MODE                                     \
  mode_t mode = 0;                                    \
  if (flags & (O_CREAT | O_TMPFILE)) {                \
    va_list more;                                     \
    va_start(more, flags);                            \
    mode = (mode_t)va_arg(more, int);                 \
    va_end(more);                                     \
  }

int open(const char *path, int flags, ...) { WITH_MODE return open_watched(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { WITH_MODE return open_watched(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { WITH_MODE return open_watched(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { WITH_MODE return open_watched(at, path, flags, mode); }
int __open_2(const char *path, int flags) { return open_watched(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_watched(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_watched(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int renameat(int from_at, const char *from, int to_at, const char *to) {
  char source[PATH_MAX], target[PATH_MAX], kept[PATH_MAX];
  ready();
  if (!watched_path(from_at, from, source) || !watched_path(to_at, to, target))
    return real_renameat(from_at, from, to_at, to);
  pthread_mutex_lock(&lock);
  uint64_t replaced = 0;
  keep_file(target, kept, &replaced);
  struct stat status;
  uint64_t inode = lstat(source, &status) == 0 ? status.st_ino : 0;
  int result = real_renameat(from_at, from, to_at, to);
  int why = errno;
  if (result == 0) note_names(RENAME, inode, parent_inode(target), parent_inode(source), source, target, kept);
  else if (kept[0] != 0) real_unlinkat(AT_FDCWD, kept, 0);
  pthread_mutex_unlock(&lock);
  errno = why;
  return result;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
  if (flags == 0) return renameat(from_at, from, to_at, to);
  errno = EINVAL;
  return -1;
}

int unlinkat(int at, const char *given, int flags) {
  char path[PATH_MAX], kept[PATH_MAX];
  ready();
  if (!watched_path(at, given, path)) return real_unlinkat(at, given, flags);
  pthread_mutex_lock(&lock);
  uint64_t inode = 0;
  keep_file(path, kept, &inode);
  int result = real_unlinkat(at, given, flags);
  int why = errno;
  if (result == 0) note_names(REMOVE, inode, parent_inode(path), 0, path, kept, "");
  else if (kept[0] != 0) real_unlinkat(AT_FDCWD, kept, 0);
  pthread_mutex_unlock(&lock);
  errno = why;
  return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
  struct stat status;
  if (lstat(path, &status) != 0) return -1;
  return unlinkat(AT_FDCWD, path, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
  char path[PATH_MAX];
  ready();
  if (!watched_path(to_at, to, path)) return real_linkat(from_at, from, to_at, to, flags);
  pthread_mutex_lock(&lock);
  int result = real_linkat(from_at, from, to_at, to, flags);
  struct stat status;
  if (result == 0 && lstat(path, &status) == 0) note_names(CREATE, status.st_ino, parent_inode(path), 0, path, "", "");
  pthread_mutex_unlock(&lock);
  return result;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int mkdirat(int at, const char *given, mode_t mode) {
  char path[PATH_MAX];
  ready();
  if (!watched_path(at, given, path)) return real_mkdirat(at, given, mode);
  pthread_mutex_lock(&lock);
  int result = real_mkdirat(at, given, mode);
  struct stat status;
  if (result == 0 && lstat(path, &status) == 0)
    note_names(MAKE_DIRECTORY, status.st_ino, parent_inode(path), 0, path, "", "");
  pthread_mutex_unlock(&lock);
  return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
