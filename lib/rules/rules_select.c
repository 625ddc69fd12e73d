/*
 * Selectors: From:addr, ALL, ToCc:raw ... and what they give
 * (Mail::SpamAssassin::PerMsgStatus, get).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/rules/rules_address.h"
#include "lib/rules/rules_impl.h"
#include "lib/text/ascii.h"
#include "lib/text/encoded_word.h"

#define FIELD_NAME_MAX 200
#define MODIFIERS_MAX 2
#define HOST_TEXT_MAX 253

/* -- what is written -- */

static const struct {
	const char *word;
	unsigned bits;
} modifiers[] = {
    {"raw", SELECT_RAW},
    {"addr", SELECT_ADDR},
    {"name", SELECT_NAME},
    {"host", SELECT_HOST},
    {"domain", SELECT_HOST | SELECT_DOMAIN},
    {"ip", SELECT_IP},
    {"revip", SELECT_IP | SELECT_REVIP},
    {"first", SELECT_FIRST},
    {"last", SELECT_LAST},
};

#define MODIFIERS (sizeof(modifiers) / sizeof(*modifiers))

/* Names with a meaning of their own; those with `exact` in that case only. */
static const struct {
	const char *name;
	enum selector_source source;
	bool exact;
} sources[] = {
    {"ALL", SELECT_ALL, true},
    {"ALL-TRUSTED", SELECT_ALL_TRUSTED, true},
    {"ALL-UNTRUSTED", SELECT_ALL_UNTRUSTED, true},
    {"ALL-INTERNAL", SELECT_ALL_INTERNAL, true},
    {"ALL-EXTERNAL", SELECT_ALL_EXTERNAL, true},
    {"MESSAGEID", SELECT_MESSAGEID, true},
    {"EnvelopeFrom", SELECT_ENVELOPE_FROM, false},
    {"ToCc", SELECT_TOCC, false},
    {"X-Spam-Relays-Trusted", SELECT_RELAYS, false},
    {"X-Spam-Relays-Untrusted", SELECT_RELAYS, false},
    {"X-Spam-Relays-Internal", SELECT_RELAYS, false},
    {"X-Spam-Relays-External", SELECT_RELAYS, false},
};

#define SOURCES (sizeof(sources) / sizeof(*sources))
#define RELAYS_PREFIX "x-spam-relays-"

static bool
parse_modifiers(const char *text, unsigned *bits_r)
{
	unsigned count = 0;

	*bits_r = 0;
	while (*text == ':' && text[1] != '\0') {
		size_t len = strcspn(text + 1, ":");
		size_t i = 0;

		while (i < MODIFIERS &&
		    (strncmp(modifiers[i].word, text + 1, len) != 0 ||
			modifiers[i].word[len] != '\0'))
			i++;
		if (i == MODIFIERS || ++count > MODIFIERS_MAX)
			return false;
		*bits_r |= modifiers[i].bits;
		text += 1 + len;
	}
	return *text == '\0' || (count == 0 && text[1] == '\0');
}

static bool
parse_selector(struct arena *a, const char *text, struct selector *s)
{
	size_t len = strcspn(text, ":");
	char name[FIELD_NAME_MAX + 1];

	if (len == 0 || len > FIELD_NAME_MAX ||
	    !parse_modifiers(text + len, &s->modifiers))
		return false;
	memcpy(name, text, len);
	name[len] = '\0';
	s->source = SELECT_FIELD;
	for (size_t i = 0; i < SOURCES; i++) {
		if (sources[i].exact ? strcmp(sources[i].name, name) == 0
				     : strcasecmp(sources[i].name, name) == 0)
			s->source = sources[i].source;
	}
	for (size_t i = 0; i < len; i++) {
		if (!ascii_word(name[i]) && name[i] != '-' && name[i] != '.')
			return false;
		name[i] = ascii_lower(name[i]);
	}
	s->field = arena_strdup(a,
	    s->source == SELECT_RELAYS ? name + strlen(RELAYS_PREFIX) : name);
	return s->field != NULL;
}

