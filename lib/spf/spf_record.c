/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/spf/spf_record.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

#define VERSION "v=spf1"
#define BAD_MAX 60 /* octets of a wrong term worth showing */

enum arg { ARG_NONE, ARG_MAY, ARG_MUST };

static const struct {
	const char *name;
	enum spf_kind kind;
	enum arg spec;
	bool cidr;
} mechanisms[] = {
    {"all", SPF_ALL, ARG_NONE, false},
    {"include", SPF_INCLUDE, ARG_MUST, false},
    {"a", SPF_A, ARG_MAY, true},
    {"mx", SPF_MX, ARG_MAY, true},
    {"ptr", SPF_PTR, ARG_MAY, false},
    {"ip4", SPF_IP4, ARG_MUST, false},
    {"ip6", SPF_IP6, ARG_MUST, false},
    {"exists", SPF_EXISTS, ARG_MUST, false},
};

bool
spf_record_is(const void *text, size_t len)
{
	const char *s = text;
	size_t n = strlen(VERSION);

	return len >= n && strncasecmp(s, VERSION, n) == 0 &&
	    (len == n || s[n] == ' ');
}

/* toplabel (section 7.1): letters, digits, hyphens; not digits only. */
static bool
is_toplabel(const char *s, size_t len)
{
	bool letter = false;

	if (len == 0 || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)s[i]) && s[i] != '-')
			return false;
		letter |= !isdigit((unsigned char)s[i]);
	}
	return letter;
}

/* domain-spec = macro-string domain-end */
static bool
set_spec(struct spf_term *t, const char *s, size_t len)
{
	size_t end = len, dot;

	t->spec = s;
	t->spec_len = len;
	if (len == 0 || !spf_macro_check(s, len, false, &t->use))
		return false;
	if (t->use.any && t->use.tail == len)
		return true;
	if (s[end - 1] == '.')
		end--;
	for (dot = end; dot > t->use.tail && s[dot - 1] != '.'; dot--)
		;
	return dot > t->use.tail && is_toplabel(s + dot, end - dot);
}

/* A prefix length, without leading zeros: "" and > max are none. */
static int
parse_prefix(const char *s, size_t len, int max)
{
	int n = 0;

	if (len == 0 || len > 3 || (len > 1 && s[0] == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]))
			return -1;
		n = n * 10 + (s[i] - '0');
	}
	return n <= max ? n : -1;
}

/* Where digits with a slash before them begin at the end of s. */
static size_t
prefix_start(const char *s, size_t len)
{
	size_t i = len;

	while (i > 0 && isdigit((unsigned char)s[i - 1]))
		i--;
	return i > 0 && i < len && s[i - 1] == '/' ? i : 0;
}

/* dual-cidr-length at the end of s: [ "/" n ] [ "//" m ]; what is left is
 * *len_r long. */
static bool
take_prefixes(struct spf_term *t, const char *s, size_t *len_r)
{
	size_t len = *len_r, at = prefix_start(s, len);

	if (at >= 2 && s[at - 2] == '/') {
		t->prefix6 = parse_prefix(s + at, len - at, 128);
		len = at - 2;
		at = prefix_start(s, len);
	}
	if (at > 0) {
		t->prefix4 = parse_prefix(s + at, len - at, 32);
		len = at - 1;
	}
	*len_r = len;
	return t->prefix4 >= 0 && t->prefix6 >= 0;
}

/* Four numbers of up to 255 without leading zeros, which is stricter than
 * some inet_pton. */
static bool
parse_ip4(const char *s, unsigned char *addr)
{
	size_t digits = 0;

	for (const char *p = s; *p != '\0'; p++) {
		if (digits == 1 && p[-1] == '0' && *p != '.')
			return false;
		digits = *p == '.' ? 0 : digits + 1;
	}
	return inet_pton(AF_INET, s, addr) == 1;
}

static bool
set_network(struct spf_term *t, const char *s, size_t len)
{
	bool v4 = t->kind == SPF_IP4;
	const char *slash = memchr(s, '/', len);
	char text[INET6_ADDRSTRLEN];
	size_t n = slash == NULL ? len : (size_t)(slash - s);
	int prefix = v4 ? 32 : 128;

	if (n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	if (slash != NULL)
		prefix = parse_prefix(slash + 1, len - n - 1, prefix);
	*(v4 ? &t->prefix4 : &t->prefix6) = prefix;
	return prefix >= 0 &&
	    (v4 ? parse_ip4(text, t->addr)
		: inet_pton(AF_INET6, text, t->addr) == 1);
}

static bool
parse_mechanism(
    struct spf_term *t, const char *name, size_t name_len, size_t len)
{
	const char *arg = name + name_len;
	size_t i, n = sizeof(mechanisms) / sizeof(*mechanisms);

	for (i = 0; i < n; i++) {
		if (strlen(mechanisms[i].name) == name_len &&
		    strncasecmp(mechanisms[i].name, name, name_len) == 0)
			break;
	}
	if (i == n)
		return false;
	len -= name_len;
	t->kind = mechanisms[i].kind;
	if (mechanisms[i].cidr && !take_prefixes(t, arg, &len))
		return false;
	if (len == 0)
		return mechanisms[i].spec != ARG_MUST;
	if (mechanisms[i].spec == ARG_NONE || arg[0] != ':')
		return false;
	if (t->kind == SPF_IP4 || t->kind == SPF_IP6)
		return set_network(t, arg + 1, len - 1);
	return set_spec(t, arg + 1, len - 1);
}

/* name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) */
static bool
is_name(const char *s, size_t len)
{
	if (len == 0 || !isalpha((unsigned char)s[0]))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!isalnum((unsigned char)s[i]) &&
		    memchr("-_.", s[i], 3) == NULL)
			return false;
	}
	return true;
}

