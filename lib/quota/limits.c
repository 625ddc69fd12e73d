/* SPDX-License-Identifier: BSD-2-Clause */
#include "limits.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"

#define SHOWN_MAX 60     /* octets of a limit in a message */
#define FIRST_ROOM 16    /* places in a new hash; a power of two */
#define EXPECTED                                                               \
	"expected a limit such as 200/hour, 20/5minutes or 500M/day, or none"
/* Hints that follow it. */
#define SEVERAL                                                                \
	"; several stand in braces, with commas between: {200/hour, 1000/day}"
#define LETTERS "; the letters behind an amount are K, M and G alone"
#define UNITS                                                                  \
	"; the time is second, minute, hour, day or week (s, m, h, d, w), "    \
	"perhaps with a number in front"

/* The limits that one section has for one kind. */
struct kind {
	bool named; /* the section names the kind; with count 0: `none` */
	unsigned char count;
	struct {
		uint64_t amount;
		uint32_t window;
	} limits[LIMITS_KIND_MAX];
};

struct section {
	struct section *next; /* in the order made */
	struct kind kinds[QUOTA_KINDS];
	int action;   /* 0: it has none */
	char title[]; /* in lower case */
};

/* The sections that apply to an account, the most specific first. */
struct found {
	const struct section *s[4]; /* own, pool's, domain's, default */
};
#define OF_NAME 2 /* the first so many: chosen by the account's name */

/* Open addressing, at most half full. */
struct limits {
	struct section *first;
	struct section **places;
	size_t room, count;
	bool acts; /* some section has an action */
};

/* -- one limit -- */

static const char *
skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* Digits; NULL: there are none, or the number is more than max. */
static const char *
parse_number(const char *p, uint64_t max, uint64_t *n_r)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (n > (max - digit) / 10)
			return NULL;
		n = n * 10 + digit;
	}
	*n_r = n;
	return p;
}

static const struct {
	const char *name;
	const char *words; /* between spaces */
	uint32_t seconds;
} units[] = {
    {"second", " s sec second seconds ", 1},
    {"minute", " m min minute minutes ", 60},
    {"hour", " h hr hour hours ", 3600},
    {"day", " d day days ", 86400},
    {"week", " w week weeks ", 604800},
};

/* The seconds of a unit; 0: there is no such word. */
static uint32_t
unit_seconds(const char *p, size_t len)
{
	char word[16];

	if (len == 0 || len > sizeof(word) - 3)
		return 0;
	snprintf(word, sizeof(word), " %.*s ", (int)len, p);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcasestr(units[i].words, word) != NULL)
			return units[i].seconds;
	}
	return 0;
}

/* `5minutes`, to the end; 0: it is no window. */
static uint32_t
parse_window(const char *p)
{
	uint64_t n = 1;
	uint32_t unit;
	size_t len;

	if (isdigit((unsigned char)*p) &&
	    (p = parse_number(p, QUOTA_WINDOW_MAX, &n)) == NULL)
		return 0;
	p = skip_space(p);
	len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	unit = unit_seconds(p, len);
	if (*skip_space(p + len) != '\0' || n * unit > QUOTA_WINDOW_MAX)
		return 0;
	return (uint32_t)(n * unit);
}

static const char *
parse_amount(const char *p, uint64_t *amount_r)
{
	unsigned shift = 0;

	p = parse_number(p, QUOTA_LIMIT_MAX, amount_r);
	if (p == NULL)
		return NULL;
	switch (toupper((unsigned char)*p)) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	}
	if (*amount_r > QUOTA_LIMIT_MAX >> shift)
		return NULL;
	*amount_r <<= shift;
	return p + (shift != 0);
}

/* A mistake, with the limit as written unless it could hurt a terminal. */
static int
mistake(const char *text, const char *what, const char *more,
    struct errmsg *msg_r)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			return errmsg_set(msg_r, "%s%s", what, more);
	}
	return errmsg_set(msg_r, "%s, not %.*s%s", what, SHOWN_MAX,
	    *text == '\0' ? "nothing" : text, more);
}

int
limits_parse(const char *text, uint64_t *amount_r, uint32_t *window_r,
    struct errmsg *msg_r)
{
	const char *p = skip_space(text), *slash = strchr(p, '/');

	*amount_r = 0;
	*window_r = 0;
	if (strcasecmp(p, "none") == 0)
		return 0;
	if (slash == NULL || !isdigit((unsigned char)*p))
		return mistake(text, EXPECTED, UNITS LETTERS SEVERAL, msg_r);
	p = parse_amount(p, amount_r);
	if (p == NULL)
		return mistake(
		    text, "expected an amount below 1024G", "", msg_r);
	if (skip_space(p) != slash)
		return mistake(text, EXPECTED, LETTERS SEVERAL, msg_r);
	*window_r = parse_window(skip_space(slash + 1));
	if (*window_r == 0)
		return mistake(text,
		    "expected a window of 1 second to 53 weeks", UNITS, msg_r);
	return 0;
}

