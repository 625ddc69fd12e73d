/* SPDX-License-Identifier: BSD-2-Clause */
#include "record_pack.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "chain.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dnsbl.h"
#include "lib/dns/helo.h"
#include "lib/dns/iprev.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "record.h"

/* -- the tables -- */

enum type {
	TEXT,    /* const char *; NULL is left out, "" is not */
	BYTES,   /* a pointer, and its length (size_t) at `also` */
	NUMBER,  /* an unsigned integer, an enum or a bool of `size` octets */
	SIGNED,  /* int64_t */
	DOUBLE,
	WITHIN,  /* a struct in this one */
	ONE,     /* a pointer to a struct, or NULL */
	LIST,    /* a pointer to the first of a list; the pointer to the next
	            one is at `also` in each */
	ARRAY,   /* a pointer to the first of as many as the size_t at `also`
	            says */
	CODES,   /* DNSBL_CODES_MAX of uint32_t, and their count (size_t) at
	            `also` */
	TEXTS,   /* a pointer to pointers to text, NULL-ended, or NULL */
	TIMES,   /* STAGES_MAX of uint64_t, nanoseconds by stage */
};

/* What is shortened first. */
enum part {
	PART_REST,
	PART_RECIPIENTS,
	PART_EDIT,  /* a value of an edit */
	PART_MATCH, /* the text that a rule met */
	PART_ZERO,  /* a list of things with a score: those of 0 go */
	PART_SUBJECT,
};

struct field {
	unsigned char number; /* from 1; in octets for ever */
	unsigned char type;
	unsigned char part;
	unsigned short at; /* in the struct */
	unsigned short also;
	unsigned short size; /* NUMBER; of the struct behind it */
	unsigned short score; /* PART_ZERO: where the score is (double) */
	const struct field *fields; /* of the struct behind it */
};

#define AT(s, m) .at = offsetof(struct s, m)
#define T(n, s, m) {.number = n, .type = TEXT, AT(s, m)}
#define N(n, s, m) \
	{.number = n, .type = NUMBER, AT(s, m), \
	    .size = sizeof(((struct s *)0)->m)}
#define D(n, s, m) {.number = n, .type = DOUBLE, AT(s, m)}
#define END {.number = 0}

static const struct field verdict_fields[] = {
    N(1, verdict, action),
    N(2, verdict, error),
    N(3, verdict, code),
    T(4, verdict, xcode),
    T(5, verdict, text),
    T(6, verdict, symbol),
    T(7, verdict, why),
    T(8, verdict, by),
    END,
};

static const struct field rcpt_fields[] = {
    T(1, rcpt, addr),
    N(2, rcpt, refused),
    {.number = 3, .type = WITHIN, AT(rcpt, refusal), .fields = verdict_fields},
    N(4, rcpt, exempt),
    END,
};

static const struct field spf_fields[] = {
    N(1, spf_result, result),
    N(2, spf_result, scope),
    T(3, spf_result, domain),
    T(4, spf_result, mechanism),
    T(5, spf_result, inner),
    T(6, spf_result, explanation),
    T(7, spf_result, reason),
    N(8, spf_result, plus_all),
    N(9, spf_result, addresses),
    END,
};

static const struct field dkim_one_fields[] = {
    N(1, dkim_verdict, status),
    N(2, dkim_verdict, cause),
    T(3, dkim_verdict, reason),
    T(4, dkim_verdict, domain),
    T(5, dkim_verdict, selector),
    T(6, dkim_verdict, identity),
    T(7, dkim_verdict, algorithm),
    T(8, dkim_verdict, b),
    N(9, dkim_verdict, bits),
    N(10, dkim_verdict, testing),
    N(11, dkim_verdict, secure),
    END,
};

static const struct field dkim_fields[] = {
    {.number = 1, .type = ARRAY, AT(dkim_verdicts, list),
	.also = offsetof(struct dkim_verdicts, count),
	.size = sizeof(struct dkim_verdict), .fields = dkim_one_fields},
    N(2, dkim_verdicts, many_from),
    END,
};