/* Section 6: redirect and exp once each; others are looked at for their syntax
 * and ignored. */
static bool
parse_modifier(struct spf_record *r, struct spf_term *t, const char *name,
    size_t name_len, size_t len)
{
	const char *value = name + name_len + 1;
	const struct spf_term **slot;

	len -= name_len + 1;
	t->kind = SPF_MODIFIER;
	if (!is_name(name, name_len))
		return false;
	if (name_len == 8 && strncasecmp(name, "redirect", 8) == 0)
		slot = &r->redirect;
	else if (name_len == 3 && strncasecmp(name, "exp", 3) == 0)
		slot = &r->exp;
	else
		return spf_macro_check(value, len, false, &t->use);
	if (*slot != NULL)
		return false;
	t->kind = slot == &r->exp ? SPF_EXP : SPF_REDIRECT;
	*slot = t;
	return set_spec(t, value, len);
}

static bool
parse_term(struct spf_record *r, struct spf_term *t, size_t len)
{
	const char *s = t->text;
	size_t n;

	t->qualifier = '+';
	t->prefix4 = 32;
	t->prefix6 = 128;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < 0x21 || s[i] > 0x7e)
			return false;
	}
	n = strcspn(s, ":/=");
	if (n < len && s[n] == '=')
		return parse_modifier(r, t, s, n, len);
	if (strchr("+-~?", s[0]) != NULL) {
		t->qualifier = *s++;
		len--;
		n--;
	}
	return parse_mechanism(t, s, n, len);
}

static const char *
show(struct arena *a, const char *s, size_t len)
{
	struct buf b = BUF_INIT;
	char *text;

	buf_escape(&b, s, len, BAD_MAX);
	text = b.failed ? NULL : arena_strdup(a, buf_text(&b));
	buf_fini(&b);
	return text;
}

int
spf_record_parse(struct arena *a, const void *bytes, size_t len,
    struct spf_record **record_r, const char **bad_r)
{
	const char *s = bytes, *end = s + len, *stop;
	struct spf_record *r = arena_alloc(a, sizeof(*r));
	struct spf_term *modifiers = arena_alloc(a, 3 * sizeof(*modifiers));
	struct spf_term *t, one;
	size_t room = 1, spare = 0;

	for (size_t i = 0; i < len; i++)
		room += s[i] == ' ';
	room = room < SPF_RECORD_TERMS ? room : SPF_RECORD_TERMS;
	if (r == NULL || modifiers == NULL ||
	    (r->terms = arena_alloc(a, room * sizeof(*t))) == NULL)
		return ERR_NOMEM;
	for (s += strlen(VERSION); s < end; s = stop) {
		if (*s == ' ') {
			stop = s + 1;
			continue;
		}
		stop = memchr(s, ' ', (size_t)(end - s));
		stop = stop == NULL ? end : stop;
		one = (struct spf_term){
		    .text = arena_memdup(a, s, (size_t)(stop - s))};
		if (one.text == NULL)
			return ERR_NOMEM;
		modifiers[spare] = one;
		t = &modifiers[spare];
		if (!parse_term(r, t, (size_t)(stop - s)) ||
		    r->count == room) {
			*bad_r = show(a, s, (size_t)(stop - s));
			return *bad_r == NULL ? ERR_NOMEM : ERR_SYNTAX;
		}
		if (t->kind == SPF_REDIRECT || t->kind == SPF_EXP)
			spare++;
		else if (t->kind != SPF_MODIFIER)
			r->terms[r->count++] = *t;
	}
	*record_r = r;
	return 0;
}

bool
spf_term_covers(const struct spf_term *t, bool v4, const unsigned char *ip)
{
	int bits = v4 ? t->prefix4 : t->prefix6;

	if (t->kind != (v4 ? SPF_IP4 : SPF_IP6) ||
	    memcmp(t->addr, ip, (size_t)bits / 8) != 0)
		return false;
	return bits % 8 == 0 ||
	    (t->addr[bits / 8] ^ ip[bits / 8]) >> (8 - bits % 8) == 0;
}

unsigned long long
spf_term_width(const struct spf_term *t, bool v4)
{
	int bits = v4 ? t->prefix4 : t->prefix6, top = v4 ? 32 : 56;

	switch (t->kind) {
	case SPF_ALL:
		return ULLONG_MAX;
	case SPF_IP4:
	case SPF_IP6:
		if ((t->kind == SPF_IP4) != v4)
			return 0;
		break;
	case SPF_A:
	case SPF_MX:
		break;
	default:
		return 0;
	}
	if (bits == 0)
		return ULLONG_MAX;
	return bits >= top ? 1 : 1ULL << (top - bits);
}
