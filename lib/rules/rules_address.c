/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_address.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/rules/rules_pattern.h"
#include "lib/text/ascii.h"

#define LABEL_MAX 63
#define HOST_MAX 253

/* Pieces of patterns, in PCRE's extended form. */
#define QUOTED "\" (?: [^\"\\\\]++ | \\\\. )*+ \""
#define COMMENT "\\( ( (?: [^()\\\\]++ | \\\\. )*+ ) \\)"
#define MAILBOX \
	"(?: " QUOTED " | [^@\\s<>()\\[\\],:;]+ )" \
	"@ (?: [^\"\\s<>()\\[\\],:;]+ | \\[ [\\d:.]+ \\] )"
#define PHRASE "( (?: " QUOTED " | [^\",;<]++ )+ )"

/* A name and an address in angle brackets (which may be nonsense, may be empty,
 * and may come twice), or an address or name alone; a comment; a comma. */
static const char one_text[] =
    "\\A \\s* (?: (?: " PHRASE " \\s* )?"
    "  < \\s* ( [^>@]* \\S+ | \\s* ) \\s* >"
    "  (?: \\s* < \\s* (?: (?: " QUOTED " )? \\S+ | \\s* ) \\s* > )*"
    " | (?: ( " MAILBOX " ) | " PHRASE " ) )"
    " (?: \\s* " COMMENT " )? \\s* (?: [,;] | \\z )";
static const char mailbox_text[] = "\\A" MAILBOX "$";
static const char bracket_text[] = "< ( " MAILBOX " ) >";
static const char group_text[] = "\\A [^\"()<>]+ : \\s* (?: ; .* )?";

enum { PART_PHRASE = 1, PART_BRACKET, PART_BARE, PART_ALONE, PART_COMMENT };

struct addresses {
	pcre2_code *one, *mailbox, *bracket, *group;
};

static pcre2_code *
compile(const char *text, uint32_t options)
{
	int code;
	PCRE2_SIZE at;
	pcre2_code *c = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
	    PCRE2_EXTENDED | PCRE2_CASELESS | options, &code, &at, NULL);

	if (c != NULL)
		pcre2_jit_compile(c, PCRE2_JIT_COMPLETE);
	return c;
}

struct addresses *
addresses_new(void)
{
	struct addresses *as = calloc(1, sizeof(*as));

	if (as == NULL)
		return NULL;
	as->one = compile(one_text, 0);
	as->mailbox = compile(mailbox_text, 0);
	as->bracket = compile(bracket_text, 0);
	as->group = compile(group_text, PCRE2_DOTALL);
	if (as->one != NULL && as->mailbox != NULL && as->bracket != NULL &&
	    as->group != NULL)
		return as;
	addresses_free(as);
	return NULL;
}

void
addresses_free(struct addresses *as)
{
	if (as == NULL)
		return;
	pcre2_code_free(as->one);
	pcre2_code_free(as->mailbox);
	pcre2_code_free(as->bracket);
	pcre2_code_free(as->group);
	free(as);
}

struct reading {
	const struct addresses *as;
	struct arena *arena;
	pcre2_match_data *data;
	pcre2_match_context *context;
	struct address *first, *last;
	size_t count;
	int rc;
};

static bool
match(struct reading *r, const pcre2_code *code, const char *text, size_t len)
{
	int rc = pcre2_match(code, (PCRE2_SPTR)text, len, 0, 0, r->data,
	    r->context);

	return rc > 0;
}

/* What the group of the last match holds. */
static struct rules_text
part(const struct reading *r, const char *text, unsigned n)
{
	const PCRE2_SIZE *where = pcre2_get_ovector_pointer(r->data);

	if (n >= pcre2_get_ovector_count(r->data) ||
	    where[2 * n] == PCRE2_UNSET)
		return (struct rules_text){0};
	return (struct rules_text){
	    text + where[2 * n], where[2 * n + 1] - where[2 * n]};
}

static size_t
match_end(const struct reading *r)
{
	return pcre2_get_ovector_pointer(r->data)[1];
}

