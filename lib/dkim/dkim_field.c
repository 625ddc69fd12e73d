/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_field.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_sign_impl.h"
#include "lib/dkim/dkim_tags.h"
#include "lib/dns/idna.h"
#include "lib/mail/hdr.h"

#define FIELD_OCTETS 32768 /* of the field; the engine stumbles over 64 K */
#define NAMES_OCTETS 4000 /* of an h= as it stands; the engine reads no more */
#define NAME_MAX_LEN 253  /* of a domain name */
#define TIME_DIGITS 12    /* RFC 6376 section 3.5 */
#define LENGTH_DIGITS 76  /* likewise */
#define B_SIZE 8          /* characters of b= that name it (RFC 6008) */

/* The work on one field. */
struct work {
	struct arena *arena;
	const struct dkim_policy *policy;
	struct dkim_field *f;
	struct dkim_tags tags;
	int error;
};

void
dkim_field_fault(struct dkim_field *f, enum dkim_status status,
    enum dkim_cause cause, const char *words)
{
	if (f->verdict.reason != NULL)
		return;
	f->verdict.status = status;
	f->verdict.cause = cause;
	f->verdict.reason = words;
}

bool
dkim_field_ok(const struct hdr *h)
{
	const char *v = h->value;

	if (!dkim_sign_name_ok(h->name, hdr_name_len(h)) ||
	    memchr(v, '\0', h->value_len) != NULL)
		return false;
	for (size_t i = 0; i < h->value_len; i++) {
		bool last = i + 1 == h->value_len;

		if (v[i] == '\r' && (last || v[i + 1] != '\n'))
			return false;
		if (v[i] == '\n' &&
		    (last || (v[i + 1] != ' ' && v[i + 1] != '\t')))
			return false;
	}
	return true;
}

static void
malformed(struct work *w, const char *words)
{
	dkim_field_fault(
	    w->f, DKIM_STATUS_PERMERROR, DKIM_CAUSE_SIGNATURE, words);
}

/* A tag that must be there, without white space. */
static const char *
want(struct work *w, const char *name, const char *missing)
{
	const struct dkim_tag *t = dkim_tags_find(&w->tags, name);
	char *text;

	if (t == NULL || t->value_len == 0) {
		malformed(w, missing);
		return NULL;
	}
	text = dkim_tag_text(t, w->arena);
	if (text == NULL)
		w->error = ERR_NOMEM;
	return text;
}

static void
lower(char *s)
{
	for (; *s != '\0'; s++)
		*s = (char)tolower((unsigned char)*s);
}

/* A name in A-labels (RFC 8616 section 5); NULL: it is none. */
static const char *
alabels(struct work *w, const char *name)
{
	if (idna_alabels(w->arena, name, &name) == ERR_NOMEM)
		w->error = ERR_NOMEM;
	return name != NULL && dkim_sign_domain_ok(name) ? name : NULL;
}

static void
take_domain(struct work *w)
{
	struct dkim_verdict *v = &w->f->verdict;
	const char *d = want(w, "d", "the signature has no d=");
	const char *s = want(w, "s", "the signature has no s=");
	char *copy;

	if (d == NULL || s == NULL)
		return;
	d = alabels(w, d);
	s = alabels(w, s);
	if (d == NULL) {
		malformed(w, "the signature's d= is not a domain name");
		return;
	}
	if (s == NULL) {
		malformed(w, "the signature's s= is not a selector");
		return;
	}
	copy = arena_strdup(w->arena, d);
	v->selector = s;
	w->f->key_name = arena_printf(w->arena, "%s._domainkey.%s", s, d);
	if (copy == NULL || w->f->key_name == NULL) {
		w->error = ERR_NOMEM;
		return;
	}
	lower(copy);
	v->domain = copy;
	if (strlen(w->f->key_name) > NAME_MAX_LEN)
		malformed(w, "the key's name is too long");
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0'
	    : c >= 'A' && c <= 'F'  ? c - 'A' + 10
				    : -1;
}