/* The largest unit of which a window is so many. */
static size_t
whole_unit(uint32_t window)
{
	size_t i = sizeof(units) / sizeof(*units) - 1;

	while (i > 0 && window % units[i].seconds != 0)
		i--;
	return i;
}

void
limits_window_text(uint32_t window, char *out, size_t size)
{
	size_t i = whole_unit(window);

	snprintf(out, size, "%u%c", window / units[i].seconds,
	    units[i].name[0]);
}

void
limits_window_words(uint32_t window, char *out, size_t size)
{
	size_t i = whole_unit(window);
	uint32_t n = window / units[i].seconds;

	snprintf(out, size, "%u %s%s", n, units[i].name, n == 1 ? "" : "s");
}

/* -- sections -- */

/* FNV-1a; titles are the admin's own, so nobody can aim for collisions. */
static size_t
hash(const char *s, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3;
	return (size_t)(h ^ h >> 32);
}

/* The place in the hash of the title, which is in lower case. */
static struct section **
place_of(const struct limits *l, const char *title)
{
	size_t i = hash(title, strlen(title));

	for (;; i++) {
		struct section **at = &l->places[i & (l->room - 1)];

		if (*at == NULL || strcmp((*at)->title, title) == 0)
			return at;
	}
}

static int
grow(struct limits *l)
{
	size_t room = l->room == 0 ? FIRST_ROOM : l->room * 2;
	struct section **places = calloc(room, sizeof(*places));

	if (places == NULL)
		return ERR_NOMEM;
	free(l->places);
	l->places = places;
	l->room = room;
	for (struct section *s = l->first; s != NULL; s = s->next)
		*place_of(l, s->title) = s;
	return 0;
}

