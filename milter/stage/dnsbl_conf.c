/* SPDX-License-Identifier: BSD-2-Clause */
#include "dnsbl_conf.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dns/idna.h"
#include "milter/replytext.h"

#define ZONE_MAX 180 /* octets, so that an IPv6 address fits before it */
#define SYMBOL_MAX 100
#define SCORE_MAX 1000.0
#define SHARE_MAX_DEFAULT 98
/* RFC 5782 allows 127.0.0.1 for no listing. */
#define CODES_DEFAULT "127.0.0.2-127.0.0.255"

/* SpamAssassin's names, where it has them. */
static const struct {
	const char *word, *prefix;
} asks[] = {
    [DNSBL_ASK_IP] = {"ip", "RCVD_IN_"},
    [DNSBL_ASK_HELO] = {"helo", "HELO_IN_"},
    [DNSBL_ASK_MAILFROM] = {"mailfrom", "DNS_FROM_"},
    [DNSBL_ASK_FROM] = {"from", "FROM_IN_"},
    [DNSBL_ASK_RDNS] = {"rdns", "RDNS_IN_"},
};

static const char *const actions[] = {
    "score", "quarantine", "tempfail", "reject", "discard", NULL};
static const enum verdict_action action_codes[] = {VERDICT_NONE,
    VERDICT_QUARANTINE, VERDICT_TEMPFAIL, VERDICT_REJECT, VERDICT_DISCARD};

/* -- values -- */

static enum dnsbl_ask
ask_from_word(const char *word)
{
	enum dnsbl_ask a = DNSBL_ASK_IP;

	while (a < DNSBL_ASK_COUNT && strcasecmp(word, asks[a].word) != 0)
		a++;
	return a;
}

static int
parse_ask(const char *value, void *ask_r, struct errmsg *msg_r)
{
	enum dnsbl_ask *ask = ask_r;

	*ask = ask_from_word(value);
	return *ask != DNSBL_ASK_COUNT
		   ? 0
		   : errmsg_set(
			 msg_r, "expected ip, helo, mailfrom, from or rdns");
}

static int
parse_codes(const char *value, void *range_r, struct errmsg *msg_r)
{
	return dnsbl_range_parse(value, range_r, msg_r);
}

/* Parse a domain into the form for queries, of at most ZONE_MAX octets and a
 * NUL. */
static int
parse_domain(const char *value, void *name_r, struct errmsg *msg_r)
{
	struct arena a;
	const char *name;
	int rc;

	arena_init(&a);
	rc = idna_ascii(&a, value, &name);
	if (rc == ERR_SYNTAX || (rc == 0 && strlen(name) > ZONE_MAX))
		rc = errmsg_set(
		    msg_r, "expected a domain of at most %d octets", ZONE_MAX);
	else if (rc == 0)
		memcpy(name_r, name, strlen(name) + 1);
	arena_fini(&a);
	return rc;
}

static int
parse_score(const char *value, void *score_r, struct errmsg *msg_r)
{
	char *end;
	double score = *(double *)score_r = strtod(value, &end);

	if (end == value || *end != '\0' || !isfinite(score) ||
	    fabs(score) > SCORE_MAX)
		return errmsg_set(msg_r,
		    "expected a number from -%.0f to %.0f, such as 4.0",
		    SCORE_MAX, SCORE_MAX);
	return 0;
}

static int
check_symbol(const char *value, struct errmsg *msg_r)
{
	size_t len = strlen(value);

	if (len == 0 || len > SYMBOL_MAX || isdigit((unsigned char)*value) ||
	    strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			  "0123456789_") != len)
		return errmsg_set(msg_r,
		    "expected a name of letters, digits and underscores");
	return 0;
}

static int
check_reply(const char *value, struct errmsg *msg_r)
{
	static const struct replytext_word words[] = {
	    {"about", NULL}, {"zone", NULL}, {"code", NULL}, {NULL, NULL}};

	return replytext_check(value, words, msg_r);
}

