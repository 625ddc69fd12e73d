/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_freemail.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/rules/rules_eval.h"
#include "lib/rules/rules_freemail_text.h"
#include "lib/text/ascii.h"
#include "lib/text/mime.h"

#define EMAILS_DEFAULT 5 /* SpamAssassin's: so many are a list of people */
#define FREEMAILS_DEFAULT 3

/* -- commands -- */

static void
add_words(struct reader *rd, struct freemail_word **list, char *value)
{
	for (char *word; (word = strsep(&value, " \t")) != NULL;) {
		struct freemail_word *w;

		if (*word == '\0')
			continue;
		for (char *p = word; *p != '\0'; p++)
			*p = ascii_lower(*p);
		w = arena_alloc(&rd->rules->arena, sizeof(*w));
		if (w == NULL) {
			rd->rc = ERR_NOMEM;
			return;
		}
		w->text = rules_keep(rd, word, strlen(word));
		w->next = *list;
		if (rd->rc == 0)
			*list = w;
	}
}

static void
remove_words(struct freemail_word **list, char *value)
{
	for (char *word; (word = strsep(&value, " \t")) != NULL;) {
		struct freemail_word **at = list;

		while (*at != NULL) {
			if (strcasecmp((*at)->text, word) == 0)
				*at = (*at)->next;
			else
				at = &(*at)->next;
		}
	}
}

/* A number, or 0 or 1. */
static bool
number(struct reader *rd, const char *key, const char *value, size_t most,
    size_t *n_r)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || n > most) {
		rules_say(rd, RULES_ERROR,
		    "%s: expected a number from 0 to %zu", key, most);
		return false;
	}
	*n_r = n;
	return true;
}

static bool
list_command(
    struct reader *rd, const char *key, char *value, struct freemail *f)
{
	bool remove = strncmp(key, "un", 2) == 0;
	const char *name = remove ? key + 2 : key;
	struct freemail_word **list = NULL;

	if (strcmp(name, "freemail_domains") == 0)
		list = &f->given;
	else if (strcmp(name, "freemail_welcomelist") == 0 ||
	    strcmp(name, "freemail_whitelist") == 0)
		list = &f->welcome;
	if (list == NULL)
		return false;
	if (*value == '\0')
		rules_say(rd, RULES_ERROR, "%s: expected %s", key,
		    list == &f->given ? "domains" : "addresses or domains");
	else if (remove)
		remove_words(list, value);
	else
		add_words(rd, list, value);
	return true;
}

bool
freemail_command(struct reader *rd, const char *key, char *value)
{
	struct freemail *f = &rd->rules->freemail;
	const struct {
		const char *key;
		bool *flag;
		bool negated;
		size_t *count;
	} rows[] = {
	    {"freemail_add_describe_email", NULL, false, NULL},
	    {"freemail_import_def_welcomelist_auth", &f->import_def_auth, false,
		NULL},
	    {"freemail_import_def_whitelist_auth", &f->import_def_auth, false,
		NULL},
	    {"freemail_import_welcomelist_auth", &f->import_auth, false, NULL},
	    {"freemail_import_whitelist_auth", &f->import_auth, false, NULL},
	    {"freemail_max_body_emails", NULL, false, &f->max_emails},
	    {"freemail_max_body_freemails", NULL, false, &f->max_freemails},
	    {"freemail_skip_bulk_envfrom", &f->no_skip_bulk, true, NULL},
	    {"freemail_skip_when_over_max", &f->no_skip_over, true, NULL},
	};

	if (list_command(rd, key, value, f))
		return true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t n;

		if (strcmp(rows[i].key, key) != 0)
			continue;
		if (!number(rd, key, value,
			rows[i].count != NULL ? FREEMAIL_EMAILS_MAX : 1, &n))
			return true;
		if (rows[i].count != NULL)
			*rows[i].count = n;
		else if (rows[i].flag != NULL)
			*rows[i].flag = (n != 0) != rows[i].negated;
		return true;
	}
	return false;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
freemail_finish(struct reader *rd)
{
	struct freemail *f = &rd->rules->freemail;
	struct arena *a = &rd->rules->arena;
	size_t n = 1;

	for (const struct freemail_word *w = f->given; w != NULL; w = w->next)
		n++;
	f->domains = arena_alloc(a, n * sizeof(*f->domains));
	f->globs = arena_alloc(a, n * sizeof(*f->globs));
	if (f->domains == NULL || f->globs == NULL)
		return ERR_NOMEM;
	for (const struct freemail_word *w = f->given; w != NULL; w = w->next) {
		if (strpbrk(w->text, "*?") != NULL)
			f->globs[f->glob_count++] = w->text;
		else
			f->domains[f->count++] = w->text;
	}
	if (f->count > 0)
		qsort(f->domains, f->count, sizeof(*f->domains), by_text);
	return 0;
}