/* dkim-quoted-printable (section 2.11), in place; false: it is not. */
static bool
unquote(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		int high, low;

		if (*p != '=') {
			*to++ = *p;
			continue;
		}
		high = hex(p[1]);
		low = high < 0 ? -1 : hex(p[2]);
		if (low < 0 || high * 16 + low == 0)
			return false;
		*to++ = (char)(high * 16 + low);
		p += 2;
	}
	*to = '\0';
	return true;
}

/* Section 3.5, i=: in d= or below it. */
static bool
is_within(const char *name, const char *d)
{
	size_t len = strlen(name), d_len = strlen(d);

	return len >= d_len && strcasecmp(name + len - d_len, d) == 0 &&
	    (len == d_len || name[len - d_len - 1] == '.');
}

/* i=, its domain in A-labels, if that is where it may be. */
static void
check_identity(struct work *w, const char *identity)
{
	const char *at = strrchr(identity, '@'), *d = w->f->verdict.domain;
	const char *name = at == NULL ? NULL : alabels(w, at + 1);

	if (name == NULL || !is_within(name, d)) {
		malformed(w, "the signature's i= is not in its d=");
		return;
	}
	w->f->subdomain = strlen(name) > strlen(d);
	if (w->f->verdict.reason != NULL)
		return;
	w->f->verdict.identity = arena_printf(
	    w->arena, "%.*s@%s", (int)(at - identity), identity, name);
	if (w->f->verdict.identity == NULL)
		w->error = ERR_NOMEM;
}

static void
take_identity(struct work *w)
{
	const struct dkim_tag *i = dkim_tags_find(&w->tags, "i");
	struct dkim_verdict *v = &w->f->verdict;
	char *text;

	if (v->domain == NULL)
		return;
	if (i == NULL) {
		v->identity = arena_printf(w->arena, "@%s", v->domain);
		if (v->identity == NULL)
			w->error = ERR_NOMEM;
		return;
	}
	if (i->value_len > DKIM_VERIFY_IDENTITY_MAX) {
		malformed(w, "the signature's i= is too long");
		return;
	}
	text = dkim_tag_text(i, w->arena);
	if (text == NULL) {
		w->error = ERR_NOMEM;
		return;
	}
	if (!unquote(text)) {
		malformed(w, "the signature's i= is malformed");
		return;
	}
	check_identity(w, text);
}

static void
take_algorithm(struct work *w)
{
	const char *a = want(w, "a", "the signature has no a=");

	w->f->verdict.algorithm = a;
	if (a == NULL)
		return;
	if (strcmp(a, "rsa-sha256") == 0)
		w->f->type = DKIM_KEY_RSA;
	else if (strcmp(a, "ed25519-sha256") == 0)
		w->f->type = DKIM_KEY_ED25519;
	else if (strcmp(a, "rsa-sha1") != 0)
		malformed(w, "the signature's algorithm is unknown");
}

/* RFC 8301 section 3.1 */
static void
refuse_weak(struct work *w)
{
	const char *a = w->f->verdict.algorithm;

	if (a != NULL && strcmp(a, "rsa-sha1") == 0)
		dkim_field_fault(w->f, DKIM_STATUS_POLICY, DKIM_CAUSE_WEAK,
		    "rsa-sha1 is not accepted any more");
}

static bool
canon(const char *word, size_t len, enum dkim_canon *canon_r)
{
	*canon_r = len == 7 ? DKIM_RELAXED : DKIM_SIMPLE;
	return len == 7 ? memcmp(word, "relaxed", 7) == 0
			: len == 6 && memcmp(word, "simple", 6) == 0;
}

static void
take_canon(struct work *w)
{
	const struct dkim_tag *c = dkim_tags_find(&w->tags, "c");
	const char *slash;
	size_t head;

	w->f->header = w->f->body = DKIM_SIMPLE;
	if (c == NULL)
		return;
	slash = memchr(c->value, '/', c->value_len);
	head = slash == NULL ? c->value_len : (size_t)(slash - c->value);
	if (!canon(c->value, head, &w->f->header) ||
	    (slash != NULL &&
		!canon(slash + 1, c->value_len - head - 1, &w->f->body)))
		malformed(w, "the signature's canonicalization is unknown");
}