static const struct conf_option section_rows[] = {
    {.keyword = "Zone", .type = CONF_STR,
	.summary = "the list's domain, where it is not the title",
	.parse = parse_domain, .size = ZONE_MAX + 1},
    {.keyword = "Ask", .type = CONF_LIST,
	.summary = "what it lists: ip, or domains: helo, mailfrom, from, rdns",
	.parse = parse_ask, .size = sizeof(enum dnsbl_ask)},
    {.keyword = "Codes", .type = CONF_LIST, .summary = "the answers that count",
	.parse = parse_codes, .size = sizeof(struct dnsbl_range)},
    {.keyword = "Score", .type = CONF_STR, .def = "1.0",
	.summary = "what a listing adds to the message's score",
	.parse = parse_score, .size = sizeof(double)},
    {.keyword = "Symbol", .type = CONF_STR,
	.summary = "the name of a listing, where it is not made of the title",
	.check = check_symbol},
    {.keyword = "Action", .type = CONF_WORD, .def = "score", .words = actions,
	.summary = "what is done to a message beside scoring it"},
    {.keyword = "Reply", .type = CONF_STR, .def = "%about% is listed by %zone%",
	.summary = "the words of a refusal", .check = check_reply},
    {.keyword = "Test", .type = CONF_STR,
	.summary = "the domain that a list of domains has for tests",
	.parse = parse_domain, .size = ZONE_MAX + 1},
    {.keyword = "MaxShare", .type = CONF_INT, .min = 1, .max = 100,
	.summary =
	    "per cent; a list that has more of all is broken; 100: never"},
};

static const struct conf_option rows[] = {
    {.keyword = "DNSBL", .type = CONF_SECTION,
	.inside = CONF_TABLE(section_rows),
	.summary = "a DNS list, and what a listing counts for"},
};

const struct conf_table dnsbl_conf_options = {CONF_ROWS(rows)};

/* -- a section -- */