const struct selector *
rules_selector(
    struct arena *a, struct selector **list, size_t *count, const char *text)
{
	struct selector *s = arena_alloc(a, sizeof(*s));

	if (s == NULL || !parse_selector(a, text, s))
		return NULL;
	for (const struct selector *o = *list; o != NULL; o = o->next) {
		if (o->source == s->source && o->modifiers == s->modifiers &&
		    strcmp(o->field, s->field) == 0)
			return o;
	}
	s->number = (*count)++;
	s->next = *list;
	*list = s;
	return s;
}

/* -- where the text comes from -- */

static int
take_field(struct view *v, struct view_field *f, bool raw, struct pieces *p)
{
	int rc = raw ? 0 : view_decode(v, f);
	const struct rules_text *t = raw ? &f->raw : &f->decoded;

	return rc != 0 ? rc : pieces_add(p, v->in->arena, t->data, t->len);
}

static int
take_fields(struct view *v, const char *name, bool raw, struct pieces *p)
{
	struct view_field *f = NULL;
	int rc = 0;

	while (rc == 0 && (f = view_next(v, name, f)) != NULL)
		rc = take_field(v, f, raw, p);
	return rc;
}

/* A raw value with its folds as one space each (get_header, raw). */
static int
unfold(struct view *v, struct pieces *p)
{
	for (struct piece *one = p->first; one != NULL; one = one->next) {
		char *copy = arena_alloc(v->in->arena, one->text.len + 1);
		size_t to = 0;

		if (copy == NULL)
			return ERR_NOMEM;
		for (size_t i = 0; i < one->text.len; i++) {
			const char *s = one->text.data;

			if (s[i] != '\n' || i + 1 == one->text.len ||
			    !ascii_space(s[i + 1])) {
				copy[to++] = s[i];
				continue;
			}
			copy[to++] = ' ';
			while (i + 1 < one->text.len && ascii_space(s[i + 1]))
				i++;
		}
		one->text = (struct rules_text){copy, to};
	}
	return 0;
}

/* `Name: value`, or `Name:value` as it was sent. */
static int
take_whole(struct view *v, struct view_field *f, bool raw, struct pieces *p)
{
	struct rules_text value;
	int rc = raw ? 0 : view_decode(v, f);
	char *text;

	if (rc != 0)
		return rc;
	value = raw ? f->raw : f->decoded;
	text = arena_printf(v->in->arena, "%.*s:%s%.*s", (int)f->name_len,
	    f->name, raw ? "" : " ", (int)value.len, value.data);
	if (text == NULL)
		return ERR_NOMEM;
	/* A NUL inside would end it early: what is behind is lost to rules. */
	return pieces_add(p, v->in->arena, text, strlen(text));
}

/* Fields from the Received number `from` on, up to number `to` and that one; 0
 * is what stands above the first. */
static int
take_range(struct view *v, bool raw, size_t from, size_t to, struct pieces *p)
{
	size_t received = 0, total = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < v->count; i++) {
		struct view_field *f = &v->fields[i];
		bool counts = ascii_is(f->name, f->name_len, "received");

		if (f->hidden && !raw)
			continue;
		received += counts;
		if (received < from)
			continue;
		if (received > to || (received == to && !counts))
			break;
		rc = take_whole(v, f, raw, p);
		if (rc == 0 &&
		    (total += p->last->text.len) > RULES_HEADER_MAX) {
			/* SpamAssassin leaves that one out as well. */
			p->last->text.len = 0;
			break;
		}
	}
	return rc;
}

/* So many Received fields, from the top, stand above that of the relay. */
static size_t
fields_above(const struct relays *r, size_t relay)
{
	if (relay >= r->count)
		return SIZE_MAX - 1;
	return r->list[relay].field == 0 ? 0 : r->list[relay].field - 1;
}