static const struct field dmarc_fields[] = {
    N(1, dmarc_result, result),
    T(2, dmarc_result, domain),
    N(3, dmarc_result, authors),
    T(4, dmarc_result, policy_domain),
    N(5, dmarc_result, policy),
    N(6, dmarc_result, applied),
    N(7, dmarc_result, disposition),
    N(8, dmarc_result, psl),
    N(9, dmarc_result, spf_aligned),
    N(10, dmarc_result, dkim_aligned),
    T(11, dmarc_result, spf_domain),
    T(12, dmarc_result, dkim_domain),
    N(13, dmarc_result, override),
    END,
};

static const struct field iprev_fields[] = {
    N(1, iprev_result, status),
    T(2, iprev_result, name),
    END,
};

static const struct field helo_result_fields[] = {
    N(1, helo_result, form),
    N(2, helo_result, status),
    N(3, helo_result, bracketed),
    T(4, helo_result, name),
    END,
};

static const struct field helo_fields[] = {
    {.number = 1, .type = ONE, AT(helo_fact, result),
	.size = sizeof(struct helo_result), .fields = helo_result_fields},
    N(2, helo_fact, ours),
    END,
};

static const struct field dnsbl_fields[] = {
    T(1, dnsbl_finding, list),
    T(2, dnsbl_finding, symbol),
    T(3, dnsbl_finding, zone),
    T(4, dnsbl_finding, about),
    T(5, dnsbl_finding, asked),
    N(6, dnsbl_finding, answer.status),
    {.number = 7, .type = CODES, AT(dnsbl_finding, answer.codes),
	.also = offsetof(struct dnsbl_finding, answer.count)},
    N(8, dnsbl_finding, answer.error),
    END,
};

static const struct field hit_fields[] = {
    T(1, rules_hit, name),
    T(2, rules_hit, describe),
    D(3, rules_hit, score),
    D(4, rules_hit, value),
    N(5, rules_hit, times),
    N(6, rules_hit, sub),
    {.number = 7, .type = BYTES, .part = PART_MATCH,
	AT(rules_hit, matched.data),
	.also = offsetof(struct rules_hit, matched.len)},
    END,
};

static const struct field rules_fields[] = {
    {.number = 1, .type = LIST, .part = PART_ZERO, AT(rules_result, hits),
	.also = offsetof(struct rules_hit, next),
	.size = sizeof(struct rules_hit),
	.score = offsetof(struct rules_hit, score), .fields = hit_fields},
    D(2, rules_result, score),
    {.number = 3, .type = TEXTS, AT(rules_result, limited)},
    N(4, rules_result, late),
    END,
};

static const struct field symbol_fields[] = {
    T(1, symbol, name),
    D(2, symbol, score),
    N(3, symbol, times),
    {.number = 4, .type = BYTES, .part = PART_MATCH, AT(symbol, match),
	.also = offsetof(struct symbol, match_len)},
    END,
};

static const struct field quota_fields[] = {
    T(1, quota_level, level),
    T(2, quota_level, kind),
    N(3, quota_level, window_s),
    N(4, quota_level, limit),
    N(5, quota_level, used),
    END,
};

static const struct field edit_fields[] = {
    N(1, edit, op),
    N(2, edit, index),
    T(3, edit, name),
    {.number = 4, .type = TEXT, .part = PART_EDIT, AT(edit, value)},
    END,
};

static const struct field time_fields[] = {
    {.number = 1, .type = SIGNED, AT(timespec, tv_sec)},
    N(2, timespec, tv_nsec),
    END,
};

#define STRUCT_ONE(n, m, s, f) \
	{.number = n, .type = ONE, AT(record, m), .size = sizeof(struct s), \
	    .fields = f}

