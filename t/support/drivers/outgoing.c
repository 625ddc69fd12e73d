/* SPDX-License-Identifier: BSD-2-Clause */
#include "outgoing.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/utf8.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/idna.h"
#include "lib/dns/iprev.h"
#include "lib/spf/spf.h"
#include "milter/session.h"
#include "milter/snapshot.h"
#include "t/support/drivers/author_ref.h"
#include "t/support/drivers/authres_ref.h"

#define AR "Authentication-Results"
#define LINE_MAX_ 998     /* octets of a line, RFC 5322 section 2.1.1 */
#define VALUE_MAX 65536   /* octets of a field of ours */
#define REPLY_LINE_MAX 512 /* with the line end, RFC 5321 section 4.5.3.1.5 */

static _Noreturn void
fail(const char *what, const char *name, const char *value)
{
	fprintf(stderr, "%s: %s: [", what, name);
	for (; value != NULL && *value != '\0'; value++)
		fprintf(stderr,
		    *value >= 0x20 && *value < 0x7f ? "%c" : "\\x%02x",
		    (unsigned char)*value);
	fprintf(stderr, "]\n");
	abort();
}

static void
require(bool holds, const char *what, const char *name, const char *value)
{
	if (!holds)
		fail(what, name, value);
}

/* -- fields -- */

/* RFC 5322 section 2.2 */
static bool
is_name(const char *name)
{
	const char *p = name;

	while (*p > 0x20 && *p < 0x7f && *p != ':')
		p++;
	return p > name && *p == '\0';
}

/* Each line end is a fold, and no line is of white space only. */
static void
check_folds(const struct edit *e, bool ours)
{
	const char *p = e->value;
	size_t len = strlen(e->name) + 2;

	for (;; p++) {
		size_t n = strcspn(p, "\n");

		require(strspn(p, " \t") < n, "a line of white space", e->name,
		    e->value);
		require(!ours || len + n <= LINE_MAX_, "a long line", e->name,
		    e->value);
		p += n;
		if (*p == '\0')
			return;
		require(p[1] == ' ' || p[1] == '\t', "an injected line",
		    e->name, e->value);
		len = 0;
	}
}

/* Printable; above ASCII where the message may hold it.  The sender's own words
 * stay as they came, but in their lines. */
static void
check_octets(const struct edit *e, bool ours, bool utf8)
{
	const char *p = e->value;

	for (size_t n; *p != '\0'; p += n) {
		unsigned char c = (unsigned char)*p;

		n = 1;
		if (c >= 0x80 && ours)
			n = utf8 ? utf8_length(p, strlen(p)) : 0;
		require(n > 0 && c != '\r' &&
			(!ours || c >= 0x20 || c == '\t' || c == '\n') &&
			(!ours || c != 0x7f),
		    "an odd octet", e->name, e->value);
	}
}

/* Only what is there can be changed or deleted. */
static void
check_target(const struct message *m, const struct edit *e)
{
	for (const struct hdr *h = m->headers.first; h != NULL; h = h->next) {
		if (h->index == e->index && hdr_is(h, e->name))
			return;
	}
	fail("no such field", e->name, e->value);
}

static void
check_edit(const struct message *m, const struct edit *e)
{
	/* Of all fields this one is the sender's, with a tag in front. */
	bool ours = strcmp(e->name, "Subject") != 0;

	if (e->op == EDIT_CHANGE || e->op == EDIT_DELETE)
		check_target(m, e);
	if (e->op == EDIT_DELETE) {
		require(e->value == NULL, "delete, with a value", e->name,
		    e->value);
		return;
	}
	require(is_name(e->name), "no name", e->name, e->value);
	require(e->value != NULL && e->value[0] != '\0', "no value", e->name,
	    e->value);
	require(!ours || strlen(e->value) <= VALUE_MAX, "too long", e->name,
	    e->value);
	check_folds(e, ours);
	check_octets(e, ours, message_is_utf8(m));
}

/* -- Authentication-Results -- */

/* The next result is that one. */
static const struct authres_ref_result *
expect(const struct authres_ref *r, size_t *at, const char *method,
    const char *result)
{
	const struct authres_ref_result *next = &r->list[*at];

	require(*at < r->count && strcmp(next->method, method) == 0 &&
		strcmp(next->result, result) == 0,
	    "not the result that was found", method, result);
	++*at;
	return next;
}

/* What a value may have lost on its way into a field: nothing of its domain. */
static void
check_domain(const char *shown, const char *whole)
{
	const char *at = strrchr(whole, '@');
	const char *from = at == NULL ? whole : at + 1;
	const char *is = shown == NULL ? NULL : strrchr(shown, '@');

	if (shown == NULL)
		return;
	is = is == NULL ? shown : is + 1;
	/* U-labels may be shown as A-labels. */
	if (!idna_is_ascii(from))
		return;
	for (; *is != '\0' && *from != '\0'; is++, from++) {
		unsigned char c = (unsigned char)*from;

		require(*is == *from || (*is == '?' && (c < 0x20 || c == 0x7f)),
		    "another domain", whole, shown);
	}
	require(*is == *from, "another domain", whole, shown);
}

