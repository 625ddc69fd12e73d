/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/readfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/err.h"

#define FIRST_SIZE 4096 /* where the file does not say its own */

static int
say_errno(const char *path, struct errmsg *msg_r)
{
	int saved = errno;

	errmsg_set(msg_r, "%s: %s", path, strerror(saved));
	errmsg_of_file(msg_r, path, saved);
	errno = saved;
	return ERR_SYSTEM;
}

static const char *
kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO:
		return "a named pipe";
	case S_IFSOCK:
		return "a socket";
	case S_IFDIR:
		return "a directory";
	default:
		return "a device";
	}
}

/* null(4) by its number: its name may be another inside a chroot. */
static bool
readable(const struct stat *st)
{
	return S_ISREG(st->st_mode) ||
	       (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3));
}

static int
not_a_file(const char *path, mode_t mode, struct errmsg *msg_r)
{
	return errmsg_set(
	    msg_r, "%s: expected a regular file, not %s", path, kind(mode));
}

int
readfile_open(const char *path, struct stat *st_r, struct errmsg *msg_r)
{
	struct stat st;
	int fd;

	/* Not opened at all: to open a device may do something. */
	if (stat(path, &st) == 0 && !readable(&st))
		return not_a_file(path, st.st_mode, msg_r);
	/* It may be another by then: not to wait for a pipe's other end. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return say_errno(path, msg_r);
	if (fstat(fd, &st) != 0) {
		int rc = say_errno(path, msg_r);

		close(fd);
		return rc;
	}
	if (!readable(&st)) {
		close(fd);
		return not_a_file(path, st.st_mode, msg_r);
	}
	if (st_r != NULL)
		*st_r = st;
	return fd;
}

int
readfile_check(const char *path, struct errmsg *msg_r)
{
	int fd = readfile_open(path, NULL, msg_r);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Room for more; false: no memory. */
static bool
grow(char **text, size_t *size, size_t max)
{
	size_t want = *size > max / 2 ? max : 2 * *size;
	char *grown = realloc(*text, want + 1);

	if (grown == NULL)
		return false;
	*text = grown;
	*size = want;
	return true;
}

int
readfile_rest(int fd, const char *path, size_t max, char **text_r,
    size_t *len_r, struct errmsg *msg_r)
{
	struct stat st;
	size_t len = 0, size = FIRST_SIZE;
	char *text;
	ssize_t n = 1;

	/* One octet more, to see the end. */
	if (fstat(fd, &st) == 0 && st.st_size >= FIRST_SIZE)
		size = (uintmax_t)st.st_size > max ? max + 1
						   : (size_t)st.st_size + 1;
	if (size > max + 1)
		size = max + 1;
	text = malloc(size + 1);
	while (text != NULL && n != 0 && len <= max) {
		if (len == size && !grow(&text, &size, max + 1))
			break;
		n = read(fd, text + len, size - len);
		if (n < 0 && errno != EINTR) {
			int rc = say_errno(path, msg_r);

			free(text);
			return rc;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	if (text == NULL || (n != 0 && len <= max)) {
		free(text);
		errmsg_set(msg_r, "%s: %s", path, err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	text[len] = '\0';
	*text_r = text;
	*len_r = len;
	return 0;
}

int
readfile_text(const char *path, size_t max, char **text_r, size_t *len_r,
    struct errmsg *msg_r)
{
	int fd = readfile_open(path, NULL, msg_r), rc;

	if (fd < 0)
		return fd;
	rc = readfile_rest(fd, path, max, text_r, len_r, msg_r);
	close(fd);
	return rc;
}