/* -- one address -- */

static bool
is_domain(const struct freemail *f, const char *domain)
{
	if (f->count > 0 &&
	    bsearch(&domain, f->domains, f->count, sizeof(*f->domains),
		by_text) != NULL)
		return true;
	for (size_t i = 0; i < f->glob_count; i++) {
		if (freemail_glob(f->globs[i], domain))
			return true;
	}
	return false;
}

static bool
is_welcome(const struct rules *r, const char *address, const char *domain)
{
	const struct freemail *f = &r->freemail;
	size_t len = strlen(address);

	for (const struct freemail_word *w = f->welcome; w != NULL;
	     w = w->next) {
		if (strcmp(w->text, address) == 0 ||
		    strcmp(w->text, domain) == 0)
			return true;
	}
	return (f->import_auth &&
		   list_match(r->lists.of[LIST_WELCOME_AUTH], address,
		       len) != NULL) ||
	    (f->import_def_auth &&
		list_match(r->lists.of[LIST_DEF_WELCOME_AUTH], address,
		    len) != NULL);
}

/* Lower case.  Somebody's own, at such a provider? */
static bool
is_freemail(const struct rules *r, const char *address)
{
	const char *at = strrchr(address, '@');

	return at != NULL && is_domain(&r->freemail, at + 1) &&
	    !is_welcome(r, address, at + 1) &&
	    !freemail_is_role(address, (size_t)(at - address));
}

/* The first line of the text, which is cut off it, in lower case; false: there
 * is no more. */
static bool
next_address(struct rules_text *rest, char address[FREEMAIL_ADDRESS_MAX])
{
	while (rest->len > 0) {
		const char *end = memchr(rest->data, '\n', rest->len);
		size_t len =
		    end == NULL ? rest->len : (size_t)(end - rest->data);
		size_t skip = end == NULL ? len : len + 1;
		bool fits = len > 0 && len < FREEMAIL_ADDRESS_MAX;

		for (size_t i = 0; fits && i < len; i++)
			address[i] = ascii_lower(rest->data[i]);
		if (fits)
			address[len] = '\0';
		rest->data += skip;
		rest->len -= skip;
		if (fits)
			return true;
	}
	return false;
}

/* What the rule's argument asks of an address. */
static bool
is_like(struct run *run, const struct rule *rule, const char *address)
{
	size_t begin, end;

	return rule->pattern == NULL ||
	    pattern_find(rule->pattern, run->match, address, strlen(address),
		0, false, &begin, &end) == PATTERN_HIT;
}

static bool
any_freemail(struct run *run, const struct rule *rule, const char *selector)
{
	struct rules_text rest = rules_get(run, selector);
	char address[FREEMAIL_ADDRESS_MAX];

	while (next_address(&rest, address)) {
		if (is_freemail(run->rules, address) &&
		    is_like(run, rule, address))
			return true;
	}
	return false;
}

bool
eval_freemail_from(struct run *run, const struct rule *rule)
{
	const char *const *field = eval_from_fields(run);

	for (; *field != NULL; field++) {
		if (any_freemail(run, rule, *field))
			return true;
	}
	return false;
}

bool
eval_freemail_header(struct run *run, const struct rule *rule)
{
	const char *field = eval_arg(rule, 0);
	/* SpamAssassin looks at addresses whatever else is asked for. */
	const char *selector = arena_printf(run->in->arena, "%.*s:addr",
	    (int)strcspn(field, ":"), field);

	if (selector == NULL) {
		run->rc = ERR_NOMEM;
		return false;
	}
	return *field != '\0' && any_freemail(run, rule, selector);
}

/* -- the body -- */

/* The freemail addresses of a body; none where it has too many of any. */
struct freemail_body {
	const char *list[FREEMAIL_EMAILS_MAX];
	bool free[FREEMAIL_EMAILS_MAX];
	size_t count, free_count;
	bool over;
	/* As they stand in the text, where that cites somebody. */
	struct rules_text cited[FREEMAIL_EMAILS_MAX];
	size_t cited_count;
	struct run *run;
};

