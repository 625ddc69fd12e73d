/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/cure.h"
#include "lib/base/err.h"
#include "lib/base/users.h"

int
mapfile_fail(struct errmsg *msg, int code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	errmsg_vset(msg, fmt, ap);
	va_end(ap);
	errno = saved;
	return code;
}

int
mapfile_fail_call(struct errmsg *msg, const char *what, const char *path)
{
	mapfile_fail(
	    msg, ERR_SYSTEM, "%s: %s: %s", path, what, strerror(errno));
	errmsg_of_file(msg, path, errno);
	return ERR_SYSTEM;
}

int
mapfile_lock(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
	int rc;

	do {
		rc = fcntl(fd, F_OFD_SETLKW, &lock);
	} while (rc == -1 && errno == EINTR);
	return rc == 0 ? 0 : ERR_SYSTEM;
}

int
mapfile_taken(const char *path, dev_t dev, ino_t ino)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_SYSTEM;
	return st.st_dev == dev && st.st_ino == ino ? 0 : 1;
}

static int
fail_cure(struct errmsg *msg, const char *path, const char *what,
    const struct stat *st)
{
	char owner[USERS_NAME_SIZE];
	struct buf b = BUF_INIT;

	buf_str(&b, CURE_WORDS);
	cure_state(&b, path, geteuid(), getegid());
	mapfile_fail(msg, ERR_CONFIG, "%s: mode %04o of user %s %s", path,
	    (unsigned)st->st_mode & 07777, users_name(st->st_uid, owner), what);
	errmsg_cure(
	    msg, ": ", buf_text(&b) == NULL ? CURE_WORDS : buf_text(&b));
	buf_fini(&b);
	return ERR_CONFIG;
}

int
mapfile_safe(const char *path, const struct stat *st, bool read_only,
    struct errmsg *msg)
{
	if (!S_ISREG(st->st_mode))
		return mapfile_fail(msg, ERR_CONFIG,
		    "%s: not a regular file: name a file that postern makes "
		    "itself",
		    path);
	if (read_only)
		return 0;
	if ((st->st_mode & 022) != 0)
		return fail_cure(msg, path, "lets others write", st);
	if (st->st_uid != geteuid() && st->st_uid != 0 && geteuid() != 0)
		return fail_cure(msg, path, "is not for us alone", st);
	return 0;
}

int
mapfile_build(
    const char *new_path, int *fd_r, struct stat *st, struct errmsg *msg)
{
	for (;;) {
		int rc, fd = open(new_path,
			    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
				O_NONBLOCK,
			    0600);

		if (fd < 0)
			return mapfile_fail_call(msg, "create", new_path);
		rc = fstat(fd, st) == 0
		    ? mapfile_safe(new_path, st, false, msg)
		    : mapfile_fail_call(msg, "fstat", new_path);
		if (rc == 0 && mapfile_lock(fd, F_WRLCK) != 0)
			rc = mapfile_fail_call(msg, "lock", new_path);
		if (rc == 0 &&
		    mapfile_taken(new_path, st->st_dev, st->st_ino) == 0) {
			*fd_r = fd;
			return 0;
		}
		close(fd);
		if (rc != 0)
			return rc;
	}
}

static const char *
parent_of(const char *path, char *dir, size_t size)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(dir, size, ".");
	else
		snprintf(dir, size, "%.*s",
		    slash == path ? 1 : (int)(slash - path), path);
	return dir;
}

int
mapfile_try(const char *new_path, struct errmsg *msg)
{
	int fd = open(new_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char dir[4096];
	struct stat st;
	int rc;

	if (fd >= 0) {
		rc = fstat(fd, &st) == 0
		    ? mapfile_safe(new_path, &st, false, msg)
		    : mapfile_fail_call(msg, "fstat", new_path);
		if (rc == 0)
			return fd;
		close(fd);
		return rc;
	}
	if (errno != ENOENT)
		return mapfile_fail_call(msg, "create", new_path);
	parent_of(new_path, dir, sizeof(dir));
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* Not every file system has files without names. */
	if ((errno == EOPNOTSUPP || errno == EISDIR) &&
	    faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0)
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : mapfile_fail_call(msg, "create", new_path);
}

void
mapfile_unbuild(const char *new_path, int fd)
{
	unlink(new_path);
	close(fd);
}

/* Not posix_fallocate: where the file system can't, glibc reads an octet of
 * every block and writes it back, over what others count there. */
static int
allocate(int fd, int mode, off_t size)
{
	int rc;

	do {
		rc = fallocate(fd, mode, 0, size);
	} while (rc != 0 && errno == EINTR);
	return rc == 0 ? 0 : ERR_SYSTEM;
}

static int
write_zeros(int fd, off_t size)
{
	static const char zeros[65536];
	off_t at = 0;

	while (at < size) {
		size_t left = (size_t)(size - at);
		ssize_t n = pwrite(fd, zeros,
		    left < sizeof(zeros) ? left : sizeof(zeros), at);

		if (n < 0 && errno != EINTR)
			return ERR_SYSTEM;
		at += n > 0 ? n : 0;
	}
	return 0;
}

int
mapfile_allocate(int fd, off_t size)
{
	if (ftruncate(fd, 0) != 0)
		return ERR_SYSTEM;
	if (allocate(fd, 0, size) == 0)
		return 0;
	return errno == EOPNOTSUPP ? write_zeros(fd, size) : ERR_SYSTEM;
}

int
mapfile_keep(int fd, off_t size)
{
	if (allocate(fd, FALLOC_FL_KEEP_SIZE, size) == 0 ||
	    errno == EOPNOTSUPP)
		return 0;
	return ERR_SYSTEM;
}

int
mapfile_try_size(int fd, off_t size)
{
	struct statvfs fs;
	struct rlimit limit;
	struct stat st;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	    (rlim_t)size > limit.rlim_cur) {
		errno = EFBIG;
		return ERR_SYSTEM;
	}
	if (fstat(fd, &st) != 0 || fstatvfs(fd, &fs) != 0)
		return ERR_SYSTEM;
	if (fs.f_blocks != 0 &&
	    (uint64_t)size > (uint64_t)fs.f_bavail * fs.f_frsize +
		    (uint64_t)st.st_blocks * 512) {
		errno = ENOSPC;
		return ERR_SYSTEM;
	}
	/* For whoever has a quota of the disk; in a file without a name this
	 * leaves nothing. */
	if (S_ISREG(st.st_mode) && st.st_nlink == 0 &&
	    allocate(fd, 0, size) != 0 && errno != EOPNOTSUPP)
		return ERR_SYSTEM;
	return 0;
}

bool
mapfile_building(const char *new_path)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	int fd = open(new_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool building;

	if (fd < 0)
		return errno != ENOENT;
	building = fcntl(fd, F_OFD_GETLK, &lock) != 0 ||
	    lock.l_type != F_UNLCK;
	close(fd);
	return building;
}

static void
bad_name(const char *path, time_t now, char *name, size_t size)
{
	struct stat st;
	struct tm tm;
	char when[32];

	memset(&tm, 0, sizeof(tm));
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(name, size, "%s.bad-%s", path, when);
	for (int i = 2; lstat(name, &st) == 0 && i < 10000; i++)
		snprintf(name, size, "%s.bad-%s-%d", path, when, i);
}

int
mapfile_set_aside(const char *path, time_t now, char *name, size_t size)
{
	bad_name(path, now, name, size);
	return link(path, name) == 0 || rename(path, name) == 0 ? 0
								: ERR_SYSTEM;
}
