/*
 * posternctl key: make a key for DKIM, and print what to do with it; or check
 * that the one in use is published.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "key_check.h"
#include "key_token.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/keyfile.h"
#include "lib/conf/conf.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign.h"
#include "milter/privileges.h"
#include "posternctl.h"

#define STRING_MAX 255 /* octets of a string in a TXT record (RFC 1035 3.3) */
#define BITS_DEFAULT 2048

struct own {
	char domain[DKIM_SIGN_DOMAIN_MAX + 1];
	char selector[DKIM_SIGN_DOMAIN_MAX + 1];
	const char *directory;
	enum dkim_key_type type;
	unsigned bits; /* 0: BITS_DEFAULT */
	bool json;
	bool named; /* --selector was given */
	bool renew;
	struct privileges owner; /* .change: the files are given to that user */
	struct dkim_key *key;
	struct buf record;  /* of the TXT record */
	char file[PATH_MAX]; /* of the private key */
	struct key_check check;
};

static int
fail(int code, const char *path, const char *why)
{
	fprintf(stderr, "posternctl: %s: %s\n", path, why);
	return code;
}

/* The same with strerror(errno). */
static int
print_failed(int code, const char *path)
{
	int failed = errno;

	fail(code, path, strerror(failed));
	return failed == EACCES || failed == EPERM ? EX_NOPERM : code;
}

/* Find the owner of the files: UserID, if the configuration names one. */
static int
find_owner(struct own *g, const struct conf *conf)
{
	struct errmsg msg;
	int rc;

	if (conf == NULL)
		return EX_OK;
	rc = privileges_find(conf_str(conf, "UserID"), &g->owner, &msg);
	if (rc != EX_OK)
		fprintf(stderr, "%s\n", msg.text);
	return rc;
}

/* Open the directory of the domain's keys below --directory; it is made if it
 * does not exist.  EX_OK, or another exit code after printing the reason. */
