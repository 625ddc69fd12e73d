/* SPDX-License-Identifier: BSD-2-Clause */
#include "dmarc_record.h"

#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

/* A piece of the record, white space around it taken off. */
struct text {
	const char *p;
	size_t len;
};

struct reader {
	struct arena *arena;
	struct dmarc_record *out;
	unsigned seen; /* a bit for each tag of the table */
	bool bad_policy;
	bool has_sp, has_np;
	int rc;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct text
trim(const char *p, size_t len)
{
	while (len > 0 && is_space(*p)) {
		p++;
		len--;
	}
	while (len > 0 && is_space(p[len - 1]))
		len--;
	return (struct text){p, len};
}

/* Take what stands before the separator, and the separator. */
static struct text
take(struct text *rest, char separator)
{
	const char *end = memchr(rest->p, separator, rest->len);
	size_t n = end == NULL ? rest->len : (size_t)(end - rest->p);
	struct text part = trim(rest->p, n);

	rest->p += end == NULL ? n : n + 1;
	rest->len -= end == NULL ? n : n + 1;
	return part;
}

static bool
is(struct text t, const char *word)
{
	return t.len == strlen(word) && strncasecmp(t.p, word, t.len) == 0;
}

static bool
read_policy(struct reader *r, struct text v, enum dmarc_policy *policy_r)
{
	for (int i = DMARC_POLICY_NONE; i <= DMARC_POLICY_REJECT; i++) {
		if (is(v, dmarc_policy_word((enum dmarc_policy)i))) {
			*policy_r = (enum dmarc_policy)i;
			return true;
		}
	}
	r->bad_policy = true;
	return false;
}

static void
read_p(struct reader *r, struct text v)
{
	read_policy(r, v, &r->out->p);
}

static void
read_sp(struct reader *r, struct text v)
{
	r->has_sp = read_policy(r, v, &r->out->sp);
}

static void
read_np(struct reader *r, struct text v)
{
	r->has_np = read_policy(r, v, &r->out->np);
}

static void
read_psd(struct reader *r, struct text v)
{
	if (is(v, "y"))
		r->out->psd = DMARC_PSD_YES;
	else if (is(v, "n"))
		r->out->psd = DMARC_PSD_NO;
}

static void
read_t(struct reader *r, struct text v)
{
	r->out->testing = is(v, "y");
}

static void
read_adkim(struct reader *r, struct text v)
{
	r->out->strict_dkim = is(v, "s");
}

static void
read_aspf(struct reader *r, struct text v)
{
	r->out->strict_spf = is(v, "s");
}

static void
read_fo(struct reader *r, struct text v)
{
	static const struct {
		const char *word;
		unsigned bit;
	} options[] = {{"0", DMARC_FO_ALL}, {"1", DMARC_FO_ANY},
	    {"d", DMARC_FO_DKIM}, {"s", DMARC_FO_SPF}};
	unsigned fo = 0;

	while (v.len > 0) {
		struct text word = take(&v, ':');

		for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
			if (is(word, options[i].word))
				fo |= options[i].bit;
		}
	}
	if (fo != 0)
		r->out->fo = fo;
}

/* Is it a URI that reports could go to?  The DNS may hold any octet. */
static bool
uri_fits(struct text t)
{
	static const char *const schemes[] = {"mailto:", "https://", "http://"};

	for (size_t i = 0; i < t.len; i++) {
		if (t.p[i] <= 0x20 || t.p[i] >= 0x7f)
			return false;
	}
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (t.len > n && strncasecmp(t.p, schemes[i], n) == 0)
			return i != 0 || memchr(t.p, '@', t.len - 1) != NULL;
	}
	return false;
}

static void
read_uris(struct reader *r, struct text v, const char **uris, size_t *count)
{
	while (v.len > 0 && *count < DMARC_URIS_MAX) {
		struct text uri = take(&v, ',');

		uri = take(&uri, '!'); /* a size, which is history */
		if (!uri_fits(uri))
			continue;
		uris[*count] = arena_memdup(r->arena, uri.p, uri.len);
		if (uris[(*count)++] == NULL)
			r->rc = ERR_NOMEM;
	}
}

static void
read_rua(struct reader *r, struct text v)
{
	read_uris(r, v, r->out->rua, &r->out->rua_count);
}

static void
read_ruf(struct reader *r, struct text v)
{
	read_uris(r, v, r->out->ruf, &r->out->ruf_count);
}

static void
read_tag(struct reader *r, struct text tag)
{
	static const struct {
		const char *name;
		void (*read)(struct reader *r, struct text value);
	} tags[] = {{"p", read_p}, {"sp", read_sp}, {"np", read_np},
	    {"psd", read_psd}, {"t", read_t}, {"adkim", read_adkim},
	    {"aspf", read_aspf}, {"fo", read_fo}, {"rua", read_rua},
	    {"ruf", read_ruf}};
	struct text name;

	if (memchr(tag.p, '=', tag.len) == NULL)
		return;
	name = take(&tag, '=');
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		if (!is(name, tags[i].name) || (r->seen & 1u << i) != 0)
			continue;
		r->seen |= 1u << i;
		tags[i].read(r, trim(tag.p, tag.len));
	}
}

/* Section 4.8: v= comes first, nothing before it, and its value is the one
 * thing in which case matters. */
static bool
is_version(struct text tag)
{
	struct text name;

	if (memchr(tag.p, '=', tag.len) == NULL)
		return false;
	name = take(&tag, '=');
	tag = trim(tag.p, tag.len);
	return is(name, "v") && tag.len == 6 &&
	    memcmp(tag.p, "DMARC1", tag.len) == 0;
}

int
dmarc_record_parse(struct arena *a, const char *text, size_t len,
    struct dmarc_record *record_r)
{
	struct reader r = {.arena = a, .out = record_r};
	struct text rest = {text, len};

	*record_r = (struct dmarc_record){.fo = DMARC_FO_ALL};
	if (len == 0 || is_space(text[0]) || !is_version(take(&rest, ';')))
		return ERR_NOTFOUND;
	while (rest.len > 0)
		read_tag(&r, take(&rest, ';'));
	/* Section 4.7: without p= it is p=none. */
	if (!r.has_sp)
		record_r->sp = record_r->p;
	if (!r.has_np)
		record_r->np = record_r->sp;
	/* Section 4.10.1: a policy that can't be read is none, for the sake of
	 * the reports. */
	if (r.bad_policy)
		record_r->p = record_r->sp = record_r->np = DMARC_POLICY_NONE;
	record_r->usable = !r.bad_policy || record_r->rua_count > 0;
	return r.rc;
}

const char *
dmarc_policy_word(enum dmarc_policy policy)
{
	static const char *const words[] = {"none", "quarantine", "reject"};

	return words[policy];
}
