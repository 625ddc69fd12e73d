/* SPDX-License-Identifier: BSD-2-Clause */
#include "which.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/list/netlist.h"
#include "lib/rules/rules.h"
#include "milter/past.h"
#include "milter/record.h"
#include "milter/stage/quota_conf.h"
#include "milter/stage/ring.h"

#define LIMIT_MAX 1000000
#define DAYS_MAX 36500 /* days that --since may look back */

/* -- options -- */

static bool
take(struct call *c, const char **to, const char *value)
{
	struct which *w = c->own;

	*to = value;
	w->given = true;
	return true;
}

#define TAKE(option)                                                \
	bool which_take_##option(struct call *c, const char *value) \
	{                                                           \
		return take(c, &((struct which *)c->own)->option, value); \
	}

TAKE(account)
TAKE(client)
TAKE(from)
TAKE(to)
TAKE(symbol)

bool
which_take_verdict(struct call *c, const char *word)
{
	static const char *const words[] = {
	    "accept", "reject", "tempfail", "discard", "quarantine", "none"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(words[i], word) == 0)
			return take(
			    c, &((struct which *)c->own)->verdict, word);
	}
	return verb_expected("--verdict",
	    "accept, reject, tempfail, discard, quarantine or none");
}

/* `2h`: so long ago. */
static bool
parse_ago(const char *text, int64_t *ms_r)
{
	static const char units[] = "smhdw";
	static const int64_t seconds[] = {1, 60, 3600, 86400, 7 * 86400};
	char *end;
	long n = strtol(text, &end, 10);
	const char *unit = *end == '\0' ? NULL : strchr(units, *end);

	if (unit == NULL || end[1] != '\0' || n < 0 ||
	    n > DAYS_MAX * 86400L / seconds[unit - units])
		return false;
	*ms_r = ((int64_t)time(NULL) - n * seconds[unit - units]) * 1000;
	return true;
}

/* `2026-12-01`, `2026-12-01T10:00:00.123Z`: in UTC, as times are printed. */
static bool
parse_date(const char *text, int64_t *ms_r)
{
	struct tm tm = {0};
	const char *at = strptime(text, "%Y-%m-%d", &tm);
	int64_t ms = 0, unit = 100;
	int day;

	if (at != NULL && (*at == 'T' || *at == ' ')) {
		at = strptime(at + 1, "%H:%M", &tm);
		if (at != NULL && *at == ':')
			at = strptime(at + 1, "%S", &tm);
		if (at != NULL && *at == '.') {
			for (at++; isdigit((unsigned char)*at); at++) {
				ms += (*at - '0') * unit;
				unit /= 10;
			}
		}
	}
	if (at != NULL && *at == 'Z')
		at++;
	if (at == NULL || *at != '\0')
		return false;
	/* timegm makes 2 March of 30 February. */
	day = tm.tm_mday;
	*ms_r = (int64_t)timegm(&tm) * 1000 + ms;
	return tm.tm_mday == day;
}

static bool
take_time(struct call *c, const char *option, const char *text, int64_t *ms_r)
{
	char *end;
	long long epoch = strtoll(text, &end, 10);

	((struct which *)c->own)->given = true;
	if (isdigit((unsigned char)*text) && *end == '\0' &&
	    epoch <= INT64_MAX / 1000) {
		*ms_r = epoch * 1000;
		return true;
	}
	return (isdigit((unsigned char)*text) &&
		   (parse_ago(text, ms_r) || parse_date(text, ms_r))) ||
	    verb_expected(option,
		"so long ago (90s, 30m, 2h, 7d), a time in UTC "
		"(2026-12-01T10:00), or seconds since 1970");
}

bool
which_take_since(struct call *c, const char *when)
{
	return take_time(
	    c, "--since", when, &((struct which *)c->own)->since_ms);
}

bool
which_take_until(struct call *c, const char *when)
{
	return take_time(
	    c, "--until", when, &((struct which *)c->own)->until_ms);
}

