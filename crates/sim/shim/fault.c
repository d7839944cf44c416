/*
 * Counts the calls by which a process changes files, and lets the Nth of them go wrong. For tests only.
 *
 * Preloaded into a dynamically linked program. One counter for the whole process, over every call below, whatever
 * thread or library makes it; only calls on files under one folder count. Settings, read once:
 *
 *   OUTRIGGER_FAULT_PREFIX   the folder, an absolute path
 *   OUTRIGGER_FAULT_TRACE    a file that gets one line for each counted call: number, name, path
 *   OUTRIGGER_FAULT_AT       the number of the call that goes wrong, from 1; absent: none does
 *   OUTRIGGER_FAULT_KIND     crash: killed before the call. torn: killed after half of a write.
 *                            eio, enospc: the call fails. short: half of a write is done, and said so
 *   OUTRIGGER_FAULT_LASTING  once, or on: that call and all that follow
 *   OUTRIGGER_FAULT_SYNCS    ignored: a sync says that it is done and does nothing
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { NONE, CRASH, TORN, FAIL, SHORT };
/* What becomes of one call; FAILED has set errno. */
enum fate { PASSES, FAILED, HALVED };

static atomic_long calls;
static const char *prefix;
static size_t prefix_length;
static int trace = -1;
static long at;
static int lasts;
static int ignores_syncs;
static enum kind kind;
static int error;

__attribute__((constructor)) static void start(void)
{
    const char *name = getenv("OUTRIGGER_FAULT_TRACE");
    const char *what = getenv("OUTRIGGER_FAULT_KIND");
    const char *lasting = getenv("OUTRIGGER_FAULT_LASTING");
    const char *number = getenv("OUTRIGGER_FAULT_AT");
    const char *syncs = getenv("OUTRIGGER_FAULT_SYNCS");

    prefix = getenv("OUTRIGGER_FAULT_PREFIX");
    prefix_length = prefix ? strlen(prefix) : 0;
    if (name)
        trace = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    at = number ? atol(number) : 0;
    ignores_syncs = syncs && strcmp(syncs, "ignored") == 0;
    lasts = lasting && strcmp(lasting, "on") == 0;
    if (!what)
        kind = NONE;
    else if (strcmp(what, "crash") == 0)
        kind = CRASH;
    else if (strcmp(what, "torn") == 0)
        kind = TORN;
    else if (strcmp(what, "short") == 0)
        kind = SHORT;
    else {
        kind = FAIL;
        error = strcmp(what, "enospc") == 0 ? ENOSPC : EIO;
    }
}

static void die(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
}

static void note(long number, const char *name, const char *path)
{
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, name, path);

    if (trace >= 0 && length > 0 && syscall(SYS_write, trace, line, (size_t)length) != length)
        die(); /* a test without its trace would say nothing true */
}

static int counts(const char *path)
{
    return prefix_length > 0 && strncmp(path, prefix, prefix_length) == 0;
}

static enum fate fate(const char *name, const char *path)
{
    long number;

    if (!counts(path))
        return PASSES;
    number = atomic_fetch_add(&calls, 1) + 1;
    note(number, name, path);
    if (at == 0 || number < at || (number > at && !lasts))
        return PASSES;
    switch (kind) {
    case CRASH:
        die();
        return PASSES;
    case FAIL:
        errno = error;
        return FAILED;
    case TORN:
    case SHORT:
        return HALVED;
    case NONE:
        break;
    }
    return PASSES;
}

static enum fate fate_of_file(const char *name, int file)
{
    char link[64], path[PATH_MAX];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return PASSES;
    path[length] = 0;
    return fate(name, path);
}

static enum fate fate_of_path(const char *name, int folder, const char *path)
{
    char link[64], whole[2 * PATH_MAX];
    ssize_t length;