/* Numbers up to 63: their heads are one octet or two. */
static const struct field record_fields[] = {
    {.number = 1, .type = WITHIN, AT(record, time), .fields = time_fields},
    {.number = 2, .type = SIGNED, AT(record, took_ns)},
    {.number = 3, .type = TIMES, AT(record, stage_ns)},
    T(4, record, at),
    T(5, record, queue_id),
    T(6, record, client_ip),
    T(7, record, client_name),
    T(8, record, client_helo),
    T(9, record, sender),
    {.number = 10, .type = LIST, .part = PART_RECIPIENTS, AT(record, rcpts),
	.also = offsetof(struct rcpt, next), .size = sizeof(struct rcpt),
	.fields = rcpt_fields},
    N(11, record, rcpt_count),
    T(12, record, account),
    N(13, record, came),
    N(14, record, size),
    {.number = 15, .type = BYTES, .part = PART_SUBJECT, AT(record, subject),
	.also = offsetof(struct record, subject_len)},
    {.number = 16, .type = BYTES, AT(record, message_id),
	.also = offsetof(struct record, message_id_len)},
    N(17, record, direction),
    T(18, record, direction_why),
    STRUCT_ONE(19, spf, spf_result, spf_fields),
    STRUCT_ONE(20, spf_helo, spf_result, spf_fields),
    STRUCT_ONE(21, dkim, dkim_verdicts, dkim_fields),
    STRUCT_ONE(22, dmarc, dmarc_result, dmarc_fields),
    STRUCT_ONE(23, iprev, iprev_result, iprev_fields),
    STRUCT_ONE(24, helo, helo_fact, helo_fields),
    {.number = 25, .type = LIST, AT(record, dnsbl),
	.also = offsetof(struct dnsbl_finding, next),
	.size = sizeof(struct dnsbl_finding), .fields = dnsbl_fields},
    STRUCT_ONE(26, rules, rules_result, rules_fields),
    {.number = 27, .type = LIST, .part = PART_ZERO, AT(record, symbols),
	.also = offsetof(struct symbol, next), .size = sizeof(struct symbol),
	.score = offsetof(struct symbol, score), .fields = symbol_fields},
    D(28, record, score),
    N(29, record, scored),
    T(30, record, allowed),
    {.number = 31, .type = ARRAY, AT(record, quota),
	.also = offsetof(struct record, quota_count),
	.size = sizeof(struct quota_level), .fields = quota_fields},
    {.number = 32, .type = LIST, AT(record, edits),
	.also = offsetof(struct edit, next), .size = sizeof(struct edit),
	.fields = edit_fields},
    {.number = 33, .type = WITHIN, AT(record, verdict),
	.fields = verdict_fields},
    N(34, record, aborted),
    T(35, record, symbol),
    T(36, record, exempt_from),
    N(37, record, left),
    T(38, record, unsigned_why),
    N(39, record, shortened),
    T(40, record, signed_with),
    END,
};

static const char *const words[] = {
    "recipients", "edits", "matches", "symbols", "rest"};

const char *
record_short_word(unsigned i)
{
	return i < sizeof(words) / sizeof(*words) ? words[i] : NULL;
}

/* -- writing -- */

#define TEXT_MAX 512  /* octets of any text */
#define VALUE_MAX 200 /* of a value of an edit, which is kept whole or not */
#define MATCH_MAX 80

enum { KIND_NUMBER, KIND_DOUBLE, KIND_OCTETS };

/* How much is kept. */
struct keep {
	bool subjects;
	unsigned shortened; /* RECORD_SHORT_ */
	size_t rcpts;       /* at most */
	size_t text;        /* octets of a text at most */
	size_t many;        /* of any other list at most */
};

struct packer {
	unsigned char *at, *end;
	struct keep keep;
	unsigned cut; /* RECORD_SHORT_ of what `keep` left out */
	bool full;
};

static void put_fields(
    struct packer *p, const struct field *fields, const void *from);

static void
put_octet(struct packer *p, unsigned value)
{
	if (p->at == p->end)
		p->full = true;
	else
		*p->at++ = (unsigned char)value;
}

static void
put_number(struct packer *p, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		put_octet(p, (value & 0x7f) | 0x80);
	put_octet(p, (unsigned)value);
}

static void
put_head(struct packer *p, unsigned number, unsigned kind)
{
	put_number(p, number << 2 | kind);
}

static void
put_octets(struct packer *p, const void *bytes, size_t len)
{
	if ((size_t)(p->end - p->at) < len) {
		p->full = true;
		return;
	}
	memcpy(p->at, bytes, len);
	p->at += len;
}