static int
take_all(struct view *v, const struct selector *s, struct pieces *p)
{
	bool raw = s->modifiers & SELECT_RAW;
	const struct relays *r;
	size_t trusted, internal;

	if (s->source == SELECT_ALL)
		return take_range(v, raw, 0, SIZE_MAX, p);
	r = view_relays(v);
	if (r == NULL)
		return ERR_NOMEM;
	trusted = fields_above(r, r->trusted);
	internal = fields_above(r, r->internal);
	switch (s->source) {
	case SELECT_ALL_TRUSTED:
		return take_range(v, raw, 0, trusted + 1, p);
	case SELECT_ALL_INTERNAL:
		return take_range(v, raw, 0, internal + 1, p);
	case SELECT_ALL_UNTRUSTED:
		return take_range(v, raw, trusted + 1, SIZE_MAX, p);
	default:
		return take_range(v, raw, internal + 1, SIZE_MAX, p);
	}
}

static int
take_relays(struct view *v, const char *which, struct pieces *p)
{
	const struct relays *r = view_relays(v);
	const char *text;

	if (r == NULL)
		return ERR_NOMEM;
	if (strcmp(which, "trusted") == 0)
		text = r->text_trusted;
	else if (strcmp(which, "untrusted") == 0)
		text = r->text_untrusted;
	else if (strcmp(which, "internal") == 0)
		text = r->text_internal;
	else
		text = r->text_external;
	return pieces_add(p, v->in->arena, text, strlen(text));
}

static int
take_message_ids(struct view *v, bool raw, struct pieces *p)
{
	static const char *const names[] = {"x-message-id",
	    "resent-message-id", "x-original-message-id", "message-id"};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 4; i++)
		rc = take_fields(v, names[i], raw, p);
	return rc != 0 || !raw ? rc : unfold(v, p);
}

/* -- the envelope's sender -- */

/* The first address of the topmost field of that name. */
static int
first_address(struct view *v, const char *name, struct rules_text *text_r)
{
	struct view_field *f = view_next(v, name, NULL);
	struct address *list = NULL;
	int rc = 0;

	*text_r = (struct rules_text){0};
	if (f != NULL)
		rc = addresses_read(v->rules->addresses, v->in->arena,
		    f->raw.data, f->raw.len, &list);
	while (list != NULL && list->address.data == NULL)
		list = list->next;
	if (list != NULL)
		*text_r = list->address;
	return rc;
}

/* Does a Received field stand above one of that name? */
static bool
is_below_received(const struct view *v, const char *name)
{
	const struct view_field *r = view_next(v, "received", NULL);

	return r != NULL && view_next(v, name, r) != NULL;
}

static bool
has_fetchmail(const struct view *v)
{
	const struct view_field *f = NULL;

	while ((f = view_next(v, "received", f)) != NULL) {
		if (memmem(f->raw.data, f->raw.len, "(fetchmail", 10) != NULL)
			return true;
	}
	return false;
}

static int
guess_from_relays(struct view *v, struct rules_text *text_r)
{
	const struct relays *r = view_relays(v);
	const struct relay *relay;
	const char *at;

	*text_r = (struct rules_text){0};
	if (r == NULL)
		return ERR_NOMEM;
	relay = relays_first_untrusted(r);
	if (relay == NULL && r->trusted > 0)
		relay = &r->list[r->trusted - 1];
	at = relay == NULL ? NULL : strchr(relay->envfrom, '@');
	if (at != NULL && at != relay->envfrom)
		*text_r = (struct rules_text){
		    relay->envfrom, strlen(relay->envfrom)};
	return 0;
}

