/* SPDX-License-Identifier: BSD-2-Clause */
#include "options.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/users.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dns/idna.h"
#include "httpspec.h"
#include "log.h"
#include "sockspec.h"
#include "verdict.h"

static int
parse_facility(const char *value, void *facility_r, struct errmsg *msg_r)
{
	int facility = *(int *)facility_r = log_facility(value);

	if (facility >= 0)
		return 0;
	return errmsg_set(
	    msg_r, "expected a syslog facility, such as mail or local0");
}

static bool
is_domain(const char *name)
{
	struct arena a;
	const char *ascii;
	bool is;

	arena_init(&a);
	is = idna_ascii(&a, name, &ascii) == 0;
	arena_fini(&a);
	return is;
}

static int
parse_mode(const char *value, void *mode_r, struct errmsg *msg_r)
{
	struct options_mode *m = mode_r;

	m->signs = strchr(value, 's') != NULL;
	m->verifies = strchr(value, 'v') != NULL;
	if (value[0] != '\0' && strspn(value, "sv") == strlen(value))
		return 0;
	return errmsg_set(msg_r, "expected s, v or sv");
}

/* An authserv-id is one word, a token of RFC 2045 (RFC 8601 section 2.2), or a
 * domain in UTF-8.  Of any other text a reader of the field would see only a
 * part, and forged fields under that name could not be recognised. */
static int
check_authserv_id(const char *value, struct errmsg *msg_r)
{
	bool wrong = value[0] == '.' || strstr(value, "..") != NULL;
	bool ascii = true;

	for (const char *c = value; *c != '\0'; c++) {
		ascii = ascii && (unsigned char)*c < 0x80;
		wrong = wrong || (unsigned char)*c <= 0x20 ||
		    strchr("()<>@,;:\\\"/[]?=\x7f", *c) != NULL;
	}
	if (!ascii)
		wrong = !is_domain(value);
	return !wrong ? 0 : errmsg_set(msg_r,
	    "expected a name such as mx.example.org: letters, digits, - and "
	    "dots, without quotes, blanks, port or /, not %s", value);
}

#define RATE_COUNT_MAX 1000

/* 0, or ERR_SYNTAX. */
static int
read_rate(const char *value, struct options_rate *rate_r)
{
	static const char units[] = "smhd";
	static const long seconds[] = {1, 60, 3600, 86400};
	const char *unit;
	char *end;
	long count, time;

	count = strtol(value, &end, 10);
	if (end == value || *end != '/' || count < 1 || count > RATE_COUNT_MAX)
		return ERR_SYNTAX;
	value = end + 1;
	time = strtol(value, &end, 10);
	if (end == value || time < 1 || time > INT_MAX)
		return ERR_SYNTAX;
	unit = *end == '\0' ? units : strchr(units, *end | 0x20);
	if (unit == NULL || (*end != '\0' && end[1] != '\0'))
		return ERR_SYNTAX;
	rate_r->count = count;
	rate_r->seconds = time * seconds[unit - units];
	return 0;
}

static int
parse_rate(const char *value, void *rate_r, struct errmsg *msg_r)
{
	if (read_rate(value, rate_r) == 0)
		return 0;
	return errmsg_set(msg_r,
	    "expected COUNT/TIME, the time in seconds or with m, h or d behind "
	    "it (10/1h), and a count of at most %d",
	    RATE_COUNT_MAX);
}

#define UMASK_MAX 0777

static int
check_umask(const char *value, struct errmsg *msg_r)
{
	if (strtol(value, NULL, 0) <= UMASK_MAX)
		return 0;
	return errmsg_set(msg_r, "expected a number from 0 to 0777, in octal "
	    "with a 0 before it (007), not %s", value);
}

/* Is it USER.GROUP, with no user of that whole name? */
static bool
is_dotted(const char *value)
{
	const char *dot = strchr(value, '.');
	char name[USERS_NAME_SIZE];
	struct user user;

	if (dot == NULL || strchr(value, ':') != NULL)
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(dot - value), value);
	return users_find(value, &user) == ERR_NOTFOUND &&
	    users_find(name, &user) == 0;
}

static int
check_user(const char *value, struct errmsg *msg_r)
{
	if (strpbrk(value, " \t\"',;") != NULL)
		return errmsg_set(msg_r, "expected USER or USER:GROUP, without "
		    "blanks or quotes, not %s", value);
	if (is_dotted(value))
		return errmsg_set(msg_r, "expected USER or USER:GROUP, with a "
		    "colon, not %s", value);
	return 0;
}