static void
on_email(void *ctx, const char *text, size_t len, bool cited)
{
	struct freemail_body *b = ctx;
	const struct freemail *f = &b->run->rules->freemail;
	struct rules_text rest = {text, len};
	char address[FREEMAIL_ADDRESS_MAX];

	if (cited && b->cited_count < FREEMAIL_EMAILS_MAX)
		b->cited[b->cited_count++] = (struct rules_text){text, len};
	if (cited || b->over || b->count == FREEMAIL_EMAILS_MAX ||
	    !next_address(&rest, address))
		return;
	for (size_t i = 0; i < b->count; i++) {
		if (strcmp(b->list[i], address) == 0)
			return;
	}
	b->list[b->count] = arena_strdup(b->run->in->arena, address);
	if (b->list[b->count] == NULL) {
		b->run->rc = ERR_NOMEM;
		b->over = true;
		return;
	}
	b->free[b->count] = is_freemail(b->run->rules, address);
	b->free_count += b->free[b->count++];
	if (!f->no_skip_over)
		b->over = b->count >= (f->max_emails > 0 ? f->max_emails
							  : EMAILS_DEFAULT) ||
		    b->free_count >= (f->max_freemails > 0
				? f->max_freemails
				: FREEMAILS_DEFAULT);
}

/* A link that says what the text cites is part of the citation. */
static void
add_link(struct freemail_body *b, const char *uri, size_t len)
{
	static const char scheme[] = "mailto:";
	size_t n = strlen(scheme);

	for (size_t i = 0; i < b->cited_count; i++) {
		const struct rules_text *c = &b->cited[i];

		if (len == n + c->len && memcmp(uri, scheme, n) == 0 &&
		    memcmp(uri + n, c->data, c->len) == 0)
			return;
	}
	freemail_link(b->run->in->tlds, uri, len, on_email, b);
}

/* Looked at once a message; NULL: there is none, or no memory. */
static const struct freemail_body *
body(struct run *run)
{
	const struct text_view *text, *links;
	struct freemail_body *b = run->freemails;
	struct mime *m;

	if (b != NULL || (m = rules_mime(run)) == NULL)
		return b;
	text = mime_view(m, MIME_BODY);
	links = mime_links(m);
	b = arena_alloc(run->in->arena, sizeof(*b));
	if (text == NULL || links == NULL || b == NULL) {
		run->rc = ERR_NOMEM;
		return NULL;
	}
	b->run = run;
	for (size_t i = 0; i < text->count; i++)
		freemail_text(run->in->tlds, text->pieces[i].text,
		    text->pieces[i].len, on_email, b);
	for (size_t i = 0; i < links->count; i++)
		add_link(b, links->pieces[i].text, links->pieces[i].len);
	run->freemails = b;
	return b;
}

bool
eval_freemail_body(struct run *run, const struct rule *rule)
{
	const struct freemail_body *b = body(run);

	for (size_t i = 0; b != NULL && !b->over && i < b->count; i++) {
		if (b->free[i] && is_like(run, rule, b->list[i]))
			return true;
	}
	return false;
}

/* -- Reply-To -- */

/* The first freemail address of a field, lower case; "" if there is none. */
static void
freemail_of(struct run *run, const char *selector,
    char address[FREEMAIL_ADDRESS_MAX])
{
	struct rules_text rest = rules_get(run, selector);

	while (next_address(&rest, address)) {
		if (is_freemail(run->rules, address))
			return;
	}
	address[0] = '\0';
}

static bool
is_bulk(struct run *run)
{
	struct rules_text rest = rules_get(run, "EnvelopeFrom:addr");
	char address[FREEMAIL_ADDRESS_MAX];
	const char *at;

	if (run->rules->freemail.no_skip_bulk || !next_address(&rest, address))
		return false;
	at = strchr(address, '@');
	return at != NULL && freemail_is_bulk(address, (size_t)(at - address));
}

/* Answers are to go to another freemail address than the one it is from, or
 * than one in the text. */
bool
eval_freemail_replyto(struct run *run, const struct rule *rule)
{
	bool reply = strcmp(eval_arg(rule, 0), "reply") == 0;
	char from[FREEMAIL_ADDRESS_MAX], to[FREEMAIL_ADDRESS_MAX];
	const struct freemail_body *b;
	const char *address;

	if (is_bulk(run))
		return false;
	freemail_of(run, "From:addr", from);
	freemail_of(run, "Reply-To:addr", to);
	if (*from != '\0' && *to != '\0' && strcmp(from, to) != 0)
		return true;
	if (reply ? *from == '\0' ||
		    (*to == '\0' && rules_get(run, "Reply-To:addr").len > 0)
		  : *to == '\0')
		return false;
	address = *to != '\0' ? to : from;
	b = body(run);
	for (size_t i = 0; b != NULL && !b->over && i < b->count; i++) {
		if (b->free[i] && strcmp(b->list[i], address) != 0)
			return true;
	}
	return false;
}