/* As SpamAssassin, which does not know it either, guesses it. */
static int
guess_sender(struct view *v, struct rules_text *text_r)
{
	static const char *const names[] = {
	    "x-envelope-from", "envelope-sender", "return-path"};
	int rc = guess_from_relays(v, text_r);

	if (rc != 0 || text_r->data != NULL)
		return rc;
	rc = first_address(v, "x-sender", text_r);
	if (rc == 0 && text_r->data != NULL && has_fetchmail(v)) {
		text_r->data = NULL;
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < 3; i++) {
		rc = first_address(v, names[i], text_r);
		if (rc != 0 || text_r->data == NULL)
			continue;
		if (!is_below_received(v, names[i]))
			return 0;
		text_r->data = NULL;
		if (i == 0)
			return 0;
	}
	text_r->data = NULL;
	return rc;
}

static int
take_sender(struct view *v, struct pieces *p)
{
	struct rules_text text = {0};
	int rc = 0;

	if (v->in->sender != NULL)
		text = (struct rules_text){
		    v->in->sender, strlen(v->in->sender)};
	else
		rc = guess_sender(v, &text);
	if (rc != 0 || text.data == NULL)
		return rc;
	return pieces_add(p, v->in->arena, text.data, text.len);
}

static int
take_source(struct view *v, const struct selector *s, struct pieces *p)
{
	bool raw = s->modifiers & SELECT_RAW;
	int rc;

	switch (s->source) {
	case SELECT_FIELD:
		return take_fields(v, s->field,
		    s->modifiers & (SELECT_RAW | SELECT_ADDR | SELECT_NAME), p);
	case SELECT_TOCC:
		rc = take_fields(v, "to", raw, p);
		if (rc == 0)
			rc = take_fields(v, "cc", raw, p);
		return rc != 0 || !raw ? rc : unfold(v, p);
	case SELECT_RELAYS:
		return take_relays(v, s->field, p);
	case SELECT_ENVELOPE_FROM:
		return take_sender(v, p);
	case SELECT_MESSAGEID:
		return take_message_ids(v, raw, p);
	default:
		return take_all(v, s, p);
	}
}

/* -- what is made of it -- */

/* White space as one space, none at the ends, no quotes around it. */
static void
tidy_name(struct buf *b)
{
	size_t to = 0, from = 0;

	while (from < b->len && ascii_space(b->data[from]))
		from++;
	if (from == b->len)
		return;
	for (; from < b->len; from++) {
		if (!ascii_space(b->data[from]))
			b->data[to++] = b->data[from];
		else if (to > 0 && b->data[to - 1] != ' ')
			b->data[to++] = ' ';
	}
	if (to > 0 && b->data[to - 1] == ' ')
		to--;
	if (to >= 2 && b->data[0] == '\'' && b->data[to - 1] == '\'') {
		to -= 2;
		memmove(b->data, b->data + 1, to);
	}
	b->len = to;
}

static int
add_name(struct view *v, const struct rules_text *phrase, bool raw,
    struct pieces *out)
{
	struct buf b = BUF_INIT;
	char *copy;
	size_t len;

	if (raw)
		return pieces_add(
		    out, v->in->arena, phrase->data, phrase->len);
	encoded_word_decode(&b, "name", 4, phrase->data, phrase->len);
	tidy_name(&b);
	copy = b.failed
		   ? NULL
		   : arena_memdup(v->in->arena, b.len ? b.data : "", b.len);
	len = b.len;
	buf_fini(&b);
	return copy == NULL ? ERR_NOMEM
			    : pieces_add(out, v->in->arena, copy, len);
}

static int
to_addresses(struct view *v, unsigned bits, struct pieces *p)
{
	struct pieces out = {0};
	int rc = 0;

	for (struct piece *one = p->first; rc == 0 && one != NULL;
	     one = one->next) {
		struct address *list;

		rc = addresses_read(v->rules->addresses, v->in->arena,
		    one->text.data, one->text.len, &list);
		for (; rc == 0 && list != NULL; list = list->next) {
			if (bits & SELECT_ADDR && list->address.data != NULL)
				rc = pieces_add(&out, v->in->arena,
				    list->address.data, list->address.len);
			else if (!(bits & SELECT_ADDR) &&
			    list->phrase.data != NULL)
				rc = add_name(v, &list->phrase,
				    bits & SELECT_RAW, &out);
		}
	}
	*p = out;
	return rc;
}