/* h= taken apart in place. */
static void
split_names(struct work *w, char *text)
{
	const char **names = arena_alloc(
	    w->arena, (DKIM_VERIFY_NAMES_MAX + 1) * sizeof(*names));
	bool from = false;
	char *save;
	size_t n = 0;

	if (names == NULL) {
		w->error = ERR_NOMEM;
		return;
	}
	if (text[0] == ':' || text[strlen(text) - 1] == ':' ||
	    strstr(text, "::") != NULL) {
		malformed(w, "the signature's h= is malformed");
		return;
	}
	for (char *p = strtok_r(text, ":", &save); p != NULL;
	     p = strtok_r(NULL, ":", &save)) {
		if (n == DKIM_VERIFY_NAMES_MAX) {
			dkim_field_fault(w->f, DKIM_STATUS_NEUTRAL,
			    DKIM_CAUSE_LIMIT, "h= names too many fields");
			return;
		}
		if (!dkim_sign_name_ok(p, strlen(p)) ||
		    strcasecmp(p, DKIM_FIELD_SPARE) == 0) {
			malformed(w, "the signature's h= is malformed");
			return;
		}
		from |= strcasecmp(p, "From") == 0;
		names[n++] = p;
	}
	w->f->names = names;
	if (!from)
		malformed(w, "From is not signed");
}

static void
take_names(struct work *w)
{
	const struct dkim_tag *h = dkim_tags_find(&w->tags, "h");
	char *text;

	if (h == NULL || h->value_len == 0) {
		malformed(w, "the signature has no h=");
		return;
	}
	if (h->value_len > NAMES_OCTETS) {
		dkim_field_fault(w->f, DKIM_STATUS_NEUTRAL, DKIM_CAUSE_LIMIT,
		    "h= names too many fields");
		return;
	}
	text = dkim_tag_text(h, w->arena);
	if (text == NULL)
		w->error = ERR_NOMEM;
	else
		split_names(w, text);
}

/* A number of at most so many digits; what exceeds 64 bits is the greatest
 * there is.  false: it is none. */
static bool
number(const struct dkim_tag *t, size_t digits, uint64_t *n_r)
{
	*n_r = 0;
	if (t->value_len == 0 || t->value_len > digits)
		return false;
	for (size_t i = 0; i < t->value_len; i++) {
		unsigned d = (unsigned)(t->value[i] - '0');

		if (d > 9)
			return false;
		*n_r = *n_r > (UINT64_MAX - d) / 10 ? UINT64_MAX
						    : *n_r * 10 + d;
	}
	return true;
}

static void
take_times(struct work *w)
{
	const struct dkim_tag *t = dkim_tags_find(&w->tags, "t");
	const struct dkim_tag *x = dkim_tags_find(&w->tags, "x");
	uint64_t at = 0, until = UINT64_MAX;
	uint64_t now = (uint64_t)w->policy->now;
	uint64_t drift = (uint64_t)w->policy->drift;

	if ((t != NULL && !number(t, TIME_DIGITS, &at)) ||
	    (x != NULL && !number(x, TIME_DIGITS, &until))) {
		malformed(w, "the signature's time is malformed");
		return;
	}
	if (t != NULL && x != NULL && until <= at)
		malformed(w, "the signature expires before it was made");
	else if (t != NULL && at > now + drift)
		dkim_field_fault(w->f, DKIM_STATUS_POLICY, DKIM_CAUSE_EXPIRED,
		    "the signature is from the future");
	else if (x != NULL && until < UINT64_MAX - drift &&
	    until + drift < now)
		dkim_field_fault(w->f, DKIM_STATUS_POLICY, DKIM_CAUSE_EXPIRED,
		    "the signature has expired");
}

static void
take_rest(struct work *w)
{
	const struct dkim_tag *v = dkim_tags_find(&w->tags, "v");
	const struct dkim_tag *q = dkim_tags_find(&w->tags, "q");
	const struct dkim_tag *l = dkim_tags_find(&w->tags, "l");

	if (v == NULL || !dkim_tag_is(v, "1"))
		malformed(w, "the signature is of an unknown version");
	if (q != NULL && !dkim_tag_has(q, "dns/txt"))
		malformed(w, "the signature's key is not in the DNS");
	w->f->limited = l != NULL;
	if (l != NULL && !number(l, LENGTH_DIGITS, &w->f->length))
		malformed(w, "the signature's l= is malformed");
	else if (l != NULL && w->f->length > INT64_MAX)
		malformed(w, "the signature's l= is longer than the body");
}