/* -- parts of one -- */

bool
address_host_valid(const char *host, size_t len)
{
	size_t labels = 0, begin = 0, underscore = 0;

	while (len > 0 && host[len - 1] == '.')
		len--;
	if (len > HOST_MAX)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && host[i] != '.') {
			if (host[i] == '_')
				underscore = labels + 1;
			if (!ascii_word(host[i]) && host[i] != '-')
				return false;
			continue;
		}
		if (i == begin || i - begin > LABEL_MAX ||
		    host[begin] == '-' || host[i - 1] == '-')
			return false;
		labels++;
		begin = i + 1;
	}
	/* An underscore may stand in the third label from the end and before.
	 */
	return labels > 1 && (underscore == 0 || underscore + 2 <= labels);
}

static bool
quotes_fit(struct rules_text t)
{
	size_t quotes = 0;

	if (t.len >= 3 && memcmp(t.data, "\"\"@", 3) == 0)
		return false;
	for (size_t i = 0; i < t.len; i++)
		quotes += t.data[i] == '"';
	return quotes != 1;
}

/* Copy without comments, to *to; none is nested. */
static char *
without_comments(char *to, const char *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t j = i + 1;

		while (text[i] == '(' && j < len && text[j] != '(' &&
		    text[j] != ')')
			j += text[j] == '\\' && j + 1 < len ? 2 : 1;
		if (text[i] == '(' && j < len && text[j] == ')')
			i = j + 1;
		else
			*to++ = text[i++];
	}
	return to;
}

/* What stands in quotes, without its backslashes. */
static char *
unquoted(char *to, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\\' || (i + 1 < len && text[i + 1] == '\\'))
			*to++ = text[i];
	}
	return to;
}

static struct rules_text
clean_phrase(struct reading *r, struct rules_text t)
{
	char *out = arena_alloc(r->arena, t.len + 1), *to = out;
	size_t i = 0;

	if (out == NULL) {
		r->rc = ERR_NOMEM;
		return (struct rules_text){0};
	}
	while (i < t.len) {
		size_t j = i + 1;

		if (t.data[i] != '"') {
			while (j < t.len && t.data[j] != '"')
				j++;
			to = without_comments(to, t.data + i, j - i);
			i = j;
			continue;
		}
		while (j < t.len && t.data[j] != '"')
			j += t.data[j] == '\\' ? 2 : 1;
		if (j < t.len)
			to = unquoted(to, t.data + i + 1, j - i - 1);
		i = j < t.len ? j + 1 : i + 1;
	}
	return (struct rules_text){out, (size_t)(to - out)};
}