/* Begin octets whose length is not known yet; returns where it will stand. */
static unsigned char *
begin(struct packer *p, unsigned number)
{
	unsigned char *at;

	put_head(p, number, KIND_OCTETS);
	at = p->at;
	put_octets(p, "\0", 2);
	return at;
}

static void
end(struct packer *p, unsigned char *at)
{
	size_t len;

	if (p->full)
		return;
	len = (size_t)(p->at - at) - 2;
	at[0] = (unsigned char)(len >> 8);
	at[1] = (unsigned char)len;
}

static void
put_text(struct packer *p, unsigned number, const char *text, size_t len)
{
	unsigned char *at = begin(p, number);

	put_octets(p, text, len);
	end(p, at);
}

static void
put_double(struct packer *p, unsigned number, double value)
{
	put_head(p, number, KIND_DOUBLE);
	put_octets(p, &value, sizeof(value));
}

static uint64_t
number_at(const void *from, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)from;
	case 4:
		return *(const uint32_t *)from;
	default:
		assert(size == 8);
		return *(const uint64_t *)from;
	}
}

static const void *
pointer_at(const void *from, size_t at)
{
	const void *p;

	memcpy(&p, (const char *)from + at, sizeof(p));
	return p;
}

static size_t
size_at(const void *from, size_t at)
{
	size_t n;

	memcpy(&n, (const char *)from + at, sizeof(n));
	return n;
}

/* Is the text kept, and how much of it? */
static bool
keep_text(struct packer *p, const struct field *f, size_t *len)
{
	size_t max = p->keep.text;
	unsigned bit = RECORD_SHORT_REST;
	bool drop = false;

	if (f->part == PART_SUBJECT && !p->keep.subjects)
		return false;
	if (f->part == PART_EDIT) {
		bit = RECORD_SHORT_EDITS;
		drop = *len > VALUE_MAX || (p->keep.shortened & bit) != 0;
	} else if (f->part == PART_MATCH) {
		bit = RECORD_SHORT_MATCHES;
		drop = (p->keep.shortened & bit) != 0;
		/* Matches are never longer, so this cuts nothing that counts. */
		if (*len > MATCH_MAX)
			*len = MATCH_MAX;
	}
	if (drop || *len > max)
		p->cut |= bit;
	if (*len > max)
		*len = max;
	return !drop;
}

static void
put_struct(struct packer *p, const struct field *f, const void *from)
{
	unsigned char *at = begin(p, f->number);

	put_fields(p, f->fields, from);
	end(p, at);
}

/* Nothing where all in it is left out. */
static void
put_within(struct packer *p, const struct field *f, const void *from)
{
	unsigned char *before = p->at, *at = begin(p, f->number);

	put_fields(p, f->fields, from);
	end(p, at);
	if (p->at == at + 2 && !p->full)
		p->at = before;
}

static void
put_list(struct packer *p, const struct field *f, const void *first)
{
	size_t n = 0;

	for (const void *one = first; one != NULL;
	     one = pointer_at(one, f->also)) {
		double score;

		bool rcpts = f->part == PART_RECIPIENTS;

		if (n++ >= (rcpts ? p->keep.rcpts : p->keep.many)) {
			p->cut |= rcpts ? RECORD_SHORT_RECIPIENTS
					: RECORD_SHORT_REST;
			return;
		}
		if (f->part == PART_ZERO &&
		    (p->keep.shortened & RECORD_SHORT_SYMBOLS) != 0) {
			memcpy(&score, (const char *)one + f->score,
			    sizeof(score));
			p->cut |= score == 0 ? RECORD_SHORT_SYMBOLS : 0;
			if (score == 0)
				continue;
		}
		put_struct(p, f, one);
		if (p->full)
			return;
	}
}

static void
put_array(struct packer *p, const struct field *f, const void *from)
{
	const char *first = pointer_at(from, f->at);
	size_t count = first == NULL ? 0 : size_at(from, f->also);

	if (count > p->keep.many) {
		p->cut |= RECORD_SHORT_REST;
		count = p->keep.many;
	}
	for (size_t i = 0; i < count && !p->full; i++)
		put_struct(p, f, first + i * f->size);
}

