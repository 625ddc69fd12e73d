/* SPDX-License-Identifier: BSD-2-Clause */
#include "runfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "holder.h"
#include "lib/base/buf.h"
#include "lib/base/cure.h"
#include "lib/base/err.h"

struct runfile {
	bool ours;
	int dir; /* its directory, opened before any chroot */
	int fd;  /* open for writing; -1: no */
	char name[NAME_MAX + 1];
	dev_t dev;
	ino_t ino;
};

static struct runfile pid_file, socket_file;

/* Open the directory and remember the last part of the path. */
static int
locate(struct runfile *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	char dir[PATH_MAX];

	if (name[0] == '\0' || strlen(name) > NAME_MAX ||
	    strlen(path) >= sizeof(dir)) {
		errno = EINVAL;
		return -1;
	}
	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", (int)(name - path), path);
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->fd = -1;
	f->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return f->dir;
}

static void
note(struct runfile *f)
{
	struct stat st;

	if (fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->ours = true;
}

/*
 * Does a process hold the pid file?  The daemon holds a write lock on it, which
 * ends with the process.  Only write locks are tested, because anybody who can
 * read the file can hold a read lock.
 */
static bool
is_locked(int fd)
{
	struct flock lock = {
	    .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* Lock the open file description, so that our children hold the lock as well.
 * False: another process was faster.  If the file system has no locks, go on
 * without. */
static bool
take_lock(int fd)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock) == 0 || !is_locked(fd);
}

static long
number_in(int fd)
{
	char text[32] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? atol(text) : 0;
}

/* Is it empty or a number, so that nothing is lost if it is overwritten? */
static bool
is_pid_file(int fd)
{
	char text[32];
	ssize_t len = pread(fd, text, sizeof(text), 0);

	for (ssize_t i = 0; i < len; i++) {
		if (strchr("0123456789 \n", text[i]) == NULL || text[i] == '\0')
			return false;
	}
	return len >= 0 && len < (ssize_t)sizeof(text);
}

bool
runfiles_may_replace(const struct stat *dir, const struct stat *st)
{
	return geteuid() == 0 || (dir->st_mode & S_ISVTX) == 0 ||
	    dir->st_uid == geteuid() || st->st_uid == geteuid();
}

/* Is it an old file that we can neither write nor remove? */
static bool
is_stuck(const struct runfile *f, int fd, const struct stat *st)
{
	struct stat dir;

	return cure_is_fixed(fd) || (fstat(f->dir, &dir) == 0 &&
	    !runfiles_may_replace(&dir, st));
}

/* Check what has the name.  0: nothing, or a pid file that no process holds.
 * EBUSY: a process holds it, *pid_r.  ENOTEMPTY: another file was named by
 * mistake.  EPERM: it can't be taken over. */
static int
look(const struct runfile *f, long *pid_r)
{
	struct stat st;
	int fd, rc = 0;

	if (fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -1;
	fd = S_ISREG(st.st_mode) ? openat(f->dir, f->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	if (fd >= 0 && is_locked(fd)) {
		*pid_r = number_in(fd);
		rc = EBUSY;
	} else if (fd >= 0 && !is_pid_file(fd)) {
		rc = ENOTEMPTY;
	} else if (is_stuck(f, fd, &st)) {
		rc = EPERM;
	}
	if (fd >= 0)
		close(fd);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

/* Use an old pid file of ours again: because it is not replaced, two processes
 * can't each have one. */
static bool
take_over(struct runfile *f)
{
	struct stat st, named;
	int fd = openat(f->dir, f->name,
	    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_uid == geteuid() && st.st_nlink == 1 &&
	    (st.st_mode & 022) == 0 && take_lock(fd) &&
	    fstatat(f->dir, f->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == named.st_dev && st.st_ino == named.st_ino &&
	    ftruncate(fd, 0) == 0) {
		f->fd = fd;
		return true;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

/* The directory may belong to an attacker: no file of another user is written
 * to, and only a plain file is replaced. */
static int
create(struct runfile *f, long *pid_r)
{
	if (look(f, pid_r) != 0)
		return -1;
	if (take_over(f))
		return f->fd;
	if (look(f, pid_r) != 0 ||
	    (unlinkat(f->dir, f->name, 0) != 0 && errno != ENOENT))
		return -1;
	f->fd = openat(f->dir, f->name,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (f->fd < 0 || take_lock(f->fd))
		return f->fd;
	*pid_r = number_in(f->fd);
	close(f->fd);
	f->fd = -1;
	errno = EBUSY;
	return -1;
}

static int
pid_mistake(const char *path, uid_t uid, long pid, struct errmsg *msg_r)
{
	int error = errno;
	bool closed = error == ENOENT || error == EACCES || error == EPERM;
	struct buf cure = BUF_INIT;

	if (error == EBUSY) {
		errmsg_set(msg_r,
		    "PidFile: %s: process %ld has it, and runs: stop that one "
		    "first, or give this one a PidFile of its own",
		    path, pid);
		return EX_UNAVAILABLE;
	}
	if (error == ENOTEMPTY) {
		errmsg_set(msg_r,
		    "PidFile: %s: holds something else than a process id, "
		    "which would be lost: name another file",
		    path);
		return EX_CANTCREAT;
	}
	if (closed && (error != EPERM || !cure_fixed(&cure, path))) {
		buf_str(&cure, CURE_WORDS);
		cure_state(&cure, path, uid, getegid());
	}
	errmsg_set(msg_r, "PidFile: %s: %s%s", path,
	    error == EEXIST ? "is not a plain file" : strerror(error),
	    closed ? ""
		   : "; name a file in a directory that is there and that may "
		     "be written to");
	if (closed)
		errmsg_cure(msg_r, "; ",
		    buf_text(&cure) != NULL ? buf_text(&cure) : CURE_WORDS);
	buf_fini(&cure);
	return EX_CANTCREAT;
}

/* Could a number be written there?  Tested with a file without a name; if the
 * file system has none, the start will show it. */
static bool
has_room(int dir)
{
	int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	bool room;

	if (fd < 0)
		return errno == EOPNOTSUPP || errno == EISDIR ||
		    errno == ENOENT;
	room = write(fd, "4194304\n", 8) == 8;
	close(fd);
	return room;
}

/* As look, but what holder_passes allows is no mistake. */
static int
look_for(const struct holder_for *f, const struct runfile *file,
    const char *path, long *pid_r, struct errmsg *msg_r)
{
	int rc, error, steps = 0;

	do {
		rc = look(file, pid_r);
		error = errno;
	} while (rc != 0 && error == EBUSY && holder_ends(f, *pid_r, &steps));
	if (rc != 0 && error == EBUSY &&
	    holder_passes(f, *pid_r, "PidFile", path, msg_r))
		return 0;
	errno = error;
	return rc;
}

int
runfiles_check(const char *path, uid_t uid, const struct holder_for *f,
    struct errmsg *msg_r)
{
	struct runfile file;
	long pid = 0;
	int rc = EX_OK;

	if (locate(&file, path) < 0)
		return pid_mistake(path, uid, 0, msg_r);
	if (faccessat(file.dir, ".", W_OK | X_OK, AT_EACCESS) != 0 ||
	    look_for(f, &file, path, &pid, msg_r) != 0 || !has_room(file.dir))
		rc = pid_mistake(path, uid, pid, msg_r);
	close(file.dir);
	return rc;
}

int
runfiles_pid(const char *path, uid_t uid, struct errmsg *msg_r)
{
	long pid = 0;

	if (locate(&pid_file, path) < 0 || create(&pid_file, &pid) < 0)
		return pid_mistake(path, uid, pid, msg_r);
	if (dprintf(pid_file.fd, "%ld\n", (long)getpid()) < 0) {
		int rc = pid_mistake(path, uid, pid, msg_r);

		unlinkat(pid_file.dir, pid_file.name, 0);
		return rc;
	}
	note(&pid_file);
	return EX_OK;
}

void
runfiles_socket(const char *path)
{
	if (locate(&socket_file, path) >= 0)
		note(&socket_file);
}

static void
remove_one(struct runfile *f)
{
	struct stat st;

	if (!f->ours ||
	    fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    st.st_dev != f->dev || st.st_ino != f->ino)
		return;
	if (unlinkat(f->dir, f->name, 0) == 0)
		return;
	/* An old number could get another process killed, so the file is
	 * emptied. */
	if (f->fd >= 0 && ftruncate(f->fd, 0) != 0)
		return;
}

void
runfiles_remove(void)
{
	remove_one(&pid_file);
	remove_one(&socket_file);
	runfiles_forget();
}

void
runfiles_forget(void)
{
	pid_file.ours = socket_file.ours = false;
}