static bool
same(struct rules_text a, struct rules_text b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* Up to a second `@`. */
static struct rules_text
one_at(struct rules_text t)
{
	const char *at = memchr(t.data, '@', t.len);

	if (at != NULL) {
		const char *next = memchr(
		    at + 1, '@', t.len - (size_t)(at + 1 - t.data));

		if (next != NULL)
			t.len = (size_t)(next - t.data);
	}
	return t;
}

static bool
keep(struct reading *r, struct rules_text phrase, struct rules_text address)
{
	struct address *one = arena_alloc(r->arena, sizeof(*one));

	if (one == NULL) {
		r->rc = ERR_NOMEM;
		return false;
	}
	one->phrase = phrase;
	if (address.data != NULL)
		one->address = one_at(address);
	if (r->last == NULL)
		r->first = one;
	else
		r->last->next = one;
	r->last = one;
	return ++r->count < ADDRESSES_MAX;
}

/* The address between the brackets, or nothing. */
static struct rules_text
clean_bracket(struct reading *r, struct rules_text t)
{
	char *out = arena_alloc(r->arena, t.len + 1);

	if (out == NULL) {
		r->rc = ERR_NOMEM;
		return (struct rules_text){0};
	}
	t.len = (size_t)(without_comments(out, t.data, t.len) - out);
	t.data = out;
	if (!match(r, r->as->mailbox, t.data, t.len))
		t.data = NULL;
	return t;
}

/* Is a name that stands alone an address in quotes? */
static bool
phrase_is_address(struct reading *r, struct rules_text phrase)
{
	const char *at;
	struct rules_text whole;

	if (!match(r, r->as->mailbox, phrase.data, phrase.len) ||
	    !quotes_fit(phrase))
		return false;
	whole = one_at(phrase);
	at = memchr(whole.data, '@', whole.len);
	return at != NULL &&
	    address_host_valid(at + 1,
		whole.len - (size_t)(at + 1 - whole.data));
}

static bool
take(struct reading *r, const char *text)
{
	struct rules_text phrase = part(r, text, PART_PHRASE);
	struct rules_text address = part(r, text, PART_BRACKET);
	struct rules_text comment = part(r, text, PART_COMMENT);

	if (phrase.data == NULL)
		phrase = part(r, text, PART_ALONE);
	if (address.data == NULL)
		address = part(r, text, PART_BARE);
	else
		address = clean_bracket(r, address);
	if (address.data != NULL && !quotes_fit(address))
		address.data = NULL;
	if (phrase.data != NULL) {
		phrase = clean_phrase(r, phrase);
		if (r->rc != 0)
			return false;
		if (address.data == NULL && phrase_is_address(r, phrase)) {
			address = phrase;
			phrase.data = NULL;
		} else if (phrase.len == 0 ||
		    (address.data != NULL && same(phrase, address))) {
			phrase.data = NULL;
		}
	}
	if (phrase.data == NULL)
		phrase = comment;
	return r->rc == 0 && keep(r, phrase, address);
}

/* What could not be read may still have addresses in brackets. */
static void
take_rest(struct reading *r, const char *text, size_t len)
{
	while (match(r, r->as->bracket, text, len)) {
		struct rules_text address = part(r, text, 1);
		size_t end = match_end(r);

		if (quotes_fit(address) &&
		    !keep(r, (struct rules_text){0}, address))
			return;
		text += end;
		len -= end;
	}
}

/* Without pairs of backslashes, which stand for nothing that matters here, and
 * without white space at the end; a copy. */
static char *
prepare(struct arena *a, const char *value, size_t *len)
{
	char *out = arena_alloc(a, *len + 1), *to = out;

	while (*len > 0 && ascii_space(value[*len - 1]))
		--*len;
	for (size_t i = 0; out != NULL && i < *len; i++) {
		if (value[i] == '\\' && i + 1 < *len && value[i + 1] == '\\')
			i++;
		else
			*to++ = value[i];
	}
	*len = (size_t)(to - out);
	return out;
}

static void
read_all(struct reading *r, const char *text, size_t len)
{
	if (match(r, r->as->group, text, len)) {
		size_t end = match_end(r);

		text += end;
		len -= end;
	}
	while (len > 0 && match(r, r->as->one, text, len)) {
		size_t end = match_end(r);

		if (end == 0 || !take(r, text))
			return;
		text += end;
		len -= end;
	}
	if (len > 0 && memchr(text, '@', len) != NULL)
		take_rest(r, text, len);
}

int
addresses_read(const struct addresses *as, struct arena *a, const char *value,
    size_t len, struct address **list_r)
{
	struct reading r = {.as = as, .arena = a};
	char *text = prepare(a, value, &len);

	*list_r = NULL;
	r.data = pcre2_match_data_create(PART_COMMENT + 1, NULL);
	r.context = pcre2_match_context_create(NULL);
	if (text == NULL || r.data == NULL || r.context == NULL) {
		r.rc = ERR_NOMEM;
	} else if (len > 0) {
		pcre2_set_match_limit(r.context, PATTERN_MATCH_LIMIT);
		pcre2_set_heap_limit(r.context, PATTERN_HEAP_LIMIT);
		pcre2_set_depth_limit(r.context, PATTERN_DEPTH_LIMIT);
		read_all(&r, text, len);
		*list_r = r.first;
	}
	pcre2_match_data_free(r.data);
	pcre2_match_context_free(r.context);
	return r.rc;
}