static void
put_codes(struct packer *p, const struct field *f, const void *from)
{
	const uint32_t *codes =
	    (const void *)((const char *)from + f->at);
	size_t count = size_at(from, f->also);

	for (size_t i = 0; i < count && i < DNSBL_CODES_MAX; i++) {
		put_head(p, f->number, KIND_NUMBER);
		put_number(p, codes[i]);
	}
}

static void
put_texts(struct packer *p, const struct field *f, const char *const *texts)
{
	for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
		if (i >= p->keep.many)
			p->cut |= RECORD_SHORT_REST;
		if (i >= p->keep.many || p->full)
			return;
		put_text(p, f->number, texts[i],
		    strnlen(texts[i], p->keep.text));
	}
}

static void
put_times(struct packer *p, const struct field *f, const uint64_t *ns)
{
	for (size_t i = 0; ns != NULL && stages[i] != NULL; i++) {
		unsigned char *at;

		if (ns[i] == 0)
			continue;
		at = begin(p, f->number);
		put_number(p, ns[i]);
		put_octets(p, stages[i]->name, strlen(stages[i]->name));
		end(p, at);
	}
}

static void
put_any_text(struct packer *p, const struct field *f, const char *text,
    size_t len)
{
	if (text != NULL && keep_text(p, f, &len))
		put_text(p, f->number, text, len);
}

static void
put_value(struct packer *p, const struct field *f, const void *from)
{
	const char *at = (const char *)from + f->at;
	uint64_t n;
	int64_t i;
	double d;

	switch ((enum type)f->type) {
	case NUMBER:
		n = number_at(at, f->size);
		if (n != 0) {
			put_head(p, f->number, KIND_NUMBER);
			put_number(p, n);
		}
		return;
	case SIGNED:
		memcpy(&i, at, sizeof(i));
		if (i != 0) {
			put_head(p, f->number, KIND_NUMBER);
			put_number(p, (uint64_t)i);
		}
		return;
	case DOUBLE:
		memcpy(&d, at, sizeof(d));
		if (d != 0)
			put_double(p, f->number, d);
		return;
	case TEXT: {
		const char *text = pointer_at(from, f->at);

		put_any_text(p, f, text, text == NULL ? 0 : strlen(text));
		return;
	}
	case BYTES:
		put_any_text(p, f, pointer_at(from, f->at),
		    size_at(from, f->also));
		return;
	case WITHIN:
		put_within(p, f, at);
		return;
	case ONE:
		if (pointer_at(from, f->at) != NULL)
			put_struct(p, f, pointer_at(from, f->at));
		return;
	case LIST:
		put_list(p, f, pointer_at(from, f->at));
		return;
	case ARRAY:
		put_array(p, f, from);
		return;
	case CODES:
		put_codes(p, f, from);
		return;
	case TEXTS:
		put_texts(p, f, pointer_at(from, f->at));
		return;
	case TIMES:
		put_times(p, f, pointer_at(from, f->at));
		return;
	}
}

static void
put_fields(struct packer *p, const struct field *fields, const void *from)
{
	for (const struct field *f = fields; f->number != 0 && !p->full; f++)
		put_value(p, f, from);
}

/* One attempt; 0: it does not fit. */
static size_t
pack_once(const struct record *r, const struct keep *keep, unsigned *cut_r,
    unsigned char *out)
{
	/* The last field says what was cut, and is known only then. */
	struct packer p = {.at = out,
	    .end = out + RECORD_PACKED_MAX - 3,
	    .keep = *keep,
	    .cut = r->shortened};

	put_octet(&p, RECORD_VERSION);
	put_fields(&p, record_fields, r);
	*cut_r = p.cut;
	if (p.full)
		return 0;
	if (p.cut != 0) {
		p.end += 3;
		put_head(&p, 39, KIND_NUMBER);
		put_number(&p, p.cut);
	}
	return (size_t)(p.at - out);
}

