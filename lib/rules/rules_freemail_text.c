/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_freemail_text.h"

#include <string.h>

#include "lib/rules/rules_freemail.h"
#include "lib/text/ascii.h"
#include "lib/text/uri_name.h"

#define LABELS_MAX 5
#define LABEL_MAX 61
#define URI_SIDE_MAX 255 /* of an http address, on either side of its @ */
#define BLANKS_MAX 10	 /* between an address and `wrote:` */
#define WORD_MIN 2
#define WORD_MAX 11

bool
freemail_glob(const char *glob, const char *text)
{
	const char *star = NULL, *star_at = NULL;

	while (*text != '\0') {
		if (*glob == '*') {
			star = ++glob;
			star_at = text;
		} else if (*glob == *text || (*glob == '?' && *text != '.')) {
			glob++;
			text++;
		} else if (star != NULL && *star_at != '.') {
			glob = star;
			text = ++star_at;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

/* -- local parts -- */

static bool
is_word(const char *s, size_t len, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ascii_is(s, len, words[i]))
			return true;
	}
	return false;
}

/* Is it digits of base 16 where the form has x, and else as the form? */
static bool
is_form(const char *s, size_t len, const char *form)
{
	if (len != strlen(form))
		return false;
	for (size_t i = 0; i < len; i++) {
		bool hex = (s[i] >= '0' && s[i] <= '9') ||
		    (s[i] >= 'a' && s[i] <= 'f');

		if (form[i] == 'x' ? !hex : s[i] != form[i])
			return false;
	}
	return true;
}

/* The next = that has something before and behind it, from `from` on; len: there
 * is none. */
static size_t
equals(const char *s, size_t len, size_t from)
{
	size_t i = from + 1;

	while (i + 1 < len && s[i] != '=')
		i++;
	return i + 1 < len ? i : len;
}

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

bool
freemail_is_role(const char *local, size_t len)
{
	static const char *const words[] = {"abuse", "support", "sales", "info",
	    "helpdesk", "contact", "kontakt", "postmaster", "hostmaster",
	    "domainmaster"};
	static const char *const forms[] = {"request-xxxxxxxxxxxxxxxx",
	    "xxxxxxxx.xxxxxxxx", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"};
	size_t first = equals(local, len, 0);

	if (is_word(local, len, words, COUNT(words)) ||
	    ascii_starts(local, len, "undisclosed"))
		return true;
	for (size_t i = 0; i < COUNT(forms); i++) {
		if (is_form(local, len, forms[i]))
			return true;
	}
	return first < len && equals(local, len, first + 1) < len;
}

static bool
ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && memcmp(s + len - n, end, n) == 0;
}

/* noreply, donotreply and the like, as a word at the end. */
static bool
is_no_reply(const char *s, size_t len)
{
	if (!ends_with(s, len, "reply"))
		return false;
	len -= 5;
	if (len > 0 && strchr("t._", s[len - 1]) != NULL)
		len--;
	if (!ends_with(s, len, "no"))
		return false;
	len -= 2;
	if (len == 0 || !ascii_word(s[len - 1]))
		return true;
	if (!ends_with(s, len, "do"))
		return false;
	len -= 2;
	return len == 0 || !ascii_word(s[len - 1]);
}

bool
freemail_is_bulk(const char *local, size_t len)
{
	static const char *const words[] = {"postmaster", "hostmaster",
	    "domainmaster", "double-bounce"};
	static const char *const begins[] = {"sentto-", "owner-", "return-",
	    "bounce-", "bounced-", "grbounce-", "grbounced-"};
	static const char *const ends[] = {
	    "-request", "-bounce", "-bounces", "-owner", "-admin"};

	if (is_word(local, len, words, COUNT(words)) ||
	    is_no_reply(local, len) || equals(local, len, 0) < len)
		return true;
	for (size_t i = 0; i < COUNT(begins); i++) {
		if (len > strlen(begins[i]) &&
		    ascii_starts(local, len, begins[i]))
			return true;
	}
	for (size_t i = 0; i < COUNT(ends); i++) {
		if (ends_with(local, len, ends[i]))
			return true;
	}
	return false;
}

/* -- addresses in text -- */

struct text {
	const struct pslist *tlds;
	const char *s;
	size_t len;
};

/* RFC 5322's atext. */
static bool
is_atom(char c)
{
	return ascii_alnum(c) ||
	    (c != '\0' && strchr("!#$%&'*+/=?^_`{|}~-", c) != NULL);
}

/* Where the local part before an @ begins, not before `from`; `at` itself: there
 * is none.  Of one that is too long, what stands behind a dot can do. */
static size_t
local_begin(const struct text *t, size_t from, size_t at)
{
	size_t i = at, begin = at;

	while (i > from && at - i < FREEMAIL_LOCAL_MAX) {
		if (is_atom(t->s[i - 1])) {
			i--;
		} else if (t->s[i - 1] == '.' && i < at && t->s[i] != '.' &&
		    i - 1 > from && is_atom(t->s[i - 2])) {
			begin = i;
			i--;
		} else {
			break;
		}
	}
	if (i < at && t->s[i] == '.')
		return begin;
	return i == 0 || !is_atom(t->s[i - 1]) ? i : begin;
}

/* Where the domain behind an @ ends; 0: it is none. */
static size_t
domain_end(const struct text *t, size_t at)
{
	size_t i = at + 1, label = i, labels = 0;

	for (;;) {
		label = i;
		while (i < t->len && (ascii_alnum(t->s[i]) || t->s[i] == '-'))
			i++;
		if (i == label || t->s[label] == '-' || t->s[i - 1] == '-' ||
		    i - label > LABEL_MAX || ++labels > LABELS_MAX)
			return 0;
		if (i + 1 >= t->len || t->s[i] != '.' || !ascii_alnum(t->s[i + 1]))
			break;
		i++;
	}
	if (labels < 2 ||
	    (t->tlds != NULL &&
		!uri_name_is_tld(t->tlds, t->s + label, i - label)))
		return 0;
	return i;
}

/* What stands behind an address at the beginning of something cited: `>`, or
 * `wrote:`, but not `fax:`. */
static bool
is_cited(const struct text *t, size_t begin, size_t end)
{
	static const char *const not[] = {
	    "fax", "facsi", "tel", "phone", "mail", "-mail", "email", "e-mail"};
	size_t i = end, word;

	if (begin >= 7 && ascii_starts(t->s + begin - 7, 7, "mailto:"))
		return false;
	if (i < t->len && t->s[i] == '>')
		return true;
	while (i < t->len && i - end <= BLANKS_MAX && ascii_space(t->s[i]))
		i++;
	if (i == end || i - end > BLANKS_MAX)
		return false;
	for (size_t n = 0; n < COUNT(not); n++) {
		if (ascii_starts(t->s + i, t->len - i, not[n]))
			return false;
	}
	for (word = i; i < t->len && ascii_alpha(t->s[i]);)
		i++;
	return i - word >= WORD_MIN && i - word <= WORD_MAX && i < t->len &&
	    t->s[i] == ':';
}

/* The end of an http address with an @ in it; 0: there is none here. */
static size_t
uri_end(const struct text *t, size_t i)
{
	size_t begin, found = 0, end;

	if (ascii_starts(t->s + i, t->len - i, "http://"))
		i += 7;
	else if (ascii_starts(t->s + i, t->len - i, "https://"))
		i += 8;
	else
		return 0;
	for (begin = i; i < t->len && i - begin <= URI_SIDE_MAX &&
	     !ascii_space(t->s[i]);
	     i++) {
		if (t->s[i] == '@')
			found = i + 1;
		else if (ascii_starts(t->s + i, t->len - i, "%40"))
			found = i + 3;
	}
	for (end = found; found > 0 && end < t->len &&
	     end - found < URI_SIDE_MAX && !ascii_space(t->s[end]);)
		end++;
	return end;
}

void
freemail_text(const struct pslist *tlds, const char *text, size_t len,
    freemail_fn *fn, void *ctx)
{
	const struct text t = {tlds, text, len};
	size_t from = 0; /* what is before it is used up */

	if (memchr(text, '@', len) == NULL)
		return;
	for (size_t i = 0; i < len; i++) {
		size_t end = uri_end(&t, i), begin;

		if (end > 0) {
			from = end;
			i = end - 1;
			continue;
		}
		if (text[i] != '@' || (end = domain_end(&t, i)) == 0)
			continue;
		begin = local_begin(&t, from, i);
		if (begin == i)
			continue;
		fn(ctx, text + begin, end - begin, is_cited(&t, begin, end));
		from = end;
		i = end - 1;
	}
}

void
freemail_link(const struct pslist *tlds, const char *uri, size_t len,
    freemail_fn *fn, void *ctx)
{
	static const char scheme[] = "mailto:";
	struct text t = {tlds, uri, len};
	const char *at;
	size_t end;

	if (!ascii_starts(uri, len, scheme))
		return;
	t.s += strlen(scheme);
	t.len -= strlen(scheme);
	at = memchr(t.s, '@', t.len);
	if (at == NULL)
		return;
	end = domain_end(&t, (size_t)(at - t.s));
	if (end > 0 && local_begin(&t, 0, (size_t)(at - t.s)) == 0 && at > t.s)
		fn(ctx, t.s, end, false);
}
