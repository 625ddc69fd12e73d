/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/spf/spf_macro.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define DELIMITERS ".-+,/_="
#define PARTS_MAX 256 /* of a value, between delimiters */

struct macro {
	char letter; /* as written: upper case asks for URL escapes */
	unsigned keep; /* parts from the right; 0: all */
	bool reverse;
	const char *delimiters;
	size_t delimiters_len;
};

/* After "%{"; the length up to and with "}", 0 when it is none. */
static size_t
parse_macro(const char *text, size_t len, struct macro *m)
{
	size_t i = 1;

	if (len == 0 || strchr("slodiphcrtv", tolower((unsigned char)*text)) ==
		NULL || *text == '\0')
		return 0;
	*m = (struct macro){.letter = text[0]};
	if (i < len && isdigit((unsigned char)text[i])) {
		for (; i < len && isdigit((unsigned char)text[i]); i++) {
			if (m->keep < PARTS_MAX)
				m->keep = m->keep * 10 +
				    (unsigned)(text[i] - '0');
		}
		if (m->keep == 0)
			return 0;
	}
	if (i < len && (text[i] == 'r' || text[i] == 'R')) {
		m->reverse = true;
		i++;
	}
	m->delimiters = text + i;
	while (i < len && text[i] != '\0' && strchr(DELIMITERS, text[i]) != NULL)
		i++;
	m->delimiters_len = (size_t)(text + i - m->delimiters);
	return i < len && text[i] == '}' ? i + 1 : 0;
}

bool
spf_macro_check(
    const char *text, size_t len, bool explain, struct spf_macro_use *use_r)
{
	struct macro m;
	size_t n;

	*use_r = (struct spf_macro_use){0};
	for (size_t i = 0; i < len;) {
		if (text[i] != '%') {
			if (text[i] < 0x21 && !(explain && text[i] == ' '))
				return false;
			if (text[i] > 0x7e)
				return false;
			i++;
			continue;
		}
		if (++i == len)
			return false;
		if (text[i] == '{') {
			n = parse_macro(text + i + 1, len - i - 1, &m);
			if (n == 0)
				return false;
			if (!explain && strchr("crtCRT", m.letter) != NULL)
				return false;
			use_r->client |=
			    strchr("dovDOV", m.letter) == NULL;
			use_r->local |= strchr("slSL", m.letter) != NULL;
			i += n + 1;
		} else if (text[i] == '%' || text[i] == '_' || text[i] == '-') {
			i++;
		} else {
			return false;
		}
		use_r->any = true;
		use_r->tail = i;
	}
	return true;
}

/* i: dotted quad, or the nibbles of IPv6 (section 7.3). */
static void
add_ip(const struct spf_macro_env *env, struct buf *b)
{
	if (env->v4) {
		buf_printf(b, "%u.%u.%u.%u", env->ip[0], env->ip[1], env->ip[2],
		    env->ip[3]);
		return;
	}
	for (int i = 0; i < 16; i++)
		buf_printf(b, "%s%X.%X", i == 0 ? "" : ".", env->ip[i] >> 4,
		    env->ip[i] & 15);
}

static void
add_value(const struct spf_macro_env *env, char letter, struct buf *b)
{
	char text[INET6_ADDRSTRLEN] = "";
	const char *s = "";

	switch (tolower((unsigned char)letter)) {
	case 's':
		buf_str(b, env->local);
		buf_char(b, '@');
		s = env->sender_domain;
		break;
	case 'l':
		s = env->local;
		break;
	case 'o':
		s = env->sender_domain;
		break;
	case 'd':
		s = env->domain;
		break;
	case 'i':
		add_ip(env, b);
		break;
	case 'p':
		s = env->validated(env->ctx, env->domain);
		break;
	case 'v':
		s = env->v4 ? "in-addr" : "ip6";
		break;
	case 'h':
		s = env->helo;
		break;
	case 'c':
		inet_ntop(env->v4 ? AF_INET : AF_INET6, env->ip, text,
		    sizeof(text));
		s = text;
		break;
	case 'r':
		s = env->host == NULL ? "unknown" : env->host;
		break;
	case 't':
		snprintf(text, sizeof(text), "%lld", (long long)env->now);
		s = text;
		break;
	}
	if (s == NULL)
		b->failed = true;
	else
		buf_str(b, s);
}

static void
add_escaped(struct buf *b, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c) != NULL))
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

static void
add_part(const struct macro *m, struct buf *out, const char *part, size_t len,
    bool first)
{
	if (!first)
		buf_char(out, '.');
	if (isupper((unsigned char)m->letter))
		add_escaped(out, part, len);
	else
		buf_add(out, part, len);
}

/* Split, turn round, keep what stands right, join with dots. */
static void
transform(const struct macro *m, const char *value, size_t len, struct buf *out)
{
	struct {
		size_t at, len;
	} parts[PARTS_MAX];
	size_t count = 0, start = 0, from, n;

	for (size_t i = 0; i <= len && count < PARTS_MAX; i++) {
		if (i < len && count < PARTS_MAX - 1 &&
		    (m->delimiters_len == 0
			    ? value[i] != '.'
			    : memchr(m->delimiters, value[i],
				  m->delimiters_len) == NULL))
			continue;
		if (count == PARTS_MAX - 1)
			i = len;
		parts[count].at = start;
		parts[count++].len = i - start;
		start = i + 1;
	}
	from = m->keep == 0 || m->keep >= count ? 0 : count - m->keep;
	for (size_t i = from; i < count; i++) {
		n = m->reverse ? count - 1 - i : i;
		add_part(m, out, value + parts[n].at, parts[n].len, i == from);
	}
}

int
spf_macro_expand(const struct spf_macro_env *env, const char *text, size_t len,
    struct buf *out)
{
	struct buf value = BUF_INIT;
	struct macro m;

	for (size_t i = 0; i < len && out->len <= SPF_MACRO_MAX; i++) {
		if (text[i] != '%' || i + 1 == len) {
			buf_char(out, text[i]);
			continue;
		}
		switch (text[++i]) {
		case '%':
			buf_char(out, '%');
			break;
		case '_':
			buf_char(out, ' ');
			break;
		case '-':
			buf_str(out, "%20");
			break;
		case '{':
			i += parse_macro(text + i + 1, len - i - 1, &m);
			buf_reset(&value);
			add_value(env, m.letter, &value);
			if (value.len > 0)
				transform(&m, value.data, value.len, out);
			break;
		}
	}
	out->failed |= value.failed;
	buf_fini(&value);
	if (out->failed)
		return ERR_NOMEM;
	return out->len > SPF_MACRO_MAX ? ERR_LIMIT : 0;
}