size_t
record_pack(const struct record *r, bool subjects,
    unsigned char out[RECORD_PACKED_MAX])
{
	struct keep keep = {.subjects = subjects,
	    .rcpts = SIZE_MAX,
	    .text = TEXT_MAX,
	    .many = SIZE_MAX};
	unsigned cut;
	size_t len = pack_once(r, &keep, &cut, out);

	for (keep.rcpts = 64; len == 0 && keep.rcpts > 1; keep.rcpts /= 2)
		len = pack_once(r, &keep, &cut, out);
	for (unsigned bit = RECORD_SHORT_EDITS;
	     len == 0 && bit <= RECORD_SHORT_SYMBOLS; bit <<= 1) {
		keep.shortened |= bit;
		len = pack_once(r, &keep, &cut, out);
	}
	/* With one of each and eight octets a text it has room. */
	for (keep.many = 64; len == 0; keep.many /= 2) {
		keep.text = keep.many * 8;
		len = pack_once(r, &keep, &cut, out);
	}
	return len;
}

/* -- reading -- */

struct reader {
	const unsigned char *at, *end;
	struct arena *arena;
	int rc;
};

/* One field as it stands in the octets. */
struct item {
	uint64_t number, value; /* KIND_NUMBER; or the length of octets */
	unsigned kind;
	const unsigned char *octets; /* or eight of them: KIND_DOUBLE */
};

static void get_fields(struct reader *in, const unsigned char *octets,
    size_t len, const struct field *fields, void *to);

static bool
get_number(struct reader *in, uint64_t *value_r)
{
	*value_r = 0;
	for (unsigned shift = 0; in->at < in->end && shift < 64; shift += 7) {
		unsigned octet = *in->at++;

		*value_r |= (uint64_t)(octet & 0x7f) << shift;
		if (octet < 0x80)
			return true;
	}
	return false;
}

static bool
get_item(struct reader *in, struct item *i)
{
	uint64_t head;
	size_t left;

	if (!get_number(in, &head))
		return false;
	i->number = head >> 2;
	i->kind = head & 3;
	if (i->kind == KIND_NUMBER)
		return get_number(in, &i->value);
	left = (size_t)(in->end - in->at);
	i->value = 8;
	if (i->kind == KIND_OCTETS && left >= 2) {
		i->value = (uint64_t)in->at[0] << 8 | in->at[1];
		in->at += 2;
		left -= 2;
	}
	if (i->kind > KIND_OCTETS || left < i->value)
		return false;
	i->octets = in->at;
	in->at += i->value;
	return true;
}

static void *
get_memory(struct reader *in, size_t size)
{
	void *p = arena_alloc(in->arena, size);

	if (p == NULL)
		in->rc = ERR_NOMEM;
	return p;
}

static void
set_pointer(void *to, size_t at, const void *p)
{
	memcpy((char *)to + at, &p, sizeof(p));
}

static void
set_number(void *to, size_t size, uint64_t value)
{
	switch (size) {
	case 1:
		*(uint8_t *)to = value != 0; /* a bool */
		break;
	case 4:
		*(uint32_t *)to = (uint32_t)value;
		break;
	default:
		assert(size == 8);
		*(uint64_t *)to = value;
	}
}

/* The struct behind a pointer. */
static void *
get_struct(struct reader *in, const struct item *i, const struct field *f)
{
	void *one = get_memory(in, f->size);

	if (one != NULL)
		get_fields(in, i->octets, i->value, f->fields, one);
	return one;
}

static char *
get_text(struct reader *in, const struct item *i)
{
	char *text = arena_memdup(in->arena, i->octets, i->value);

	if (text == NULL)
		in->rc = ERR_NOMEM;
	return text;
}

/* At the end of a list. */
static void
add_to_list(void *to, const struct field *f, void *one)
{
	void *last = NULL;

	for (const void *p = pointer_at(to, f->at); p != NULL;
	     p = pointer_at(p, f->also))
		last = (void *)(uintptr_t)p;
	if (last == NULL)
		set_pointer(to, f->at, one);
	else
		set_pointer(last, f->also, one);
}

/* At the end of an array, which moves when it must grow. */
static void
add_to_array(struct reader *in, const struct item *i, const struct field *f,
    void *to)
{
	size_t n = size_at(to, f->also);
	const void *old = pointer_at(to, f->at);
	char *all = (char *)(uintptr_t)old;

	if ((n & (n - 1)) == 0) {
		all = get_memory(in, (n == 0 ? 1 : 2 * n) * f->size);
		if (all == NULL)
			return;
		if (n > 0)
			memcpy(all, old, n * f->size);
		set_pointer(to, f->at, all);
	}
	get_fields(in, i->octets, i->value, f->fields, all + n * f->size);
	n++;
	memcpy((char *)to + f->also, &n, sizeof(n));
}