static void
expect_spf(const struct authres_ref *r, size_t *at, const struct message *m,
    const struct spf_result *spf)
{
	const struct authres_ref_result *next;

	if (spf == NULL)
		return;
	next = expect(r, at, "spf", spf_outcome_text(spf->result));
	if (spf->scope == SPF_MFROM && !message_is_utf8(m))
		check_domain(next->mailfrom,
		    m->sender[0] != '\0' ? m->sender : spf->domain);
}

/* Every fact of the message stands there, once, and nothing else. */
static void
check_results(const struct message *m, const char *value)
{
	struct authres_ref *r = calloc(1, sizeof(*r));
	struct arena a;
	size_t at = 0;

	arena_init(&a);
	require(r != NULL && authres_ref_read(&a, value, r),
	    "not RFC 8601's grammar", AR, value);
	expect_spf(r, &at, m, m->spf);
	if (m->spf_helo != m->spf && m->spf_helo->domain[0] != '\0')
		expect_spf(r, &at, m, m->spf_helo);
	if (m->dkim != NULL && m->dkim->count == 0)
		expect(r, &at, "dkim", "none");
	for (size_t i = 0; m->dkim != NULL && i < m->dkim->count; i++)
		expect(r, &at, "dkim",
		    dkim_status_word(m->dkim->list[i].status));
	if (m->dmarc != NULL)
		check_domain(expect(r, &at, "dmarc",
				 dmarc_outcome_word(m->dmarc->result))
				 ->from,
		    m->dmarc->domain);
	if (m->iprev != NULL)
		expect(r, &at, "iprev", iprev_word(m->iprev->status));
	require(at == r->count, "a result that nobody found", AR, value);
	arena_fini(&a);
	free(r);
}

/* Of all fields that leave, how many could pass for one of that id? */
static size_t
count_claims(const struct hdr_list *leaving, const char *id)
{
	size_t n = 0;

	for (const struct hdr *h = leaving->first; h != NULL; h = h->next)
		n += hdr_is(h, AR) &&
		    authres_ref_claims(h->value, h->value_len, id);
	return n;
}

static void
check_authres(struct message *m, const char *id)
{
	const char *host = m->session->host;
	const struct edit *ours = NULL;
	struct hdr_list leaving;

	for (const struct edit *e = m->edits.first; e != NULL; e = e->next) {
		if (e->op == EDIT_DELETE || strcasecmp(e->name, AR) != 0)
			continue;
		require(e->op == EDIT_INSERT && ours == NULL, "two of ours",
		    AR, e->value);
		ours = e;
	}
	require((ours != NULL) == (m->direction == DIRECTION_INBOUND),
	    "not one of ours", AR, ours == NULL ? "" : ours->value);
	if (ours == NULL)
		return;
	check_results(m, ours->value);
	if (edit_result(&m->headers, &m->edits, &m->arena, &leaving) != 0)
		abort();
	id = id != NULL ? id : host;
	if (id == NULL)
		return;
	require(authres_ref_claims(ours->value, strlen(ours->value), id),
	    "another id", AR, ours->value);
	require(count_claims(&leaving, id) == 1, "a forged one stays", AR, id);
	/* Ours may have the MTA's name with another case or final dot. */
	if (host != NULL)
		require(count_claims(&leaving, host) ==
			authres_ref_claims(
			    ours->value, strlen(ours->value), host),
		    "one of the MTA's name stays", AR, host);
}

/* Nobody reads another author than the one who passed. */
static void
check_author(const struct message *m)
{
	if (m->dmarc != NULL && m->dmarc->result == DMARC_PASS &&
	    m->dmarc->authors == 1)
		require(author_ref_only(&m->headers, m->dmarc->domain),
		    "a pass for one of several", "From", m->dmarc->domain);
}

void
outgoing_edits(struct message *m, const char *id)
{
	for (const struct edit *e = m->edits.first; e != NULL; e = e->next)
		check_edit(m, e);
	if (m->session->snap->verifies)
		check_authres(m, id);
	check_author(m);
}

/* -- replies -- */

void
outgoing_verdict(const struct verdict *v)
{
	const char *word = verdict_word(v->action), *xcode;
	char text[VERDICT_TEXT_SIZE];
	int code, kind = v->action == VERDICT_REJECT ? 5 : 4;
	char class[3] = {(char)('0' + kind), '.'};

	require(v->action != VERDICT_ERROR, "an error is no answer", word, "");
	require((v->action != VERDICT_NONE) == (v->by != NULL),
	    "by whom, if and only if it says something", word, v->by);
	if (!verdict_reply(v, &code, &xcode, text))
		return;
	require(code / 100 == kind && strncmp(xcode, class, 2) == 0,
	    "another code than the action's", word, xcode);
	for (const char *p = text; *p != '\0'; p++)
		require(*p >= 0x20 && *p < 0x7f, "an odd octet", word, text);
	require(strlen("550  \r\n") + strlen(xcode) + strlen(text) <=
		REPLY_LINE_MAX,
	    "too long for SMTP", word, text);
}