static bool
is_host_letter(char c)
{
	return ascii_word(c) || c == '-' || c == '.';
}

/* The last label has letters only, or is punycode: what a top-level domain
 * looks like. */
static bool
is_host(const char *s, size_t len)
{
	const char *dot = memrchr(s, '.', len);
	size_t label;

	if (dot == NULL || !address_host_valid(s, len))
		return false;
	label = len - (size_t)(dot + 1 - s);
	if (label >= 4 && ascii_starts(dot + 1, label, "xn--"))
		return true;
	for (size_t i = 0; i < label; i++) {
		if (!ascii_alpha(dot[1 + i]))
			return false;
	}
	return label >= 2;
}

/* The host behind the last `@`, or else the first that stands there. */
static struct rules_text
find_host(struct rules_text t, bool address)
{
	const char *end = t.data + t.len;
	const char *at = memrchr(t.data, '@', t.len);
	struct rules_text host = {0};

	if (at != NULL) {
		const char *p = ++at;

		while (p < end &&
		    (address ? !ascii_space(*p) : is_host_letter(*p)))
			p++;
		while (!address && p > at && p[-1] == '.')
			p--;
		host = (struct rules_text){at, (size_t)(p - at)};
		if (address ? host.len > 0 : is_host(at, host.len))
			return host;
	}
	for (const char *p = t.data; !address && p < end; p++) {
		const char *begin = p;

		while (p < end && is_host_letter(*p))
			p++;
		host = (struct rules_text){begin, (size_t)(p - begin)};
		while (host.len > 0 && begin[host.len - 1] == '.')
			host.len--;
		if (host.len <= HOST_TEXT_MAX && is_host(begin, host.len))
			return host;
	}
	return (struct rules_text){0};
}

static int
to_hosts(struct view *v, unsigned bits, struct pieces *p)
{
	struct pieces out = {0};
	int rc = 0;

	for (struct piece *one = p->first; rc == 0 && one != NULL;
	     one = one->next) {
		struct rules_text h =
		    find_host(one->text, bits & SELECT_ADDR);

		if (h.data != NULL)
			rc = pieces_add(&out, v->in->arena, h.data, h.len);
	}
	*p = out;
	return rc;
}

bool
rules_find_ip(struct rules_text t, char *ip, size_t size)
{
	unsigned char octets[16];

	for (size_t i = 0; i < t.len; i++) {
		size_t n = 0;

		if (i > 0 && (ascii_word(t.data[i - 1]) ||
				 strchr(".:", t.data[i - 1]) != NULL))
			continue;
		while (i + n < t.len && n < size - 1 &&
		    (ascii_hex(t.data[i + n]) >= 0 ||
			strchr(".:", t.data[i + n]) != NULL) &&
		    t.data[i + n] != '\0') {
			ip[n] = t.data[i + n];
			n++;
		}
		while (n > 0 && ip[n - 1] == ':' && (n < 2 || ip[n - 2] != ':'))
			n--;
		ip[n] = '\0';
		if (n > 0 && (inet_pton(AF_INET, ip, octets) == 1 ||
				 inet_pton(AF_INET6, ip, octets) == 1))
			return true;
	}
	return false;
}

static void
reverse_ip(const char *ip, char *out, size_t size)
{
	unsigned char o[16];
	size_t n = 0;

	if (inet_pton(AF_INET, ip, o) == 1) {
		snprintf(out, size, "%u.%u.%u.%u", o[3], o[2], o[1], o[0]);
		return;
	}
	if (inet_pton(AF_INET6, ip, o) != 1)
		return;
	for (int i = 15; i >= 0 && n + 5 <= size; i--)
		n += (size_t)snprintf(out + n, size - n, "%s%x.%x",
		    i == 15 ? "" : ".", o[i] & 15, o[i] >> 4);
}