static void
take_body_hash(struct work *w)
{
	const struct dkim_tag *t = dkim_tags_find(&w->tags, "bh");
	unsigned char *bytes;
	size_t len;
	int rc;

	if (t == NULL || t->value_len == 0) {
		malformed(w, "the signature has no bh=");
		return;
	}
	rc = dkim_tag_base64(t, w->arena, &bytes, &len);
	if (rc == ERR_NOMEM)
		w->error = rc;
	else if (rc != 0 || len != DKIM_BODY_HASH_SIZE)
		malformed(w, "the signature's bh= is malformed");
	else
		memcpy(w->f->body_hash, bytes, len);
}

/* Where the value of b= is, and the white space around it. */
static void
find_b(struct work *w, const struct hdr *h)
{
	const struct dkim_tag *t = dkim_tags_find(&w->tags, "b");
	const char *end = h->value + h->value_len, *p;

	if (t == NULL)
		return;
	for (p = t->value; p[-1] != '='; p--)
		;
	w->f->b_at = (size_t)(p - h->value);
	for (p = t->value + t->value_len; p < end && *p != ';'; p++)
		;
	w->f->b_end = (size_t)(p - h->value);
}

static void
take_signature(struct work *w)
{
	const struct dkim_tag *t = dkim_tags_find(&w->tags, "b");
	const char *text = want(w, "b", "the signature has no b=");
	unsigned char *bytes;
	int rc;

	if (text == NULL)
		return;
	w->f->verdict.b = arena_memdup(w->arena, text,
	    strlen(text) < B_SIZE ? strlen(text) : B_SIZE);
	rc = dkim_tag_base64(t, w->arena, &bytes, &w->f->sig_len);
	w->f->sig = bytes;
	if (rc == ERR_NOMEM || w->f->verdict.b == NULL)
		w->error = ERR_NOMEM;
	else if (rc != 0 || w->f->sig_len == 0)
		malformed(w, "the signature's b= is malformed");
}

/* The engine empties what stands behind the letter b and "=", directly; a
 * field in which that is not the b= tag alone would be hashed wrongly. */
static bool
b_is_plain(const struct dkim_tags *tags)
{
	for (size_t i = 0; i < tags->count; i++) {
		const struct dkim_tag *t = &tags->list[i];
		bool ends = t->name[t->name_len - 1] == 'b' && !t->spaced;

		if (ends != (t->name_len == 1 && t->name[0] == 'b'))
			return false;
	}
	return true;
}

int
dkim_field_read(struct arena *a, const struct hdr *h,
    const struct dkim_policy *policy, struct dkim_field *f_r)
{
	struct work w = {.arena = a, .policy = policy, .f = f_r};

	memset(f_r, 0, sizeof(*f_r));
	f_r->verdict.status = DKIM_STATUS_NEUTRAL;
	if (!dkim_field_ok(h) ||
	    dkim_tags_read(h->value, h->value_len, &w.tags) != 0) {
		malformed(&w, "the signature is malformed");
		return 0;
	}
	if (h->value_len > FIELD_OCTETS) {
		dkim_field_fault(f_r, DKIM_STATUS_NEUTRAL, DKIM_CAUSE_LIMIT,
		    "the signature is too long");
		return 0;
	}
	take_domain(&w);
	take_identity(&w);
	take_algorithm(&w);
	take_canon(&w);
	take_names(&w);
	take_rest(&w);
	take_body_hash(&w);
	take_signature(&w);
	refuse_weak(&w);
	find_b(&w, h);
	f_r->plain = f_r->verdict.reason == NULL && b_is_plain(&w.tags);
	for (size_t i = 0; i < h->value_len; i++)
		f_r->utf8 |= (unsigned char)h->value[i] >= 0x80;
	take_times(&w);
	if (!f_r->plain)
		dkim_field_fault(f_r, DKIM_STATUS_NEUTRAL, DKIM_CAUSE_LIMIT,
		    "the signature is written in a form that can't be "
		    "verified");
	return w.error;
}
