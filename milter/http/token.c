/* SPDX-License-Identifier: BSD-2-Clause */
#include "token.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/readfile.h"
#include "lib/conf/conf.h"
#include "milter/stage/ring.h"

#define SECRET_OCTETS 32
#define LINE_SIZE (2 * SECRET_OCTETS + 2) /* hex, LF, NUL */
#define MAC_OCTETS 32                     /* SHA-256 */

/* -- the file -- */

void
token_path(const struct conf *c, struct buf *path_r)
{
	const char *given = conf_str(c, "HttpToken");

	if (given != NULL)
		buf_str(path_r, given);
	else
		ring_state_path(c, "http-token", path_r);
}

static void
hex(const unsigned char *octets, size_t n, char *text)
{
	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", octets[i]);
}

static int
fail(const char *path, struct errmsg *msg_r)
{
	int saved = errno;

	errmsg_set(msg_r, "%s: %s", path, strerror(saved));
	errno = saved;
	return ERR_SYSTEM;
}

/* Write a new secret into a file that did not exist. */
static int
write_new(const char *path, uid_t owner, gid_t group)
{
	unsigned char secret[SECRET_OCTETS];
	char line[LINE_SIZE];
	int fd, rc = -1, saved;

	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return -1;
	hex(secret, sizeof(secret), line);
	strcpy(line + LINE_SIZE - 2, "\n");
	fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (write(fd, line, LINE_SIZE - 1) == LINE_SIZE - 1 &&
	    fchmod(fd, 0600) == 0 &&
	    (owner == (uid_t)-1 || fchown(fd, owner, group) == 0) &&
	    fsync(fd) == 0)
		rc = 0;
	saved = errno;
	close(fd);
	if (rc != 0)
		unlink(path);
	OPENSSL_cleanse(secret, sizeof(secret));
	OPENSSL_cleanse(line, sizeof(line));
	errno = saved;
	return rc;
}

/* A name beside it that nobody else has. */
static char *
new_name(const char *path)
{
	char *name = NULL;

	return asprintf(&name, "%s.new-%ld", path, (long)getpid()) < 0 ? NULL
								       : name;
}

/* `put` gives the new file its name. */
static int
place(const char *path, uid_t owner, gid_t group,
    int (*put)(const char *from, const char *to), struct errmsg *msg_r)
{
	char *name = new_name(path);
	int rc = 0;

	if (name == NULL)
		return errmsg_set(msg_r, "%s: no memory", path), ERR_NOMEM;
	unlink(name);
	if (write_new(name, owner, group) != 0 || put(name, path) != 0)
		rc = fail(path, msg_r);
	unlink(name);
	free(name);
	return rc;
}

int
token_make(const char *path, struct errmsg *msg_r)
{
	struct stat st;
	int rc;

	if (lstat(path, &st) == 0)
		return 0;
	/* link(2) never replaces what another process has put there. */
	rc = place(path, (uid_t)-1, (gid_t)-1, link, msg_r);
	return rc == ERR_SYSTEM && errno == EEXIST ? 0 : rc;
}

int
token_renew(const char *path, uid_t owner, gid_t group, struct errmsg *msg_r)
{
	return place(path, owner, group, rename, msg_r);
}

/* -- reading -- */

/* The first line of the file, without blanks at its ends.  All of it can be sent
 * in a header, and printed. */
static int
take_line(struct token *t, const char *path, const char *text, size_t len,
    struct errmsg *msg_r)
{
	size_t n = 0, line;

	while (n < len && text[n] >= ' ' && text[n] <= '~')
		n++;
	line = n;
	while (n > 0 && text[n - 1] == ' ')
		n--;
	if (n < TOKEN_MIN || n > TOKEN_MAX ||
	    (line < len && text[line] != '\r' && text[line] != '\n')) {
		errmsg_set(msg_r,
		    "%s: expected a line of %d to %d characters of ASCII; "
		    "remove the file, and a start makes it anew",
		    path, TOKEN_MIN, TOKEN_MAX);
		return ERR_CONFIG;
	}
	memcpy(t->text, text, n);
	t->text[n] = '\0';
	return 0;
}