    if (!path)
        return PASSES;
    if (path[0] == '/')
        return fate(name, path);
    if (folder == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    length = readlink(link, whole, PATH_MAX - 1);
    if (length < 0)
        return PASSES;
    snprintf(whole + length, sizeof whole - (size_t)length, "/%s", path);
    return fate(name, whole);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* A call that fails as a whole or passes as a whole; half of it is nothing. */
#define WHOLE(result, failure, name, parameters, arguments, its_fate) \
    result name parameters \
    { \
        REAL(name); \
        if ((its_fate) == FAILED) \
            return failure; \
        return real arguments; \
    }

#define ON_FILE(name, parameters, arguments) \
    WHOLE(int, -1, name, parameters, arguments, fate_of_file(#name, file))

#define ON_PATH(name, parameters, arguments) \
    WHOLE(int, -1, name, parameters, arguments, fate_of_path(#name, folder, path))

#define ON_PATH_HERE(name, parameters, arguments) \
    WHOLE(int, -1, name, parameters, arguments, fate_of_path(#name, AT_FDCWD, path))

/* A sync that is ignored is a call all the same, and counts. */
#define SYNC(name) \
    int name(int file) \
    { \
        REAL(name); \
        if (fate_of_file(#name, file) == FAILED) \
            return -1; \
        return ignores_syncs ? 0 : real(file); \
    }

SYNC(fsync)
SYNC(fdatasync)
ON_FILE(ftruncate, (int file, off_t length), (file, length))
ON_FILE(ftruncate64, (int file, off64_t length), (file, length))
ON_FILE(fallocate, (int file, int mode, off_t offset, off_t length), (file, mode, offset, length))
ON_FILE(fallocate64, (int file, int mode, off64_t offset, off64_t length), (file, mode, offset, length))
WHOLE(int, errno, posix_fallocate, (int file, off_t offset, off_t length), (file, offset, length),
      fate_of_file("posix_fallocate", file))
WHOLE(int, errno, posix_fallocate64, (int file, off64_t offset, off64_t length), (file, offset, length),
      fate_of_file("posix_fallocate64", file))

ON_PATH_HERE(unlink, (const char *path), (path))
ON_PATH(unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
ON_PATH_HERE(rmdir, (const char *path), (path))
ON_PATH_HERE(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
ON_PATH_HERE(rename, (const char *path, const char *to), (path, to))
ON_PATH(renameat, (int folder, const char *path, int to_folder, const char *to), (folder, path, to_folder, to))
ON_PATH(renameat2, (int folder, const char *path, int to_folder, const char *to, unsigned flags),
        (folder, path, to_folder, to, flags))
ON_PATH_HERE(link, (const char *path, const char *to), (path, to))
ON_PATH(linkat, (int folder, const char *path, int to_folder, const char *to, int flags),
        (folder, path, to_folder, to, flags))
ON_PATH_HERE(truncate, (const char *path, off_t length), (path, length))
ON_PATH_HERE(truncate64, (const char *path, off64_t length), (path, length))

/* Opening counts where it makes or empties a file. */
static int changes(int flags)
{
    return (flags & (O_CREAT | O_TRUNC)) != 0;
}

#define OPEN(name, parameters, folder, arguments) \
    int name parameters \
    { \
        mode_t mode = 0; \
        REAL(name); \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        if (changes(flags) && fate_of_path(#name, folder, path) == FAILED) \
            return -1; \
        return real arguments; \
    }

OPEN(open, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPEN(openat, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))
OPEN(openat64, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))
ON_PATH_HERE(creat, (const char *path, mode_t mode), (path, mode))
ON_PATH_HERE(creat64, (const char *path, mode_t mode), (path, mode))

/* Ends a write of which half is done: a torn one is the last thing this process does. */
static ssize_t half(ssize_t done)
{
    if (kind == TORN)
        die();
    return done;
}

/* A single byte has no half. */
static size_t half_of(size_t length)
{
    return length > 1 ? length / 2 : length;
}

#define WRITE(name, parameters, whole, halved) \
    ssize_t name parameters \
    { \
        REAL(name); \
        switch (fate_of_file(#name, file)) { \
        case FAILED: \
            return -1; \
        case HALVED: \
            return half(real halved); \
        case PASSES: \
            break; \
        } \
        return real whole; \
    }

WRITE(write, (int file, const void *bytes, size_t length), (file, bytes, length), (file, bytes, half_of(length)))
WRITE(pwrite, (int file, const void *bytes, size_t length, off_t offset), (file, bytes, length, offset),
      (file, bytes, half_of(length), offset))
WRITE(pwrite64, (int file, const void *bytes, size_t length, off64_t offset), (file, bytes, length, offset),
      (file, bytes, half_of(length), offset))

/* The first part alone, half of it where there is no other: some of the write, not all. */
static struct iovec some(const struct iovec *parts, int count)
{
    struct iovec first = {0};

    if (count > 0)
        first = parts[0];
    if (count == 1)
        first.iov_len = half_of(first.iov_len);
    return first;
}

#define WRITE_PARTS(name, parameters, whole, halved) \
    ssize_t name parameters \
    { \
        struct iovec first; \
        REAL(name); \
        switch (fate_of_file(#name, file)) { \
        case FAILED: \
            return -1; \
        case HALVED: \
            first = some(parts, count); \
            return half(real halved); \
        case PASSES: \
            break; \
        } \
        return real whole; \
    }

WRITE_PARTS(writev, (int file, const struct iovec *parts, int count), (file, parts, count), (file, &first, 1))
WRITE_PARTS(pwritev, (int file, const struct iovec *parts, int count, off_t offset), (file, parts, count, offset),
            (file, &first, 1, offset))
WRITE_PARTS(pwritev64, (int file, const struct iovec *parts, int count, off64_t offset), (file, parts, count, offset),
            (file, &first, 1, offset))
WRITE_PARTS(pwritev2, (int file, const struct iovec *parts, int count, off_t offset, int flags),
            (file, parts, count, offset, flags), (file, &first, 1, offset, flags))
WRITE_PARTS(pwritev64v2, (int file, const struct iovec *parts, int count, off64_t offset, int flags),
            (file, parts, count, offset, flags), (file, &first, 1, offset, flags))