static const struct conf_option rows[] = {
    {.keyword = "Mode", .type = CONF_STR, .def = "sv",
	.summary = "s signs outbound mail, v verifies inbound mail",
	.parse = parse_mode, .size = sizeof(struct options_mode)},
    {.keyword = "Socket", .type = CONF_STR, .flags = CONF_START,
	.summary = "where the MTA connects: inet:PORT@HOST or local:PATH",
	.parse = sockspec_parse_row, .size = sizeof(struct sockspec)},
    {.keyword = "SocketPeers", .type = CONF_SET,
	.summary = "the users who may connect; *: everybody"},
    {.keyword = "MaxConnections", .type = CONF_INT, .flags = CONF_START,
	.min = 1, .max = 1000000,
	.summary =
	    "close connections beyond so many, or beyond three quarters of "
	    "them from one user"},
    {.keyword = "PidFile", .type = CONF_STR, .flags = CONF_START | CONF_PATH,
	.summary = "where to write the process id",
	.check = conf_check_path},
    {.keyword = "UserID", .type = CONF_STR, .flags = CONF_START,
	.summary = "run as USER or USER:GROUP", .check = check_user},
    {.keyword = "StateDirectory", .type = CONF_STR, .flags = CONF_PATH,
	.def = POSTERN_STATE_DIR,
	.summary = "where it keeps what is to survive a restart",
	.check = conf_check_path},
    {.keyword = "Http", .type = CONF_STR,
	.summary = "where browsers and Prometheus connect: ADDRESS:PORT, a path, or none",
	.parse = httpspec_parse_row, .size = sizeof(struct httpspec)},
    {.keyword = "HttpToken", .type = CONF_STR,
	.flags = CONF_PATH | CONF_MADE, .with = "Http",
	.summary = "the file with the token that opens the page",
	.check = conf_check_path},
    {.keyword = "UMask", .type = CONF_INT, .flags = CONF_START,
	.summary = "file mode mask, for the socket among others",
	.check = check_umask},
    {.keyword = "Background", .type = CONF_BOOL, .flags = CONF_START,
	.def = "yes", .summary = "leave the terminal after starting"},
    {.keyword = "BaseDirectory", .type = CONF_STR, .flags = CONF_START,
	.summary = "change to this directory at start",
	.check = conf_check_path},
    {.keyword = "ChangeRootDirectory", .type = CONF_STR, .flags = CONF_START,
	.summary = "chroot to this directory at start",
	.check = conf_check_path},
    {.keyword = "EnableCoredumps", .type = CONF_BOOL, .flags = CONF_START,
	.def = "no", .summary = "allow core dumps"},
    {.keyword = "AutoRestart", .type = CONF_BOOL, .flags = CONF_START,
	.def = "no",
	.summary = "keep a parent that starts the filter again when it fails"},
    {.keyword = "AutoRestartCount", .type = CONF_INT, .flags = CONF_START,
	.def = "0", .summary = "give up after so many restarts; 0: never"},
    {.keyword = "AutoRestartRate", .type = CONF_STR, .flags = CONF_START,
	.summary = "give up after more than N restarts in a time, as 10/1h",
	.parse = parse_rate, .size = sizeof(struct options_rate)},
    {.keyword = "MilterDebug", .type = CONF_INT, .flags = CONF_START,
	.def = "0", .max = 6, .summary = "libmilter's own debugging level"},
    {.keyword = "Syslog", .type = CONF_BOOL, .def = "no",
	.summary = "log through syslog, not to standard error"},
    {.keyword = "SyslogFacility", .type = CONF_STR, .def = "mail",
	.summary = "the syslog facility", .parse = parse_facility,
	.size = sizeof(int)},
    {.keyword = "SyslogName", .type = CONF_STR, .flags = CONF_START,
	.def = "postern", .summary = "the name in the log"},
    {.keyword = "LogWhy", .type = CONF_BOOL, .def = "no",
	.summary = "log what led to each decision"},
    {.keyword = "MaximumHeaders", .type = CONF_INT, .def = "65536",
	.summary = "refuse a message with more octets of header; 0: no limit"},
    {.keyword = "AuthservID", .type = CONF_STR,
	.summary =
	    "the name under which results are reported; HOSTNAME is the "
	    "host's own, otherwise it is the MTA's",
	.check = check_authserv_id},
    {.keyword = "OpenDMARCConfig", .type = CONF_STR, .flags = CONF_PATH,
	.summary = "an opendmarc.conf whose DMARC keywords are taken over",
	.check = conf_check_path},
    {.keyword = "On-Default", .type = CONF_WORD, .words = verdict_words,
	.summary = "what to do in the cases below, unless they say otherwise"},
    {.keyword = "On-InternalError", .type = CONF_WORD, .def = "tempfail",
	.words = verdict_words,
	.summary =
	    "what to do when memory or a file fails; accept: go on without "
	    "that check"},
    {.keyword = "On-DNSError", .type = CONF_WORD, .def = "tempfail",
	.words = verdict_words,
	.summary = "what to do when the DNS does not answer"},
};