static void
add_code(const struct item *i, const struct field *f, void *to)
{
	size_t n = size_at(to, f->also);
	uint32_t code = (uint32_t)i->value;

	if (n >= DNSBL_CODES_MAX)
		return;
	memcpy((char *)to + f->at + n * sizeof(code), &code, sizeof(code));
	n++;
	memcpy((char *)to + f->also, &n, sizeof(n));
}

static void
add_text(struct reader *in, const struct item *i, const struct field *f,
    void *to)
{
	const char *const *old = pointer_at(to, f->at);
	const char **all;
	size_t n = 0;

	while (old != NULL && old[n] != NULL)
		n++;
	/* It has room for twice a power of two, and the NULL. */
	if ((n & (n - 1)) == 0) {
		all = get_memory(in, (2 * n + 2) * sizeof(*all));
		if (all == NULL)
			return;
		if (n > 0)
			memcpy(all, old, n * sizeof(*all));
		set_pointer(to, f->at, all);
	} else {
		all = (const char **)(uintptr_t)old;
	}
	all[n] = get_text(in, i);
}

/* Of a stage that this program does not have: nothing. */
static void
add_time(const struct item *i, const struct field *f, void *to)
{
	struct reader in = {.at = i->octets, .end = i->octets + i->value};
	uint64_t ns, *all = (uint64_t *)(uintptr_t)pointer_at(to, f->at);
	size_t len;

	if (all == NULL || !get_number(&in, &ns))
		return;
	len = (size_t)(in.end - in.at);
	if (len == 0 || memchr(in.at, '\0', len) != NULL)
		return;
	for (size_t k = 0; stages[k] != NULL; k++) {
		const char *name = stages[k]->name;

		/* The octets may have a NUL in them. */
		if ((unsigned char)*name == *in.at &&
		    strnlen(name, len + 1) == len &&
		    memcmp(name, in.at, len) == 0)
			all[k] = ns;
	}
}

static unsigned
kind_of(const struct field *f)
{
	switch ((enum type)f->type) {
	case NUMBER:
	case SIGNED:
	case CODES:
		return KIND_NUMBER;
	case DOUBLE:
		return KIND_DOUBLE;
	default:
		return KIND_OCTETS;
	}
}

static void
get_value(struct reader *in, const struct item *i, const struct field *f,
    void *to)
{
	char *at = (char *)to + f->at;
	double number;
	void *one;
	size_t len;

	switch ((enum type)f->type) {
	case NUMBER:
		set_number(at, f->size, i->value);
		return;
	case SIGNED:
		set_number(at, sizeof(int64_t), i->value);
		return;
	case DOUBLE:
		memcpy(&number, i->octets, sizeof(number));
		if (isfinite(number))
			memcpy(at, &number, sizeof(number));
		return;
	case BYTES:
		len = i->value;
		memcpy((char *)to + f->also, &len, sizeof(len));
		/* fallthrough */
	case TEXT:
		set_pointer(to, f->at, get_text(in, i));
		return;
	case WITHIN:
		get_fields(in, i->octets, i->value, f->fields, at);
		return;
	case ONE:
		set_pointer(to, f->at, get_struct(in, i, f));
		return;
	case LIST:
		one = get_struct(in, i, f);
		if (one != NULL)
			add_to_list(to, f, one);
		return;
	case ARRAY:
		add_to_array(in, i, f, to);
		return;
	case CODES:
		add_code(i, f, to);
		return;
	case TEXTS:
		add_text(in, i, f, to);
		return;
	case TIMES:
		add_time(i, f, to);
		return;
	}
}

/* From that one on; its number is 0: there is none. */
static const struct field *
find_field(const struct field *f, const struct item *i)
{
	while (f->number != 0 &&
	    (f->number != i->number || kind_of(f) != i->kind))
		f++;
	return f;
}