static int
read_codes(struct dnsbl_conf *d, struct dnsbl_section *s,
    const struct conf_section *cs)
{
	const size_t size = sizeof(*s->codes);
	size_t n = 0;

	while (conf_section_value(cs, "Codes", n, size) != NULL)
		n++;
	s->codes = arena_alloc(&d->arena, (n + 1) * size);
	if (s->codes == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		memcpy(&s->codes[i], conf_section_value(cs, "Codes", i, size),
		    size);
	if (n == 0)
		(void)dnsbl_range_parse(CODES_DEFAULT, &s->codes[n++], NULL);
	s->code_count = n;
	return 0;
}

const char *
dnsbl_conf_prefix(enum dnsbl_ask ask)
{
	return asks[ask].prefix;
}

/* Make a symbol of a prefix and a title. */
static const char *
make_symbol(struct arena *a, const char *prefix, const char *title)
{
	char *symbol = arena_printf(a, "%s%s", prefix, title);

	for (char *p = symbol; p != NULL && *p != '\0'; p++)
		*p = isascii((unsigned char)*p) && isalnum((unsigned char)*p)
			 ? (char)toupper((unsigned char)*p)
			 : '_';
	return symbol;
}

static int
read_asks(struct dnsbl_conf *d, struct dnsbl_section *s,
    const struct conf_section *cs)
{
	const char *symbol = conf_section_str(cs, "Symbol");
	const enum dnsbl_ask *ask;

	for (size_t i = 0; (ask = conf_section_value(cs, "Ask", i,
				sizeof(*ask))) != NULL; i++)
		s->asks |= DNSBL_ASK_BIT(*ask);
	if (s->asks == 0)
		s->asks = DNSBL_ASK_BIT(DNSBL_ASK_IP);
	for (size_t i = 0; i < DNSBL_ASK_COUNT; i++) {
		s->symbols[i] = symbol != NULL ? symbol
					       : make_symbol(&d->arena,
						     asks[i].prefix, s->title);
		if (s->symbols[i] == NULL)
			return ERR_NOMEM;
	}
	return 0;
}

static int
read_zone(struct dnsbl_conf *d, struct dnsbl_section *s,
    const struct conf_section *cs, struct errmsg *msg_r)
{
	const char *zone = conf_section_value(cs, "Zone", 0, ZONE_MAX + 1);
	char own[ZONE_MAX + 1] = "";

	if (zone == NULL && !conf_section_faulty(cs) &&
	    (parse_domain(s->title, own, NULL) != 0 ||
		strchr(s->title, '.') == NULL))
		return errmsg_set(msg_r,
		    "%s: DNSBL: %s: expected the list's domain as title, or "
		    "Zone = DOMAIN",
		    conf_section_where(cs), s->title);
	s->zone = zone != NULL ? zone : arena_strdup(&d->arena, own);
	return s->zone == NULL ? ERR_NOMEM : 0;
}

static struct dnsbl_list *
find_list(struct dnsbl_conf *d, enum dnsbl_kind kind, const char *zone,
    const char *test)
{
	for (size_t i = 0; i < d->list_count; i++) {
		struct dnsbl_list *l = &d->lists[i];

		if (l->kind == kind && strcmp(l->zone, zone) == 0 &&
		    (l->test == NULL
			    ? test == NULL
			    : test != NULL && strcasecmp(l->test, test) == 0))
			return l;
	}
	return NULL;
}

static void
add_list(struct dnsbl_conf *d, struct dnsbl_section *s, enum dnsbl_kind kind,
    unsigned asks_, const char *test, long share_max)
{
	struct dnsbl_list *l = find_list(d, kind, s->zone, test);

	if (asks_ == 0)
		return;
	if (l == NULL) {
		l = &d->lists[d->list_count++];
		*l = (struct dnsbl_list){
		    .kind = kind, .zone = s->zone, .test = test};
	}
	l->asks |= asks_;
	if (share_max != 0 && (l->share_max == 0 || share_max < l->share_max))
		l->share_max = share_max;
	s->lists[kind] = l;
}

static int
read_section(struct dnsbl_conf *d, struct dnsbl_section *s,
    const struct conf_section *cs, struct errmsg *msg_r)
{
	const char *test = conf_section_value(cs, "Test", 0, ZONE_MAX + 1);
	unsigned ip = DNSBL_ASK_BIT(DNSBL_ASK_IP);
	long share_max = conf_section_int(cs, "MaxShare");
	int rc;

	s->title = conf_section_title(cs);
	s->score = *(const double *)conf_section_value(
	    cs, "Score", 0, sizeof(s->score));
	s->action = action_codes[conf_section_word(cs, "Action")];
	s->reply = conf_section_str(cs, "Reply");
	rc = read_zone(d, s, cs, msg_r);
	if (rc == 0)
		rc = read_codes(d, s, cs);
	if (rc == 0)
		rc = read_asks(d, s, cs);
	if (rc == 0 && test != NULL && (s->asks & ~ip) == 0)
		rc = errmsg_set(msg_r,
		    "%s: DNSBL: Test: expected only where Ask names helo, "
		    "mailfrom, from or rdns: the test entry of addresses is "
		    "always 127.0.0.2",
		    conf_section_where(cs));
	if (rc != 0)
		return rc;
	add_list(d, s, DNSBL_IP4, s->asks & ip, NULL, share_max);
	add_list(d, s, DNSBL_IP6, s->asks & ip, NULL, share_max);
	add_list(d, s, DNSBL_DOMAIN, s->asks & ~ip, test, share_max);
	return 0;
}

int
dnsbl_conf_init(
    struct dnsbl_conf *d, const struct conf *c, struct errmsg *msg_r)
{
	const struct conf_section *cs;
	size_t n = 0;
	int rc = 0;

	memset(d, 0, sizeof(*d));
	arena_init(&d->arena);
	while (conf_section(c, "DNSBL", n) != NULL)
		n++;
	d->sections = arena_alloc(&d->arena, (n + 1) * sizeof(*d->sections));
	d->lists =
	    arena_alloc(&d->arena, (n + 1) * DNSBL_KINDS * sizeof(*d->lists));
	if (d->sections == NULL || d->lists == NULL)
		rc = ERR_NOMEM;
	for (; rc != ERR_NOMEM && d->count < n; d->count++) {
		cs = conf_section(c, "DNSBL", d->count);
		rc = conf_also(c, rc,
		    read_section(d, &d->sections[d->count], cs, msg_r), msg_r);
	}
	for (size_t i = 0; i < d->list_count; i++) {
		if (d->lists[i].share_max == 0)
			d->lists[i].share_max = SHARE_MAX_DEFAULT;
	}
	if (rc != 0 && rc != ERR_CONFIG)
		errmsg_set(msg_r, "%s", err_text(rc));
	return rc;
}

void
dnsbl_conf_fini(struct dnsbl_conf *d)
{
	arena_fini(&d->arena);
}

bool
dnsbl_conf_counts(const struct dnsbl_section *s, uint32_t code)
{
	for (size_t i = 0; i < s->code_count; i++) {
		if (dnsbl_range_has(&s->codes[i], code))
			return true;
	}
	return false;
}

const char *
dnsbl_conf_reply(const struct dnsbl_section *s, struct arena *a,
    const char *about, uint32_t code)
{
	char text[DNSBL_CODE_SIZE];
	const struct replytext_word words[] = {{"about", about},
	    {"zone", s->zone}, {"code", dnsbl_code_text(code, text)},
	    {NULL, NULL}};

	return replytext_fill(a, s->reply, words);
}
