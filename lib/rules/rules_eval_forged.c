/*
 * eval: functions about what mailers of bulk mail put into a header: senders,
 * relays and Message-IDs that do not fit one another.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/dns/idna.h"
#include "lib/dns/pslist.h"
#include "lib/rules/rules_eval.h"
#include "lib/text/ascii.h"

#define ID_LETTERS 28 /* of Outlook's Message-IDs, in front of the address */
#define NAMES_MAX 20  /* in From that are looked at */
#define TRAIL_MIN 2   /* gaps from which on a trail counts as forged */

/* The last so many labels. */
static struct rules_text
labels(struct rules_text name, unsigned count)
{
	size_t at = name.len;

	while (at > 0 && (name.data[at - 1] != '.' || --count > 0))
		at--;
	return (struct rules_text){name.data + at, name.len - at};
}

static bool
same(struct rules_text a, struct rules_text b)
{
	return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

static struct rules_text
text_of(const char *s)
{
	return (struct rules_text){s, strlen(s)};
}

/* The last two labels, whatever the suffix. */
bool
eval_equal_from_domains(struct run *run, const struct rule *rule)
{
	struct rules_text from =
	    eval_host(eval_first_line(rules_get(run, "From:addr")));
	struct rules_text env =
	    eval_host(eval_first_line(rules_get(run, "EnvelopeFrom:addr")));

	(void)rule;
	return from.len > 0 && env.len > 0 &&
	    !same(labels(from, 2), labels(env, 2));
}

/* -- Message-IDs -- */

/* <LETTERS.address> */
static bool
has_id(struct rules_text ids, struct rules_text address)
{
	const char *end = ids.data + ids.len, *p = ids.data;

	while ((p = memchr(p, '<', (size_t)(end - p))) != NULL) {
		size_t n = 0;

		p++;
		while (p + n < end && p[n] >= 'A' && p[n] <= 'Z')
			n++;
		if (n == ID_LETTERS &&
		    (size_t)(end - p) > n + address.len + 1 && p[n] == '.' &&
		    memcmp(p + n + 1, address.data, address.len) == 0 &&
		    p[n + 1 + address.len] == '>')
			return true;
	}
	return false;
}

/* "Name" <address>, and a Message-ID with that address. */
bool
eval_ratware_name_id(struct run *run, const struct rule *rule)
{
	struct rules_text from = rules_get(run, "From");
	struct rules_text ids = rules_get(run, "MESSAGEID");
	const char *p = from.data, *end = from.data + from.len;
	const char *open = memchr(p, '"', from.len);
	unsigned names = 0;

	(void)rule;
	for (p = open; p != NULL && p < end && names < NAMES_MAX; p++) {
		const char *at = p + 1, *close;

		if (*p != '"' || p < open + 2)
			continue;
		while (at < end && ascii_space(*at))
			at++;
		if (at == end || *at++ != '<')
			continue;
		names++;
		close = memchr(at, '>', (size_t)(end - at));
		if (close != NULL && close > at &&
		    has_id(ids,
			(struct rules_text){at, (size_t)(close - at)}))
			return true;
	}
	return false;
}

/* -- the sender -- */

/* The part of a domain that somebody registered; "" when there is none. */
static struct rules_text
registered(struct run *run, struct rules_text domain)
{
	char *copy = arena_memdup(run->in->arena, domain.data, domain.len);
	const char *name = NULL;

	if (copy == NULL ||
	    (run->in->tlds != NULL &&
		idna_ascii(run->in->arena, copy, &name) == ERR_NOMEM))
		run->rc = ERR_NOMEM;
	if (name != NULL)
		name = pslist_org(run->in->tlds, name);
	return text_of(name == NULL ? "" : name);
}

/* example.com.user@..., made from the address that it goes to. */
bool
eval_ratware_envelope_from(struct run *run, const struct rule *rule)
{
	struct rules_text to = eval_first_line(rules_get(run, "To:addr"));
	struct rules_text env =
	    eval_first_line(rules_get(run, "EnvelopeFrom:addr"));
	struct rules_text host = eval_host(to), org, user;
	const char *at = memrchr(env.data, '@', env.len);

	(void)rule;
	if (host.len == 0 || at == NULL)
		return false;
	user = (struct rules_text){to.data, to.len - host.len - 1};
	org = registered(run, host);
	env.len = (size_t)(at - env.data);
	if (org.len == 0 || env.len < org.len + 1 + user.len)
		return false;
	/* Some character stands between them, none of a word in front. */
	at -= org.len + 1 + user.len;
	return strncasecmp(at, org.data, org.len) == 0 &&
	    strncasecmp(at + org.len + 1, user.data, user.len) == 0 &&
	    (at == env.data || !ascii_word(at[-1]));
}

static bool
matches(struct run *run, const struct relay *relay, struct rules_text org)
{
	return *relay->rdns != '\0' &&
	    same(registered(run, text_of(relay->rdns)), org);
}

/* The first relay that is not trusted is of the sender's domain; where all are
 * trusted, any of them. */
bool
eval_mailfrom_matches(struct run *run, const struct rule *rule)
{
	struct rules_text org = eval_host(
	    eval_first_line(rules_get(run, "EnvelopeFrom:addr")));
	const struct relays *r = eval_path(run);

	(void)rule;
	if (org.len > 0)
		org = registered(run, org);
	if (org.len == 0)
		return false;
	if (r->trusted < r->count)
		return matches(run, &r->list[r->trusted], org);
	for (size_t i = 0; i < r->count; i++) {
		if (matches(run, &r->list[i], org))
			return true;
	}
	return false;
}

/* -- relays -- */

/* A name's domain: two labels, or three below most countries. */
static struct rules_text
trail_domain(struct rules_text name)
{
	struct rules_text top = labels(name, 1);
	bool three = top.len == 2 && !ascii_is(top.data, 2, "de") &&
	    !ascii_is(top.data, 2, "fr") && !ascii_is(top.data, 2, "ie");

	return labels(name, three ? 3 : 2);
}

static bool
is_localhost(const struct relay *r)
{
	return strcmp(r->ip, "127.0.0.1") == 0 &&
	    strcasecmp(r->rdns, "localhost.localdomain") == 0;
}

/* The relay that took the message is of another domain than the one that
 * handed it on. */
static bool
is_gap(const struct relay *to, const struct relay *from)
{
	struct rules_text name = text_of(to->rdns), by = text_of(from->by);

	return strchr(to->rdns, '.') != NULL &&
	    strchr(from->by, '.') != NULL &&
	    !is_localhost(to) &&
	    !same(trail_domain(name), trail_domain(by));
}

bool
eval_forged_trail(struct run *run, const struct rule *rule)
{
	const struct relays *r = eval_path(run);
	unsigned gaps = 0;

	(void)rule;
	for (size_t i = r->trusted; i + 1 < r->count; i++)
		gaps += is_gap(&r->list[i], &r->list[i + 1]);
	return gaps >= TRAIL_MIN;
}