const struct conf_table options_global = {CONF_ROWS(rows)};

void
options_log(const struct conf *conf, struct log_options *o_r)
{
	*o_r = (struct log_options){
	    .syslog = conf_bool(conf, "Syslog"),
	    .debug = conf_bool(conf, "LogWhy"),
	    .facility = *(const int *)conf_value(
		conf, "SyslogFacility", sizeof(int)),
	    .name = conf_str(conf, "SyslogName"),
	};
}

void
options_odd(const struct conf *c, const char *fmt, ...)
{
	struct errmsg msg;
	va_list ap;

	va_start(ap, fmt);
	errmsg_vset(&msg, fmt, ap);
	va_end(ap);
	if (c != NULL)
		conf_odd(c, "%s", msg.text);
	else
		log_line(LOG_WARNING, "%s", msg.text);
}

void
options_mistakes(const struct conf *c, const char *keyword,
    struct errlist *list, struct errmsg *msg_r)
{
	struct errmsg before, first = {.text = ""};

	errmsg_set(&before, "%s: %s: ", conf_where(c, keyword), keyword);
	errlist_sort(list);
	if (conf_list(c) != NULL)
		errlist_append(conf_list(c), before.text, list);
	else if (errlist_first(list, &first) != 0)
		errmsg_wrap(msg_r, &first, "%s: %s: ", conf_where(c, keyword),
		    keyword);
}

struct blanks {
	const struct conf *c;
	const char *keyword;
};

static int
warn_blank(const struct dataset_entry *e, void *arg)
{
	const struct blanks *w = arg;
	size_t n = strcspn(e->key, " \t;");

	if (strpbrk(e->key, " \t") != NULL)
		conf_odd(w->c, "%s: %s: \"%s\" is taken for one entry: "
		    "expected commas between those of a list: %.*s, %s",
		    conf_where(w->c, w->keyword), w->keyword, e->key, (int)n,
		    e->key, e->key + n + strspn(e->key + n, " \t;"));
	return 0;
}

/* A list without commas is one entry, which is hardly ever intended. */
static void
warn_blanks(
    const struct conf *c, const char *keyword, const struct dataset *set)
{
	struct blanks w = {c, keyword};

	(void)dataset_walk(set, warn_blank, &w);
}

/* Does the path depend on the directory in which the daemon is started? */
static bool
depends_on_start(const struct conf *c, const char *path)
{
	return path[0] != '/' && conf_str(c, "BaseDirectory") == NULL &&
	    conf_str(c, "ChangeRootDirectory") == NULL;
}

static void
warn_path(const struct conf *c, const char *keyword, const char *path)
{
	if (depends_on_start(c, path))
		conf_odd(c, "%s: %s: %s begins in whatever directory "
		    "postern is started in: expected a path that begins with /, "
		    "or BaseDirectory",
		    conf_where(c, keyword), keyword, path);
}

static int
open_set(const struct conf *c, const char *keyword, const char *otherwise,
    struct dataset **set_r, struct errmsg *msg_r)
{
	const char *spec = conf_str(c, keyword);
	struct errlist *list;
	int rc = ERR_NOMEM;

	if (spec == NULL)
		spec = otherwise;
	if (spec == NULL)
		return 0;
	list = errlist_new();
	if (list != NULL)
		rc = dataset_open_list(spec, conf_use(c), list, set_r);
	if (rc == ERR_NOMEM)
		errmsg_set(msg_r, "%s: %s: %s", conf_where(c, keyword), keyword,
		    err_text(rc));
	else if (rc != 0)
		options_mistakes(c, keyword, list, msg_r);
	/* With a list of mistakes, the right entries are checked further. */
	if (rc != 0 && *set_r != NULL && conf_list(c) != NULL)
		rc = 0;
	errlist_free(list);
	return rc;
}

int
options_set_too(const struct conf *c, const char *keyword,
    struct dataset **set_r, struct errmsg *msg_r)
{
	return open_set(c, keyword, NULL, set_r, msg_r);
}

