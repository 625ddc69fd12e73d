/* SPDX-License-Identifier: BSD-2-Clause */
#include "runfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/err.h"

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

/* The directory may belong to somebody who means ill: nothing that is there
 * is written to, and only a plain file is replaced. */
static int
create(struct runfile *f)
{
	struct stat st;

	if (fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISREG(st.st_mode)) {
			errno = EEXIST;
			return -1;
		}
		if (unlinkat(f->dir, f->name, 0) != 0)
			return -1;
	}
	f->fd = openat(f->dir, f->name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return f->fd;
}

static int
pid_mistake(const char *path, struct errmsg *msg_r)
{
	errmsg_set(msg_r,
	    "PidFile: %s: %s; name a file in a directory that is there "
	    "and that may be written to",
	    path, errno == EEXIST ? "is not a plain file" : strerror(errno));
	return EX_CANTCREAT;
}

int
runfiles_check(const char *path, struct errmsg *msg_r)
{
	struct runfile f;
	int rc = EX_OK;

	if (locate(&f, path) < 0)
		return pid_mistake(path, msg_r);
	if (faccessat(f.dir, ".", W_OK | X_OK, AT_EACCESS) != 0)
		rc = pid_mistake(path, msg_r);
	close(f.dir);
	return rc;
}

int
runfiles_pid(const char *path, struct errmsg *msg_r)
{
	if (locate(&pid_file, path) < 0 || create(&pid_file) < 0 ||
	    dprintf(pid_file.fd, "%ld\n", (long)getpid()) < 0)
		return pid_mistake(path, msg_r);
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
	/* A stale number could get another process killed; none can't. */
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