static void
get_fields(struct reader *in, const unsigned char *octets, size_t len,
    const struct field *fields, void *to)
{
	struct reader inner = {
	    .at = octets, .end = octets + len, .arena = in->arena};
	const struct field *last = fields;
	struct item i = {0};

	while (in->rc == 0 && inner.at < inner.end) {
		const struct field *f;

		if (!get_item(&inner, &i)) {
			in->rc = ERR_FORMAT;
			return;
		}
		/* Mostly they come in the order of the table. */
		f = find_field(last, &i);
		if (f->number == 0 && last != fields)
			f = find_field(fields, &i);
		if (f->number == 0)
			continue;
		last = f;
		get_value(in, &i, f, to);
	}
}

/* Words are looked up by these values. */
static bool
facts_sound(const struct record *r)
{
	const struct spf_result *spf[] = {r->spf, r->spf_helo};
	bool sound = r->iprev == NULL || r->iprev->status <= IPREV_PERMERROR;

	for (int i = 0; i < 2; i++)
		sound = sound &&
		    (spf[i] == NULL ||
			(spf[i]->result <= SPF_PERMERROR &&
			    spf[i]->scope <= SPF_HELO));
	for (size_t i = 0; r->dkim != NULL && i < r->dkim->count; i++)
		sound = sound &&
		    r->dkim->list[i].status <= DKIM_STATUS_PERMERROR;
	if (r->dmarc != NULL)
		sound = sound && r->dmarc->domain != NULL &&
		    r->dmarc->result <= DMARC_PERMERROR &&
		    r->dmarc->policy <= DMARC_POLICY_REJECT &&
		    r->dmarc->disposition <= DMARC_POLICY_REJECT &&
		    r->dmarc->override <= DMARC_OVERRIDE_LOCAL;
	if (r->helo != NULL)
		sound = sound && r->helo->result != NULL &&
		    r->helo->result->form <= HELO_INVALID &&
		    r->helo->result->status <= HELO_TEMPERROR;
	for (const struct dnsbl_finding *f = r->dnsbl; f != NULL; f = f->next)
		sound = sound && f->zone != NULL && f->about != NULL &&
		    f->asked != NULL && f->answer.status <= DNSBL_NOT_ASKED;
	if (r->rules != NULL) {
		for (const struct rules_hit *h = r->rules->hits; h != NULL;
		     h = h->next)
			sound = sound && h->name != NULL;
	}
	return sound;
}

/* Octets may be noise: is there what who reads a record relies upon? */
static bool
record_sound(const struct record *r)
{
	bool sound = r->verdict.action <= VERDICT_ERROR &&
	    r->direction <= DIRECTION_OUTBOUND &&
	    (r->at != NULL || r->sender != NULL) &&
	    r->time.tv_nsec >= 0 && r->time.tv_nsec < 1000000000;

	for (const struct symbol *s = r->symbols; s != NULL; s = s->next)
		sound = sound && s->name != NULL;
	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next)
		sound = sound && to->addr != NULL &&
		    to->refusal.action <= VERDICT_ERROR;
	for (const struct edit *e = r->edits; e != NULL; e = e->next)
		sound = sound && e->name != NULL && e->op <= EDIT_DELETE;
	for (size_t i = 0; i < r->quota_count; i++)
		sound = sound && r->quota[i].level != NULL &&
		    r->quota[i].kind != NULL;
	return sound && facts_sound(r);
}

int
record_unpack(const void *bytes, size_t len, struct arena *a,
    const struct record **record_r)
{
	const unsigned char *from = bytes;
	struct reader in = {.arena = a};
	struct record *r;

	*record_r = NULL;
	if (len == 0 || from[0] != RECORD_VERSION)
		return ERR_FORMAT;
	r = get_memory(&in, sizeof(*r));
	if (r == NULL)
		return ERR_NOMEM;
	r->notes = "";
	r->stage_ns = get_memory(&in, STAGES_MAX * sizeof(*r->stage_ns));
	if (in.rc == 0)
		get_fields(&in, from + 1, len - 1, record_fields, r);
	if (in.rc == 0)
		in.rc = record_sound(r) ? 0 : ERR_FORMAT;
	if (in.rc == 0)
		*record_r = r;
	return in.rc;
}