int
options_set(const struct conf *c, const char *keyword, const char *otherwise,
    struct dataset **set_r, struct errmsg *msg_r)
{
	int rc = open_set(c, keyword, otherwise, set_r, msg_r);

	if (*set_r == NULL)
		return rc;
	if (dataset_is_listed(*set_r))
		warn_blanks(c, keyword, *set_r);
	else
		warn_path(c, keyword, dataset_name(*set_r));
	return rc;
}

struct keys {
	const struct conf *c;
	const char *keyword;
	const struct dataset *set;
	/* What is expected instead of the key; NULL: the key may be right. */
	const char *(*fault)(const char *key, const char *keyword);
};

static const char *
domain_fault(const char *key, const char *keyword)
{
	bool signs = strcmp(keyword, "Domain") == 0;

	if (strchr(key, '@') != NULL)
		return "expected a domain such as example.com, without an @";
	if (signs && strcmp(key, "*") == 0)
		return NULL;
	if (key[0] == '.' || strchr(key, '*') != NULL)
		return signs ? "expected the domain alone, and SubDomains yes "
			       "for those below it"
			     : "expected a domain such as example.com, or a "
			       "pattern in a set refile:PATH";
	for (const char *c = key; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x80 && !isalnum((unsigned char)*c) &&
		    strchr("-_.", *c) == NULL)
			return "expected a domain such as example.com";
	}
	return key[0] != '\0' && key[strlen(key) - 1] == '.'
	    ? "expected a domain without a dot at its end"
	    : NULL;
}

static const char *
field_fault(const char *key, const char *keyword)
{
	(void)keyword;
	return strchr(key, ':') == NULL
	    ? NULL
	    : "expected names of fields without colons, with commas between "
	      "them";
}

static int
warn_key(const struct dataset_entry *e, void *arg)
{
	const struct keys *w = arg;
	const char *fault = w->fault(e->key, w->keyword);
	struct errmsg where = {.text = ""};

	/* A key with blanks already has a warning. */
	if (fault == NULL || strpbrk(e->key, " \t") != NULL)
		return 0;
	if (e->line > 0)
		errmsg_set(&where, "%s:%d: ", dataset_name(w->set), e->line);
	conf_odd(w->c, "%s: %s: %s%s: %s; the entry matches nothing",
	    conf_where(w->c, w->keyword), w->keyword, where.text, e->key,
	    fault);
	return 0;
}

/* Patterns can match anything; a database may be large, and changes. */
static void
warn_keys(struct keys *w)
{
	if (w->set != NULL && !dataset_is_live(w->set) &&
	    !dataset_has_patterns(w->set))
		(void)dataset_walk(w->set, warn_key, w);
}

int
options_domains(const struct conf *c, const char *keyword,
    struct dataset **set_r, struct errmsg *msg_r)
{
	int rc = options_set(c, keyword, NULL, set_r, msg_r);

	warn_keys(&(struct keys){c, keyword, *set_r, domain_fault});
	return rc;
}

int
options_fields(const struct conf *c, const char *keyword,
    struct dataset **set_r, struct errmsg *msg_r)
{
	int rc = options_set(c, keyword, NULL, set_r, msg_r);

	warn_keys(&(struct keys){c, keyword, *set_r, field_fault});
	return rc;
}

/* The value of a row, or all that it has. */
static void
warn_paths(const struct conf *c, const struct conf_option *row)
{
	const char *keyword = row->keyword, *path = NULL;

	if (!(row->flags & CONF_MULTI))
		path = conf_str(c, keyword);
	if (path != NULL && strcasecmp(path, "none") != 0)
		warn_path(c, keyword, path);
	for (size_t i = 0; (row->flags & CONF_MULTI) &&
	     (path = conf_multi(c, keyword, i)) != NULL;
	     i++)
		warn_path(c, keyword, path);
}

void
options_warn(const struct conf *c)
{
	const char *mask = conf_str(c, "UMask");
	const struct conf_option *row;

	for (size_t i = 0; (row = conf_row(c, i)) != NULL; i++) {
		if ((row->flags & CONF_PATH) && conf_given(c, row->keyword))
			warn_paths(c, row);
	}
	httpspec_warn(c);
	if (mask != NULL && mask[0] != '0' && conf_int(c, "UMask") > 7)
		conf_odd(c, "%s: UMask: %s is decimal, 0%lo in octal: "
		    "expected a 0 before an octal number: 0%s",
		    conf_where(c, "UMask"), mask,
		    (unsigned long)conf_int(c, "UMask"), mask);
}
