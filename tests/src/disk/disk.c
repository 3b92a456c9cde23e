/* A disk that can be watched and made to fail, without a line in the daemon and without root: loaded in front of the C
 * library (LD_PRELOAD), it sees every call that changes a file below DISK_ROOT and every answer that leaves by a socket.
 *
 * DISK_LOG      each of them is appended here, in the order in which they happened; one call at a time is let through
 * DISK_CONTROL  a rule: 4 bytes of generation, then "ACTION ERROR NTH OPERATIONS PATTERN", zero-terminated:
 *               "kill-before", "kill-after" or "fail"; the error number to fail with; which match is meant, 0 for all;
 *               letters of the operations below; a pattern for the path, as in a shell
 *
 * It is C because it takes the place of C functions, and the machine that built the daemon has a compiler for it. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 'c', WRITE = 'w', TRUNCATE = 't', SYNC = 's', SYNC_ALL = 'e', FLUSH = 'f', RENAME = 'r', MKDIR = 'm', REMOVE = 'd', SAID = 'a' };

struct entry {
    uint64_t operation, inode, offset, path_bytes, content_bytes;
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;
static char root[PATH_MAX];
static size_t root_bytes;
static volatile uint32_t *control;

static struct {
    uint32_t generation;
    char action[16], operations[16], pattern[PATH_MAX];
    int error;
    unsigned nth, seen;
} rule;

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("DISK_ROOT"), *log = getenv("DISK_LOG"), *rules = getenv("DISK_CONTROL");
    if (!folder || !realpath(folder, root)) return;
    root_bytes = strlen(root);
    if (log) log_file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int file = rules ? (int)syscall(SYS_openat, AT_FDCWD, rules, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
        if (map != MAP_FAILED) control = map;
        close(file);
    }
}

static int is_watched(const char *path) {
    return root_bytes && !strncmp(path, root, root_bytes) && (path[root_bytes] == '/' || !path[root_bytes]);
}

/* Finds the whole path of a name in a folder; false when it is not below the root. */
static int resolve(int folder, const char *name, char *path) {
    if (name[0] == '/' || folder == AT_FDCWD) {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t bytes = readlink(link, path, PATH_MAX - 1);
        if (bytes < 0) return 0;
        path[bytes] = 0;
        snprintf(path + bytes, PATH_MAX - bytes, "/%s", name);
    }
    return is_watched(path);
}

static int path_of(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t bytes = readlink(link, path, PATH_MAX - 1);
    if (bytes < 0) return 0;
    path[bytes] = 0;
    return is_watched(path);
}

static uint64_t inode_of(int file) {
    struct stat about;
    return fstat(file, &about) ? 0 : about.st_ino;
}

static uint64_t inode_at(const char *path) {
    struct stat about;
    return lstat(path, &about) ? 0 : about.st_ino;
}

static void note(int operation, uint64_t inode, uint64_t offset, const char *path, const void *content, size_t bytes) {
    if (log_file < 0) return;
    struct entry entry = { operation, inode, offset, strlen(path), bytes };
    struct iovec parts[] = { { &entry, sizeof entry }, { (void *)path, entry.path_bytes }, { (void *)content, bytes } };
    syscall(SYS_writev, log_file, parts, 3);
}

static void read_rule(void) {
    if (!control) return;
    uint32_t generation = __atomic_load_n(control, __ATOMIC_ACQUIRE);
    if (generation == rule.generation) return;
    memset(&rule, 0, sizeof rule);
    rule.generation = generation;
    sscanf((const char *)(control + 1), "%15s %d %u %15s %4095s", rule.action, &rule.error, &rule.nth, rule.operations, rule.pattern);
}

/* What is to be done about a call that is let through now. */
enum verdict { LET, DIE_AFTER, FAIL };

static enum verdict judge(int operation, const char *path) {
    read_rule();
    if (!rule.action[0] || !strchr(rule.operations, operation) || fnmatch(rule.pattern, path, 0)) return LET;
    rule.seen++;
    if (rule.nth && rule.nth != rule.seen) return LET;
    if (!strcmp(rule.action, "kill-before")) kill(getpid(), SIGKILL);
    if (!strcmp(rule.action, "kill-after")) return DIE_AFTER;
    return FAIL;
}

static long done(enum verdict verdict, long result) {
    int error = errno;
    if (verdict == DIE_AFTER) kill(getpid(), SIGKILL);
    pthread_mutex_unlock(&turn);
    errno = error;
    return result;
}

/* Takes the turn, and returns -1 from the caller where the call is to fail. */
#define TAKE_TURN(operation, path) \
    pthread_mutex_lock(&turn); \
    enum verdict verdict = judge(operation, path); \
    if (verdict == FAIL) return errno = rule.error, done(verdict, -1)

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int changes = flags & (O_CREAT | O_TRUNC);
    if (!changes || !resolve(folder, name, path)) return syscall(SYS_openat, folder, name, flags, mode);
    uint64_t before = inode_at(path);
    int makes = !before && flags & O_CREAT;
    if (!makes && !(before && flags & O_TRUNC)) return syscall(SYS_openat, folder, name, flags, mode);
    TAKE_TURN(makes ? CREATE : TRUNCATE, path);
    int file = syscall(SYS_openat, folder, name, flags, mode);
    if (file >= 0) note(makes ? CREATE : TRUNCATE, inode_of(file), 0, path, NULL, 0);
    return done(verdict, file);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return open_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return open_at(folder, path, flags, mode); }