static int
open_directory(const struct own *g, int *fd_r)
{
	int top = open(g->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int made, rc = EX_OK;
	char path[PATH_MAX];

	*fd_r = -1;
	snprintf(path, sizeof(path), "%s/%s", g->directory, g->domain);
	made = top < 0 ? -1 : mkdirat(top, g->domain, 0700);
	if (top < 0 || (made != 0 && errno != EEXIST)) {
		rc = print_failed(EX_CANTCREAT, g->directory);
	} else {
		*fd_r = openat(top, g->domain,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (*fd_r < 0)
			rc = print_failed(EX_CANTCREAT, path);
	}
	if (top >= 0)
		close(top);
	if (rc == EX_OK && made == 0 && g->owner.change &&
	    fchown(*fd_r, g->owner.uid, g->owner.gid) != 0) {
		rc = print_failed(EX_CANTCREAT, path);
		close(*fd_r);
	}
	return rc;
}

static bool
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* Make a new file, whole or not at all. */
static int
create(const struct own *g, int dir, const char *name, mode_t mode,
    const struct buf *b)
{
	int fd = openat(dir, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	char path[PATH_MAX];
	bool ok;

	snprintf(path, sizeof(path), "%s/%s/%s", g->directory, g->domain, name);
	if (fd < 0 && errno == EEXIST)
		return fail(EX_CANTCREAT, path,
		    "exists already, and is left alone; choose another "
		    "selector with --selector");
	if (fd < 0)
		return print_failed(EX_CANTCREAT, path);
	ok = write_all(fd, b->data, b->len) && fchmod(fd, mode) == 0 &&
	    (!g->owner.change ||
		fchown(fd, g->owner.uid, g->owner.gid) == 0) &&
	    fsync(fd) == 0;
	if (!ok) {
		fail(EX_IOERR, path, strerror(errno));
		unlinkat(dir, name, 0);
	}
	close(fd);
	return ok ? EX_OK : EX_IOERR;
}

/* Add the record as in a zone file: in strings of at most 255 octets. */
static void
add_zone(const struct own *g, struct buf *b)
{
	const char *p = g->record.data;
	size_t left = g->record.len;

	buf_printf(b, "%s._domainkey.%s. IN TXT (", g->selector, g->domain);
	while (left > 0) {
		size_t n = left < STRING_MAX ? left : STRING_MAX;

		buf_printf(b, " \"%.*s\"", (int)n, p);
		p += n;
		left -= n;
		if (left > 0)
			buf_str(b, "\n\t");
	}
	buf_str(b, " )\n");
}

static int
write_files(struct own *g)
{
	char name[DKIM_SIGN_DOMAIN_MAX + 16];
	struct buf pem = BUF_INIT, zone = BUF_INIT;
	int dir, rc = open_directory(g, &dir);

	if (rc != EX_OK)
		return rc;
	add_zone(g, &zone);
	snprintf(name, sizeof(name), "%s.private", g->selector);
	if (dkim_key_pem(g->key, &pem) != 0 || buf_text(&zone) == NULL)
		rc = fail(EX_SOFTWARE, name, "the key can't be written");
	else
		rc = create(g, dir, name, 0600, &pem);
	if (rc == EX_OK) {
		snprintf(name, sizeof(name), "%s.txt", g->selector);
		rc = create(g, dir, name, 0644, &zone);
		snprintf(name, sizeof(name), "%s.private", g->selector);
		if (rc != EX_OK)
			unlinkat(dir, name, 0);
	}
	if (rc == EX_OK)
		fsync(dir);
	close(dir);
	dkim_key_wipe(&pem);
	buf_fini(&zone);
	return rc;
}

/* Set the full path of the private key's file. */
static int
find_file(struct own *g)
{
	char *top = realpath(g->directory, NULL);
	int n = -1;

	if (top == NULL)
		return print_failed(EX_CANTCREAT, g->directory);
	n = snprintf(g->file, sizeof(g->file), "%s/%s/%s.private",
	    strcmp(top, "/") == 0 ? "" : top, g->domain, g->selector);
	free(top);
	if (n < 0 || (size_t)n >= sizeof(g->file))
		return fail(EX_CANTCREAT, g->directory, strerror(ENAMETOOLONG));
	return EX_OK;
}

/* Warn of an unsafe place now: the daemon would refuse it (RequireSafeKeys). */
static void
warn_unsafe(const struct own *g)
{
	struct keyfile f;
	struct errmsg msg;
	uid_t uid = g->owner.change ? g->owner.uid : geteuid();

	if (keyfile_read(g->file, uid, &f, &msg) != 0)
		return;
	if (f.unsafe)
		fprintf(stderr, "posternctl: warning: %s\n", msg.text);
	keyfile_free(&f);
}

static json_t *
strings_json(const struct own *g)
{
	json_t *list = json_array();

	for (size_t at = 0; at < g->record.len; at += STRING_MAX) {
		size_t n = g->record.len - at;

		json_array_append_new(list, json_stringn(g->record.data + at,
		    n < STRING_MAX ? n : STRING_MAX));
	}
	return list;
}

/* Print the file's owner and mode. */
static void
print_owner(const char *path, const char *what)
{
	char user[USERS_NAME_SIZE], group[USERS_NAME_SIZE];
	struct stat st;

	if (stat(path, &st) == 0)
		printf("%s: mode %04o, owner %s:%s\n", what,
		    (unsigned)st.st_mode & 07777, users_name(st.st_uid, user),
		    users_group_name(st.st_gid, group));
}

static void
print_file(const struct own *g)
{
	const char *slash = strrchr(g->file, '/');
	char directory[PATH_MAX];

	printf("The private key, %s, %u bits:\n\n%s\n\n",
	    dkim_key_word(g->key), dkim_key_bits(g->key), g->file);
	print_owner(g->file, "The file");
	snprintf(directory, sizeof(directory), "%.*s",
	    (int)(slash - g->file), g->file);
	print_owner(directory, "Its directory");
	printf("The owner is %s.\n", g->owner.change
		? "UserID of the configuration"
		: "who made it, and must be UserID");
	if (!g->named)
		printf("The selector, %s, is made of this month and the type; "
		    "--selector names another.\n", g->selector);
	putchar('\n');
}

static void
print_json(const struct own *g, const char *zone, const char *key_line,
    const char *signing_line)
{
	json_t *j = json_pack("{s:s,s:s,s:s,s:i,s:o,s:s++,s:s,s:o,s:s,s:s,s:s}",
	    "domain", g->domain, "selector", g->selector, "type",
	    dkim_key_word(g->key), "bits", (int)dkim_key_bits(g->key), "file",
	    posternctl_string(g->file), "name", g->selector, "._domainkey.",
	    g->domain, "record", g->record.data, "strings", strings_json(g),
	    "zone", zone, "keytable", key_line, "signingtable", signing_line);

	posternctl_print(j);
	json_decref(j);
}

static void
print_text(const struct own *g, const char *zone, const char *key_line,
    const char *signing_line)
{
	print_file(g);
	printf("For the zone file of %s:\n\n%s\n", g->domain, zone);
	printf("The same as one string, for %s._domainkey.%s:\n\n%s\n\n",
	    g->selector, g->domain, g->record.data);
	printf("Once it can be seen in the DNS, for postern.conf, where this is "
	    "the only domain:\n\nDomain    %s\nSelector  %s\nKeyFile   %s\n\n",
	    g->domain, g->selector, g->file);
	printf("Instead, where there are several domains, for the file of "
	    "KeyTable:\n\n%s\n\n", key_line);
	printf("And for that of SigningTable (refile:; without the *@ in other types):"
	       "\n\n%s\n", signing_line);
}

static int
report(const struct own *g)
{
	struct buf zone = BUF_INIT, key = BUF_INIT, signing = BUF_INIT;
	int rc = EX_OK;

	add_zone(g, &zone);
	buf_printf(&key, "%s._domainkey.%s %s:%s:%s", g->selector, g->domain,
	    g->domain, g->selector, g->file);
	buf_printf(&signing, "*@%s %s._domainkey.%s", g->domain, g->selector,
	    g->domain);
	if (zone.failed || key.failed || signing.failed)
		rc = EX_OSERR;
	else if (g->json)
		print_json(g, zone.data, key.data, signing.data);
	else
		print_text(g, zone.data, key.data, signing.data);
	buf_fini(&zone);
	buf_fini(&key);
	buf_fini(&signing);
	return rc;
}

/* Copy the name in lower case; false: it is no name. */
static bool
take_name(char *to, size_t size, const char *name)
{
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
		to[i] = (char)tolower((unsigned char)name[i]);
	to[len] = '\0';
	return dkim_sign_domain_ok(to);
}

/* Made of month and algorithm, so that two keys can be published side by
 * side. */
static void
default_selector(struct own *g)
{
	time_t t = time(NULL);
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(g->selector, sizeof(g->selector), "%04d%02d-%s",
	    tm.tm_year + 1900, tm.tm_mon + 1,
	    g->type == DKIM_KEY_RSA ? "rsa" : "ed25519");
}

/* -- options -- */

static bool
take_selector(struct call *c, const char *name)
{
	struct own *g = c->own;

	g->named = true;
	return take_name(g->selector, sizeof(g->selector), name) ||
	    verb_expected(
		"--selector", "letters, digits, - and _, in labels");
}

static bool
take_type(struct call *c, const char *word)
{
	struct own *g = c->own;

	g->type = *word == 'r' ? DKIM_KEY_RSA : DKIM_KEY_ED25519;
	return strcmp(word, "rsa") == 0 || strcmp(word, "ed25519") == 0 ||
	    verb_expected("--type", "rsa or ed25519");
}

static bool
take_bits(struct call *c, const char *text)
{
	struct own *g = c->own;
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	g->bits = (unsigned)n;
	return (isdigit((unsigned char)*text) && *end == '\0' &&
		   n >= DKIM_KEY_BITS_MIN && n <= DKIM_KEY_BITS_MAX) ||
	    verb_expected("--bits", "a number from 1024 to 16384");
}

static bool
take_directory(struct call *c, const char *path)
{
	((struct own *)c->own)->directory = path;
	return true;
}

static bool
take_renew(struct call *c, const char *value)
{
	(void)value;
	((struct own *)c->own)->renew = true;
	return true;
}

/* -- the command -- */

static int
check_domain(struct call *c)
{
	struct own *g = c->own;

	if (take_name(g->domain, sizeof(g->domain), c->args[0]))
		return EX_OK;
	return fail(EX_USAGE, c->args[0], "expected a domain, an international "
	    "one in its xn-- form");
}

/* Only root needs the owner: other users can't give files away. */
static int
load_owner(struct call *c)
{
	return geteuid() == 0 ? posternctl_conf(c) : EX_OK;
}

static int
make(struct own *g, const struct conf *conf)
{
	int rc = find_owner(g, conf);

	if (rc == EX_OK)
		rc = find_file(g);
	if (rc != EX_OK)
		return rc;
	if (dkim_key_generate(g->type, g->bits, &g->key) != 0 ||
	    dkim_key_record(g->key, &g->record) != 0)
		return fail(EX_SOFTWARE, g->domain, "no key could be made");
	rc = write_files(g);
	if (rc != EX_OK)
		return rc;
	warn_unsafe(g);
	return report(g);
}

static int
generate(struct call *c)
{
	struct own *g = c->own;

	g->json = c->json;
	if (g->directory == NULL)
		g->directory = ".";
	if (g->bits == 0)
		g->bits = BITS_DEFAULT;
	if (!g->named)
		default_selector(g);
	return make(g, c->conf);
}

static int
load_keys(struct call *c, struct errmsg *msg_r)
{
	struct own *g = c->own;

	return key_check_load(&g->check, c->conf, msg_r);
}

static int
load_check(struct call *c)
{
	return posternctl_conf_also(c, load_keys);
}

static int
check(struct call *c)
{
	const struct own *g = c->own;

	return key_check_run(
	    &g->check, g->domain, g->named ? g->selector : NULL, c->json);
}

static int
token(struct call *c)
{
	struct own *g = c->own;
	int rc = geteuid() == 0 && g->renew ? find_owner(g, c->conf) : EX_OK;

	return rc != EX_OK ? rc
			   : key_token(c->conf, &g->owner, g->renew, c->json);
}

static void
close_key(struct call *c)
{
	struct own *g = c->own;

	buf_fini(&g->record);
	dkim_key_free(g->key);
	key_check_close(&g->check);
}

#define SELECTOR {"selector", "S", "default: this month and the type, as in " \
	"202601-rsa;\ncheck: all", take_selector}

static const struct verb_option generate_options[] = {
    SELECTOR,
    {"type", "rsa|ed25519", "default: rsa", take_type},
    {"bits", "N", "of an RSA key; default: 2048", take_bits},
    {"directory", "DIR",
	"where DOMAIN/S.private and DOMAIN/S.txt go; default: here",
	take_directory},
    {NULL, NULL, NULL, NULL},
};

static const struct verb_option check_options[] = {
    SELECTOR,
    {NULL, NULL, NULL, NULL},
};

static const struct verb_option token_options[] = {
    {"renew", NULL, "make a new one; browsers must give it anew", take_renew},
    {NULL, NULL, NULL, NULL},
};

#define EXPECTED "expected one domain"

static const struct verb verbs[] = {
    {.name = "generate",
	.args = "DOMAIN",
	.min = 1,
	.max = 1,
	.expected = EXPECTED,
	.help = "make one, and say what to do with it; as root, the\n"
		"files become those of the configuration's UserID",
	.options = generate_options,
	.check = check_domain,
	.load = load_owner,
	.run = generate},
    {.name = "check",
	.args = "DOMAIN",
	.min = 1,
	.max = 1,
	.expected = EXPECTED,
	.help = "compare the keys of the configuration with the DNS",
	.options = check_options,
	.check = check_domain,
	.load = load_check,
	.run = check},
    {.name = "token",
	.help = "print the token that opens the page (Http)",
	.options = token_options,
	.load = posternctl_conf,
	.run = token},
    {0},
};

const struct command command_key = {
    .name = "key",
    .args = "[DOMAIN]",
    .summary = "keys for DKIM, made and compared with the DNS; the page's token",
    .size = sizeof(struct own),
    .close = close_key,
    .verbs = verbs,
};