bool
which_take_limit(struct call *c, const char *text)
{
	struct which *w = c->own;
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	w->limit = n;
	w->given = true;
	return (isdigit((unsigned char)*text) && *end == '\0' && n > 0 &&
		   n <= LIMIT_MAX) ||
	    verb_expected("--limit", "a number from 1 to 1000000");
}

/* -- opening -- */

static const char hint[] =
    "postern makes it when it starts; RingFile names another place";

static int
open_ring(struct which *w, const struct conf *c, const char *path)
{
	struct errmsg why = {.text = ""};
	int rc = posternctl_past(c, &w->past, &w->copied, &why);

	if (rc == 0)
		return EX_OK;
	if (rc == ERR_NOTFOUND) {
		fprintf(stderr, "posternctl: %s: there is no decision ring: "
		    "%s\n", path, hint);
		return EX_NOINPUT;
	}
	if (rc == ERR_NOMEM)
		return posternctl_no_memory();
	return posternctl_mistake(&why) == EX_NOPERM ? EX_NOPERM : EX_NOINPUT;
}

/* Make what the options name comparable. */
static int
prepare(struct which *w, const struct conf *c)
{
	if (w->account != NULL) {
		w->account_form =
		    quota_conf_account(c, &w->arena, w->account);
		if (w->account_form == NULL)
			return posternctl_no_memory();
	}
	if (w->client != NULL) {
		w->nets = netlist_new();
		if (w->nets == NULL)
			return posternctl_no_memory();
		/* Otherwise it is a name. */
		netlist_add(w->nets, w->client, NULL);
	}
	return EX_OK;
}

/* What each record that is wanted has somewhere, as it is; NULL: nothing. */
static const char *
certain_text(struct which *w)
{
	char text[HOST_TEXT_SIZE];
	struct host client;

	if (w->id != NULL)
		return w->id;
	if (w->account_form != NULL)
		return w->account_form;
	if (w->client != NULL && host_parse(w->client, &client))
		return arena_strdup(&w->arena, host_text(&client, text));
	return w->symbol;
}

int
which_open(struct call *c)
{
	struct which *w = c->own;
	const char *path = ring_path(c->conf);
	int rc;

	if (path == NULL) {
		fprintf(stderr, "posternctl: RingFile is none, so no decisions "
		    "are kept\n");
		return EX_UNAVAILABLE;
	}
	rc = prepare(w, c->conf);
	if (rc == EX_OK)
		rc = open_ring(w, c->conf, path);
	if (rc == EX_OK)
		past_want(w->past, certain_text(w));
	return rc;
}

bool
which_open_next(const struct call *c, struct past **past_r)
{
	struct which *w = c->own;

	if (past_open(ring_path(c->conf), past_r, NULL) != 0)
		return false;
	past_want(*past_r, certain_text(w));
	return true;
}

void
which_close(struct which *w)
{
	past_close(w->past);
	netlist_free(w->nets);
	arena_fini(&w->arena);
}

/* -- choosing -- */

static bool
is_time(const struct which *w, const struct record *r)
{
	int64_t ms =
	    (int64_t)r->time.tv_sec * 1000 + r->time.tv_nsec / 1000000;

	return ms >= w->since_ms && (w->until_ms == 0 || ms <= w->until_ms);
}

static bool
is_account(const struct which *w, const struct record *r)
{
	return r->account != NULL &&
	    strcmp(r->account, w->account_form) == 0;
}

/* A name, or with a dot before it those below it. */
static bool
is_name(const char *wanted, const char *name)
{
	size_t want = strlen(wanted), len = name == NULL ? 0 : strlen(name);

	if (name == NULL)
		return false;
	return strcasecmp(name, wanted) == 0 ||
	    (*wanted == '.' && len > want &&
		strcasecmp(name + len - want, wanted) == 0);
}