static int
read_file(
    struct token *t, int fd, const struct stat *st, const char *path,
    struct errmsg *msg_r)
{
	char *text;
	size_t len;
	int rc;

	if ((st->st_mode & 077) != 0) {
		errmsg_set(msg_r,
		    "%s: mode %04o lets others read or write the token: "
		    "expected 0600",
		    path, (unsigned)st->st_mode & 07777);
		return ERR_CONFIG;
	}
	rc = readfile_rest(fd, path, TOKEN_MAX + 2, &text, &len, msg_r);
	if (rc != 0)
		return rc;
	rc = take_line(t, path, text, len, msg_r);
	OPENSSL_cleanse(text, len);
	free(text);
	return rc;
}

int
token_read(struct token *t, const char *path, struct errmsg *msg_r)
{
	struct stat st;
	int fd, rc;

	if (t->text[0] != '\0' && stat(path, &st) == 0 &&
	    st.st_dev == t->dev && st.st_ino == t->ino &&
	    st.st_ctim.tv_sec == t->changed.tv_sec &&
	    st.st_ctim.tv_nsec == t->changed.tv_nsec)
		return 0;
	OPENSSL_cleanse(t, sizeof(*t));
	fd = readfile_open(path, &st, msg_r);
	if (fd < 0)
		return fd;
	rc = read_file(t, fd, &st, path, msg_r);
	close(fd);
	if (rc != 0)
		return rc;
	t->dev = st.st_dev;
	t->ino = st.st_ino;
	t->changed = st.st_ctim;
	return 0;
}

/* -- comparing -- */

/* As texts of one length, so that the time tells nothing of the token. */
static bool
same(const char *a, const char *b)
{
	unsigned char x[MAC_OCTETS], y[MAC_OCTETS];

	return EVP_Digest(a, strlen(a), x, NULL, EVP_sha256(), NULL) == 1 &&
	    EVP_Digest(b, strlen(b), y, NULL, EVP_sha256(), NULL) == 1 &&
	    CRYPTO_memcmp(x, y, sizeof(x)) == 0;
}

bool
token_is(const struct token *t, const char *text)
{
	return text != NULL && t->text[0] != '\0' && same(t->text, text);
}

/* -- the cookie -- */

static bool
make_cookie(const struct token *t, long long expires,
    char cookie_r[TOKEN_COOKIE_SIZE])
{
	static const char purpose[] = "postern page ";
	unsigned char mac[MAC_OCTETS];
	char text[64];
	int n = snprintf(text, sizeof(text), "%s%lld", purpose, expires);

	if (HMAC(EVP_sha256(), t->text, (int)strlen(t->text),
		(unsigned char *)text, (size_t)n, mac, NULL) == NULL)
		return false;
	n = snprintf(cookie_r, TOKEN_COOKIE_SIZE, "%lld-", expires);
	hex(mac, sizeof(mac), cookie_r + n);
	return true;
}

void
token_cookie(
    const struct token *t, time_t now, char cookie_r[TOKEN_COOKIE_SIZE])
{
	if (t->text[0] == '\0' ||
	    !make_cookie(t, (long long)now + TOKEN_COOKIE_S, cookie_r))
		cookie_r[0] = '\0';
}

bool
token_cookie_ok(const struct token *t, time_t now, const char *cookie)
{
	char expected[TOKEN_COOKIE_SIZE];
	long long expires;
	char *end;

	if (cookie == NULL || t->text[0] == '\0' ||
	    !isdigit((unsigned char)cookie[0]))
		return false;
	errno = 0;
	expires = strtoll(cookie, &end, 10);
	return errno == 0 && *end == '-' && expires > (long long)now &&
	    expires <= (long long)now + TOKEN_COOKIE_S &&
	    make_cookie(t, expires, expected) && same(expected, cookie);
}