/* In lower case; NULL: too long. */
static const char *
fold(const char *name, char out[QUOTA_ACCOUNT_MAX + 1])
{
	size_t len = strlen(name);

	if (len > QUOTA_ACCOUNT_MAX)
		return NULL;
	for (size_t i = 0; i <= len; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	return out;
}

static struct section *
find(const struct limits *l, const char *title)
{
	return l->count == 0 ? NULL : *place_of(l, title);
}

static struct section *
add_section(struct limits *l, const char *title)
{
	struct section *s;

	if (l->count * 2 >= l->room && grow(l) != 0)
		return NULL;
	s = calloc(1, sizeof(*s) + strlen(title) + 1);
	if (s == NULL)
		return NULL;
	strcpy(s->title, title);
	s->next = l->first;
	l->first = s;
	l->count++;
	return *place_of(l, title) = s;
}

struct limits *
limits_new(void)
{
	return calloc(1, sizeof(struct limits));
}

void
limits_free(struct limits *l)
{
	if (l == NULL)
		return;
	while (l->first != NULL) {
		struct section *next = l->first->next;

		free(l->first);
		l->first = next;
	}
	free(l->places);
	free(l);
}

static int
add_limit(struct kind *k, uint64_t amount, uint32_t window,
    struct errmsg *msg_r)
{
	if (k->named && (window == 0 || k->count == 0))
		return errmsg_set(msg_r, "expected none to stand alone");
	k->named = true;
	if (window == 0)
		return 0;
	for (size_t i = 0; i < k->count; i++) {
		if (k->limits[i].window == window)
			return errmsg_set(
			    msg_r, "expected one limit for each window");
	}
	if (k->count == LIMITS_KIND_MAX)
		return errmsg_set(
		    msg_r, "expected at most %d limits", LIMITS_KIND_MAX);
	k->limits[k->count].amount = amount;
	k->limits[k->count].window = window;
	k->count++;
	return 0;
}

/* The section of that title, made if need be.  0, ERR_CONFIG, ERR_NOMEM. */
static int
make_section(struct limits *l, const char *title, struct section **s_r,
    struct errmsg *msg_r)
{
	char folded[QUOTA_ACCOUNT_MAX + 1];

	if (*title == '\0' || fold(title, folded) == NULL)
		return errmsg_set(msg_r,
		    "expected an account of 1 to %d octets, @domain or default",
		    QUOTA_ACCOUNT_MAX);
	*s_r = find(l, folded);
	if (*s_r == NULL && (*s_r = add_section(l, folded)) == NULL) {
		errmsg_set(msg_r, "no memory");
		return ERR_NOMEM;
	}
	return 0;
}

int
limits_add(struct limits *l, const char *title, enum quota_kind kind,
    uint64_t amount, uint32_t window, struct errmsg *msg_r)
{
	struct section *s;
	int rc = make_section(l, title, &s, msg_r);

	return rc != 0 ? rc : add_limit(&s->kinds[kind], amount, window, msg_r);
}

int
limits_set_action(struct limits *l, const char *title, int action,
    struct errmsg *msg_r)
{
	struct section *s;
	int rc = make_section(l, title, &s, msg_r);

	if (rc == 0)
		s->action = action;
	l->acts |= rc == 0;
	return rc;
}

size_t
limits_sections(const struct limits *l)
{
	return l->count;
}

bool
limits_has(const struct limits *l, const char *title)
{
	char folded[QUOTA_ACCOUNT_MAX + 1];

	return fold(title, folded) != NULL && find(l, folded) != NULL;
}

const char *
limits_pool(const char *account)
{
	static const char *const pools[] = {"sender:*", "script:*"};

	for (size_t i = 0; i < sizeof(pools) / sizeof(*pools); i++) {
		if (strncasecmp(account, pools[i], strlen(pools[i]) - 1) == 0)
			return pools[i];
	}
	return NULL;
}

static struct found
find_all(const struct limits *l, const char *account)
{
	char folded[QUOTA_ACCOUNT_MAX + 1];
	const char *name = fold(account, folded), *at, *pool;
	struct found f = {{NULL}};

	if (name != NULL) {
		at = strrchr(name, '@');
		pool = limits_pool(name);
		f.s[0] = find(l, name);
		f.s[1] = pool == NULL ? NULL : find(l, pool);
		f.s[2] = at == NULL ? NULL : find(l, at);
	}
	f.s[3] = find(l, LIMITS_DEFAULT);
	return f;
}

int
limits_action(const struct limits *l, const char *account, bool of_name)
{
	struct found f;

	if (!l->acts)
		return 0;
	f = find_all(l, account);
	for (size_t i = 0; i < (of_name ? OF_NAME : 4); i++) {
		if (f.s[i] != NULL && f.s[i]->action != 0)
			return f.s[i]->action;
	}
	return 0;
}

/* The most specific section that names the kind; NULL: none does. */
static const struct kind *
named(const struct found *f, int kind)
{
	for (size_t i = 0; i < 4; i++) {
		if (f->s[i] != NULL && f->s[i]->kinds[kind].named)
			return &f->s[i]->kinds[kind];
	}
	return NULL;
}

static int
add_kind(struct quota_set *set, enum quota_kind kind, const struct kind *k)
{
	int rc = 0;

	for (size_t i = 0; k != NULL && i < k->count && rc == 0; i++)
		rc = quota_set_add(set,
		    &(struct quota_limit){.kind = kind,
			.window_s = k->limits[i].window,
			.limit = k->limits[i].amount});
	return rc;
}

int
limits_of(const struct limits *l, const char *account,
    struct quota_set *set_r)
{
	const struct found f = find_all(l, account);
	const char *pool = limits_pool(account);
	int rc = 0;

	memset(set_r, 0, sizeof(*set_r));
	set_r->minor = pool != NULL && f.s[0] == NULL &&
	    strcasecmp(account, pool) != 0 &&
	    strcasecmp(account, LIMITS_NULL_SENDER) != 0;
	for (int k = 0; k < QUOTA_KINDS && rc == 0; k++)
		rc = add_kind(set_r, (enum quota_kind)k, named(&f, k));
	return rc;
}

int
limits_of_pool(const struct limits *l, const char *account,
    struct quota_set *set_r)
{
	const struct found own = find_all(l, account);
	const struct found f = find_all(l, limits_pool(account));
	int rc = 0;

	memset(set_r, 0, sizeof(*set_r));
	for (int k = 0; k < QUOTA_KINDS && rc == 0; k++) {
		const struct kind *kind = named(&f, k);

		rc = add_kind(set_r, (enum quota_kind)k,
		    kind != NULL ? kind : named(&own, k));
	}
	return rc;
}

/* How many limits the account has, or its pool when charged with it; or one
 * more than fit. */
static unsigned
count_of(const struct limits *l, const char *account)
{
	struct quota_set set;
	unsigned n;

	if (limits_of(l, account, &set) != 0)
		return QUOTA_LIMITS_MAX + 1;
	n = set.count;
	if (limits_pool(account) == NULL)
		return n;
	if (limits_of_pool(l, account, &set) != 0)
		return QUOTA_LIMITS_MAX + 1;
	return set.count > n ? set.count : n;
}

/* The most of any account for which the title is meant: for a domain's that is
 * its logins and its senders. */
static unsigned
most_of(const struct limits *l, const char *title)
{
	unsigned most = count_of(l, title);

	for (int i = 0; *title == '@' && i < 2; i++) {
		char sender[QUOTA_ACCOUNT_MAX + 16];
		unsigned n;

		snprintf(sender, sizeof(sender), "%s%s",
		    i == 0 ? "sender:" : "script:", title);
		n = count_of(l, sender);
		most = n > most ? n : most;
	}
	return most;
}

unsigned
limits_most(const struct limits *l, const char **title_r)
{
	unsigned most = 0;

	*title_r = NULL;
	for (const struct section *s = l->first; s != NULL; s = s->next) {
		unsigned n = most_of(l, s->title);

		if (*title_r == NULL || n > most) {
			*title_r = s->title;
			most = n;
		}
	}
	return most;
}