/* Notes what was said by a socket, in its order among the writes. The kernel takes it before the turn ends. */
static ssize_t say(int file, const struct iovec *parts, int count, int flags) {
    struct msghdr message = { .msg_iov = (struct iovec *)parts, .msg_iovlen = count };
    pthread_mutex_lock(&turn);
    ssize_t sent = syscall(SYS_sendmsg, file, &message, flags);
    if (sent > 0) {
        char *whole = malloc(sent), *end = whole;
        for (int at = 0; at < count && end < whole + sent; at++) {
            size_t left = whole + sent - end, bytes = parts[at].iov_len < left ? parts[at].iov_len : left;
            memcpy(end, parts[at].iov_base, bytes);
            end += bytes;
        }
        note(SAID, inode_of(file), 0, "", whole, sent);
        free(whole);
    }
    return done(LET, sent);
}

static int is_socket(int file) {
    struct stat about;
    return root_bytes && !fstat(file, &about) && S_ISSOCK(about.st_mode);
}

ssize_t send(int file, const void *content, size_t bytes, int flags) {
    struct iovec whole = { (void *)content, bytes };
    return root_bytes ? say(file, &whole, 1, flags) : syscall(SYS_sendto, file, content, bytes, flags, NULL, 0);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    return is_socket(file) ? say(file, parts, count, MSG_NOSIGNAL) : syscall(SYS_writev, file, parts, count);
}

ssize_t write(int file, const void *content, size_t bytes) {
    char path[PATH_MAX];
    struct stat about;
    if (!root_bytes || fstat(file, &about) || !S_ISREG(about.st_mode) || !path_of(file, path)) return syscall(SYS_write, file, content, bytes);
    TAKE_TURN(WRITE, path);
    int appends = fcntl(file, F_GETFL) & O_APPEND;
    uint64_t offset = lseek64(file, 0, appends ? SEEK_END : SEEK_CUR);
    ssize_t written = syscall(SYS_write, file, content, bytes);
    if (written > 0) note(WRITE, about.st_ino, offset, path, content, written);
    return done(verdict, written);
}

ssize_t pwrite64(int file, const void *content, size_t bytes, off64_t offset) {
    char path[PATH_MAX];
    if (!path_of(file, path)) return syscall(SYS_pwrite64, file, content, bytes, offset);
    TAKE_TURN(WRITE, path);
    ssize_t written = syscall(SYS_pwrite64, file, content, bytes, offset);
    if (written > 0) note(WRITE, inode_of(file), offset, path, content, written);
    return done(verdict, written);
}

ssize_t pwrite(int file, const void *content, size_t bytes, off_t offset) { return pwrite64(file, content, bytes, offset); }

int ftruncate64(int file, off64_t bytes) {
    char path[PATH_MAX];
    if (!path_of(file, path)) return syscall(SYS_ftruncate, file, bytes);
    TAKE_TURN(TRUNCATE, path);
    int result = syscall(SYS_ftruncate, file, bytes);
    if (!result) note(TRUNCATE, inode_of(file), bytes, path, NULL, 0);
    return done(verdict, result);
}

int ftruncate(int file, off_t bytes) { return ftruncate64(file, bytes); }

static int sync_by(long call, int operation, int file) {
    char path[PATH_MAX];
    if (!path_of(file, path)) return syscall(call, file);
    TAKE_TURN(operation, path);
    int result = syscall(call, file);
    if (!result) note(operation, inode_of(file), 0, path, NULL, 0);
    return done(verdict, result);
}

int fsync(int file) { return sync_by(SYS_fsync, SYNC, file); }
int fdatasync(int file) { return sync_by(SYS_fdatasync, SYNC, file); }
int syncfs(int file) { return sync_by(SYS_syncfs, SYNC_ALL, file); }

/* Starts writing back and promises nothing: it is noted as what it is, a moment. */
int sync_file_range(int file, off64_t offset, off64_t bytes, unsigned flags) {
    char path[PATH_MAX];
    if (!path_of(file, path)) return syscall(SYS_sync_file_range, file, offset, bytes, flags);
    TAKE_TURN(FLUSH, path);
    int result = syscall(SYS_sync_file_range, file, offset, bytes, flags);
    if (!result) note(FLUSH, inode_of(file), offset, path, NULL, 0);
    return done(verdict, result);
}

int rename(const char *from, const char *to) {
    if (!is_watched(from) || !is_watched(to)) return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    TAKE_TURN(RENAME, to);
    uint64_t inode = inode_at(from);
    int result = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    if (!result) note(RENAME, inode, 0, from, to, strlen(to));
    return done(verdict, result);
}

int mkdir(const char *path, mode_t mode) {
    if (!is_watched(path)) return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    TAKE_TURN(MKDIR, path);
    int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (!result) note(MKDIR, inode_at(path), 0, path, NULL, 0);
    return done(verdict, result);
}

static int remove_at(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!resolve(folder, name, path)) return syscall(SYS_unlinkat, folder, name, flags);
    TAKE_TURN(REMOVE, path);
    uint64_t inode = inode_at(path);
    int result = syscall(SYS_unlinkat, folder, name, flags);
    if (!result) note(REMOVE, inode, 0, path, NULL, 0);
    return done(verdict, result);
}

int unlink(const char *path) { return remove_at(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return remove_at(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char *path, int flags) { return remove_at(folder, path, flags); }