static int
to_ips(struct view *v, unsigned bits, struct pieces *p)
{
	struct pieces out = {0};
	int rc = 0;

	for (struct piece *one = p->first; rc == 0 && one != NULL;
	     one = one->next) {
		char ip[INET6_ADDRSTRLEN], reversed[72] = "";
		char *copy;

		if (!rules_find_ip(one->text, ip, sizeof(ip)))
			continue;
		if (bits & SELECT_REVIP)
			reverse_ip(ip, reversed, sizeof(reversed));
		copy = arena_strdup(
		    v->in->arena, bits & SELECT_REVIP ? reversed : ip);
		rc = copy == NULL
		    ? ERR_NOMEM
		    : pieces_add(&out, v->in->arena, copy, strlen(copy));
	}
	*p = out;
	return rc;
}

static void
choose(struct pieces *p, unsigned bits)
{
	if (p->count < 2)
		return;
	if (bits & SELECT_FIRST)
		p->last = p->first;
	else if (bits & SELECT_LAST)
		p->first = p->last;
	else
		return;
	p->first->next = NULL;
	p->count = 1;
}

/* Pieces that end their lines stand as they are, others get a "\n" between. */
static int
join(struct arena *a, const struct pieces *p, struct rules_text *text_r)
{
	const struct rules_text *first = &p->first->text;
	bool ended = first->len > 0 && first->data[first->len - 1] == '\n';
	size_t len = 0;
	char *text, *to;

	if (p->count == 1) {
		*text_r = *first;
		return 0;
	}
	for (const struct piece *one = p->first; one != NULL; one = one->next)
		len += one->text.len + 1;
	text = to = arena_alloc(a, len + 1);
	if (text == NULL)
		return ERR_NOMEM;
	for (const struct piece *one = p->first; one != NULL; one = one->next) {
		if (one != p->first && !ended)
			*to++ = '\n';
		memcpy(to, one->text.data, one->text.len);
		to += one->text.len;
	}
	*text_r = (struct rules_text){text, (size_t)(to - text)};
	return 0;
}

static int
gather(struct view *v, const struct selector *s, struct rules_text *text_r)
{
	struct pieces p = {0};
	int rc = take_source(v, s, &p);

	choose(&p, s->modifiers);
	if (rc == 0 && s->modifiers & (SELECT_ADDR | SELECT_NAME))
		rc = to_addresses(v, s->modifiers, &p);
	if (rc == 0 && s->modifiers & SELECT_HOST)
		rc = to_hosts(v, s->modifiers, &p);
	else if (rc == 0 && s->modifiers & SELECT_IP)
		rc = to_ips(v, s->modifiers, &p);
	if (rc == 0 && p.count > 0)
		rc = join(v->in->arena, &p, text_r);
	return rc;
}

struct view_value *
rules_selected(struct view *v, const struct selector *s)
{
	struct view_value *value = &v->values[s->number];

	if (!value->done && gather(v, s, &value->text) != 0)
		return NULL;
	value->done = true;
	return value;
}

int
rules_gather(struct view *v, const char *selector, struct rules_text *text_r)
{
	struct selector s = {0};

	*text_r = (struct rules_text){0};
	if (!parse_selector(v->in->arena, selector, &s))
		return ERR_SYNTAX;
	if (gather(v, &s, text_r) != 0)
		return ERR_NOMEM;
	if (text_r->data == NULL)
		text_r->data = "";
	return 0;
}

int
rules_select(const struct rules *r, const char *selector,
    const struct rules_input *in, struct rules_text *text_r)
{
	struct selector *list = NULL;
	size_t count = 0;
	const struct selector *s =
	    rules_selector(in->arena, &list, &count, selector);
	const struct view_value *value;
	struct view *v;

	if (s == NULL)
		return ERR_SYNTAX;
	v = view_new(in, r, count);
	value = v == NULL ? NULL : rules_selected(v, s);
	if (value == NULL)
		return ERR_NOMEM;
	*text_r = value->text;
	return 0;
}