static bool
is_client(const struct which *w, const struct record *r)
{
	if (!netlist_is_empty(w->nets))
		return r->client_ip != NULL &&
		    netlist_has(w->nets, r->client_ip);
	return is_name(w->client, r->client_name) ||
	    is_name(w->client, r->client_helo);
}

/* wanted: an address, or a domain with or without the `@`. */
static bool
is_address(const char *wanted, const char *address)
{
	size_t len = strlen(wanted);
	const char *domain = strrchr(address, '@');

	if (len >= 2 && wanted[0] == '<' && wanted[len - 1] == '>') {
		len -= 2;
		wanted++;
	} else if (len > 0 && (wanted[0] == '@' || strchr(wanted, '@') == NULL)) {
		return domain != NULL &&
		    strcasecmp(domain + 1, wanted + (wanted[0] == '@')) == 0;
	}
	return strlen(address) == len && strncasecmp(address, wanted, len) == 0;
}

static bool
has_rcpt(const struct which *w, const struct record *r)
{
	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next) {
		if (is_address(w->to, to->addr))
			return true;
	}
	return false;
}

static bool
has_symbol(const struct which *w, const struct record *r)
{
	if (r->symbol != NULL && strcmp(r->symbol, w->symbol) == 0)
		return true;
	for (const struct symbol *s = r->symbols; s != NULL; s = s->next) {
		if (strcmp(s->name, w->symbol) == 0)
			return true;
	}
	if (r->rules == NULL)
		return false;
	for (const struct rules_hit *h = r->rules->hits; h != NULL;
	     h = h->next) {
		if (strcmp(h->name, w->symbol) == 0)
			return true;
	}
	return false;
}

bool
which_wants(const struct which *w, const struct record *r)
{
	return is_time(w, r) &&
	    (w->id == NULL ||
		(r->queue_id != NULL && strcmp(r->queue_id, w->id) == 0)) &&
	    (w->verdict == NULL || strcmp(record_word(r), w->verdict) == 0) &&
	    (w->account == NULL || is_account(w, r)) &&
	    (w->client == NULL || is_client(w, r)) &&
	    (w->from == NULL ||
		(r->sender != NULL && is_address(w->from, r->sender))) &&
	    (w->to == NULL || has_rcpt(w, r)) &&
	    (w->symbol == NULL || has_symbol(w, r));
}

const struct record *
which_next(struct which *w, bool follow)
{
	const struct record *r;

	do {
		r = past_next(w->past, follow);
	} while (r != NULL && !which_wants(w, r));
	return r;
}

/* -- all of them -- */

/* The newest ones: their places are kept, and then read again. */
static int
each_newest(struct which *w, void (*give)(void *arg, const struct record *r),
    void *arg)
{
	uint64_t *places = calloc(w->limit, sizeof(*places));
	const struct record *r;
	size_t n = 0;

	if (places == NULL)
		return posternctl_no_memory();
	for (; which_next(w, false) != NULL; n++)
		places[n % w->limit] = past_place(w->past);
	for (size_t i = n < w->limit ? 0 : n - w->limit; i < n; i++) {
		r = past_at(w->past, places[i % w->limit]);
		if (r != NULL)
			give(arg, r);
	}
	free(places);
	return EX_OK;
}

int
which_each(struct which *w, void (*give)(void *arg, const struct record *r),
    void *arg)
{
	const struct record *r;
	uint64_t foreign;
	int rc = EX_OK;

	if (w->limit > 0)
		rc = each_newest(w, give, arg);
	else
		while ((r = which_next(w, false)) != NULL)
			give(arg, r);
	foreign = past_foreign(w->past);
	if (foreign > 0)
		fprintf(stderr,
		    "posternctl: %llu decisions of another version of postern "
		    "were passed over\n",
		    (unsigned long long)foreign);
	if (w->copied)
		fprintf(stderr,
		    "posternctl: postern has not run since the machine "
		    "started; this is what was kept before\n");
	return rc;
}
