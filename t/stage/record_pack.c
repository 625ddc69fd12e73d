/*
 * Records as octets: what is shortened of those that are too long, and in which
 * order; and what comes of octets that are none.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/record_pack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "milter/chain.h"
#include "milter/record.h"
#include "t/support/drivers/test.h"

/* How much of what a record has. */
struct monster {
	size_t rcpts, edits, value, symbols, zeros, match, hits, dkim, limited,
	    subject, text;
};

static struct arena arena;

static int
set_up(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

/* A text of that length, with a number in front. */
static char *
text_of(size_t i, size_t len)
{
	char *text = arena_alloc(&arena, len + 24);

	assert_non_null(text);
	snprintf(text, 24, "%zu", i);
	for (size_t k = strlen(text); k < len; k++)
		text[k] = (char)('a' + k % 26);
	return text;
}

#define NEW(type) ((type *)arena_alloc(&arena, sizeof(type)))

static struct rcpt *
make_rcpts(size_t count)
{
	struct rcpt *first = NULL;

	for (size_t i = count; i-- > 0;) {
		struct rcpt *one = NEW(struct rcpt);

		one->addr = arena_printf(&arena, "user%zu@x.example", i);
		one->next = first;
		first = one;
	}
	return first;
}

static struct edit *
make_edits(size_t count, size_t value)
{
	struct edit *first = NULL;

	for (size_t i = count; i-- > 0;) {
		struct edit *one = NEW(struct edit);

		one->op = EDIT_ADD;
		one->name = "X-Field";
		one->value = text_of(i, value);
		one->next = first;
		first = one;
	}
	return first;
}

/* The first ones have a score. */
static struct symbol *
make_symbols(size_t scored, size_t zeros, size_t match)
{
	struct symbol *first = NULL;

	for (size_t i = scored + zeros; i-- > 0;) {
		struct symbol *one = NEW(struct symbol);

		one->name = arena_printf(&arena, "RULE_%zu", i);
		one->score = i < scored ? 1.5 : 0;
		one->match = match == 0 ? NULL : text_of(i, match);
		one->match_len = match;
		one->next = first;
		first = one;
	}
	return first;
}

static struct rules_result *
make_rules(const struct monster *m)
{
	struct rules_result *r = NEW(struct rules_result);
	const char **limited =
	    arena_alloc(&arena, (m->limited + 1) * sizeof(*limited));

	for (size_t i = m->hits; i-- > 0;) {
		struct rules_hit *one = NEW(struct rules_hit);

		one->name = arena_printf(&arena, "RULE_%zu", i);
		one->score = i % 2 == 0 ? 0 : 1;
		one->value = 1;
		one->matched.data = text_of(i, m->match);
		one->matched.len = m->match;
		one->next = r->hits;
		r->hits = one;
	}
	for (size_t i = 0; i < m->limited; i++)
		limited[i] = text_of(i, 20);
	r->limited = m->limited == 0 ? NULL : limited;
	return r;
}

static struct dkim_verdicts *
make_dkim(size_t count)
{
	struct dkim_verdicts *v = NEW(struct dkim_verdicts);
	struct dkim_verdict *list =
	    arena_alloc(&arena, (count + 1) * sizeof(*list));

	for (size_t i = 0; i < count; i++) {
		list[i].domain = text_of(i, 30);
		list[i].bits = 2048;
	}
	v->list = list;
	v->count = count;
	return v;
}

static struct record *
make(const struct monster *m)
{
	struct record *r = NEW(struct record);
	uint64_t *ns = arena_alloc(&arena, STAGES_MAX * sizeof(*ns));

	for (size_t i = 0; stages[i] != NULL; i++)
		ns[i] = 1000 * (i + 1);
	*r = (struct record){.time = {1700000000, 999999999},
	    .took_ns = 123456789,
	    .stage_ns = ns,
	    .queue_id = "4cXYZ",
	    .client_ip = "192.0.2.1",
	    .client_name = text_of(1, m->text),
	    .client_helo = text_of(2, m->text),
	    .sender = "bob@example.com",
	    .rcpts = make_rcpts(m->rcpts),
	    .rcpt_count = m->rcpts,
	    .account = "bob@example.com",
	    .came = true,
	    .size = (size_t)1 << 40,
	    .subject = text_of(3, m->subject),
	    .subject_len = m->subject,
	    .direction = DIRECTION_OUTBOUND,
	    .direction_why = text_of(4, m->text),
	    .dkim = make_dkim(m->dkim),
	    .rules = make_rules(m),
	    .symbols = make_symbols(m->symbols, m->zeros, m->match),
	    .score = 7.25,
	    .edits = make_edits(m->edits, m->value),
	    .verdict = verdict_make(VERDICT_REJECT, text_of(5, m->text)),
	    .symbol = "RULE_0",
	    .notes = ""};
	return r;
}

/* -- what is kept -- */

static size_t
count_rcpts(const struct record *r)
{
	size_t n = 0;

	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next)
		assert_string_equal(to->addr,
		    arena_printf(&arena, "user%zu@x.example", n++));
	return n;
}

static void
count_edits(const struct record *r, size_t *all_r, size_t *values_r)
{
	*all_r = *values_r = 0;
	for (const struct edit *e = r->edits; e != NULL; e = e->next) {
		(*all_r)++;
		*values_r += e->value != NULL;
	}
}

static void
count_symbols(
    const struct record *r, size_t *scored_r, size_t *zeros_r, size_t *match_r)
{
	*scored_r = *zeros_r = *match_r = 0;
	for (const struct symbol *s = r->symbols; s != NULL; s = s->next) {
		*(s->score == 0 ? zeros_r : scored_r) += 1;
		*match_r += s->match != NULL;
	}
	for (const struct rules_hit *h = r->rules->hits; h != NULL; h = h->next)
		*match_r += h->matched.data != NULL;
}

static const struct record *
pack_and_read(const struct record *r, unsigned char out[RECORD_PACKED_MAX],
    size_t *len_r)
{
	const struct record *back;

	*len_r = record_pack(r, true, out);
	assert_in_range(*len_r, 1, RECORD_PACKED_MAX);
	assert_int_equal(record_unpack(out, *len_r, &arena, &back), 0);
	return back;
}

/* Whatever it is, the next part is only touched when there is as little of the
 * one before as may be. */
static void
check_order(const struct monster *m, const struct record *r)
{
	size_t rcpts = count_rcpts(r), edits, values, scored, zeros, matches;
	size_t some_edits = m->edits > 0 && m->value <= 200;
	size_t hits_zero = 0;

	count_edits(r, &edits, &values);
	count_symbols(r, &scored, &zeros, &matches);
	for (const struct rules_hit *h = r->rules->hits; h != NULL; h = h->next)
		hits_zero += h->score == 0;
	assert_int_equal(rcpts < m->rcpts,
	    (r->shortened & RECORD_SHORT_RECIPIENTS) != 0);
	if (!(r->shortened & RECORD_SHORT_EDITS) && m->edits > 0)
		assert_int_equal(values, edits);
	if (some_edits && (r->shortened & RECORD_SHORT_EDITS)) {
		assert_int_equal(values, 0);
		assert_true(rcpts <= 1);
	}
	if (r->shortened & RECORD_SHORT_MATCHES) {
		assert_int_equal(matches, 0);
		assert_true(rcpts <= 1 && values == 0);
	}
	if (r->shortened & RECORD_SHORT_SYMBOLS) {
		assert_true(zeros == 0 && hits_zero == 0 && matches == 0);
		assert_true(rcpts <= 1 && values == 0);
	}
	if (!(r->shortened & RECORD_SHORT_REST)) {
		assert_int_equal(edits, m->edits);
		assert_int_equal(scored, m->symbols);
		assert_int_equal(r->dkim->count, m->dkim);
	}
	if (!(r->shortened &
		(RECORD_SHORT_REST | RECORD_SHORT_SYMBOLS)))
		assert_int_equal(zeros, m->zeros);
	/* What is small is there in any case. */
	assert_string_equal(r->queue_id, "4cXYZ");
	assert_string_equal(r->account, "bob@example.com");
	assert_string_equal(r->client_ip, "192.0.2.1");
	assert_int_equal(r->verdict.action, VERDICT_REJECT);
	assert_int_equal(r->rcpt_count, m->rcpts);
	assert_true(r->size == (size_t)1 << 40);
	assert_true(r->score == 7.25);
	assert_int_equal(r->time.tv_nsec, 999999999);
	for (size_t i = 0; stages[i] != NULL; i++)
		assert_int_equal(r->stage_ns[i], 1000 * (i + 1));
}

static void
is_shortened_in_order(void **state)
{
	static const struct {
		struct monster m;
		unsigned shortened;
		size_t rcpts; /* at least */
	} cases[] = {
	    {{.rcpts = 10, .edits = 5, .value = 100, .symbols = 10,
		 .zeros = 10, .match = 30}, 0, 10},
	    {{.rcpts = 1000, .edits = 5, .value = 100, .symbols = 10,
		 .zeros = 10, .match = 30}, RECORD_SHORT_RECIPIENTS, 16},
	    {{.rcpts = 1000, .edits = 40, .value = 150, .symbols = 5,
		 .match = 30},
		RECORD_SHORT_RECIPIENTS | RECORD_SHORT_EDITS, 1},
	    {{.edits = 40, .value = 150}, RECORD_SHORT_EDITS, 0},
	    {{.edits = 3, .value = 201}, RECORD_SHORT_EDITS, 0},
	    {{.rcpts = 2, .edits = 3, .value = 200, .symbols = 50,
		 .match = 80},
		RECORD_SHORT_RECIPIENTS | RECORD_SHORT_EDITS |
		    RECORD_SHORT_MATCHES, 1},
	    {{.symbols = 20, .zeros = 300, .match = 80},
		RECORD_SHORT_MATCHES | RECORD_SHORT_SYMBOLS, 0},
	    {{.symbols = 1000}, RECORD_SHORT_REST, 0},
	    {{.edits = 2000, .value = 10},
		RECORD_SHORT_EDITS | RECORD_SHORT_REST, 0},
	    {{.dkim = 200}, RECORD_SHORT_REST, 0},
	    {{.limited = 3000}, RECORD_SHORT_REST, 0},
	    {{.subject = 65536}, RECORD_SHORT_REST, 0},
	    {{.rcpts = 1000, .edits = 2000, .value = 5000, .symbols = 1000,
		 .zeros = 1000, .match = 5000, .hits = 1000, .dkim = 500,
		 .limited = 500, .subject = 65536, .text = 70000},
		31, 1},
	};
	unsigned char out[RECORD_PACKED_MAX], again[RECORD_PACKED_MAX];
	const struct record *back;
	struct record more;
	size_t len, again_len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		back = pack_and_read(make(&cases[i].m), out, &len);
		assert_int_equal(back->shortened, cases[i].shortened);
		assert_true(count_rcpts(back) >= cases[i].rcpts);
		check_order(&cases[i].m, back);
		/* Who packs it anew does not forget what is left out. */
		back = pack_and_read(back, again, &again_len);
		assert_int_equal(back->shortened, cases[i].shortened);
		more = *back;
		more.symbols = make_symbols(1000, 0, 0);
		back = pack_and_read(&more, again, &again_len);
		assert_int_equal(back->shortened & cases[i].shortened,
		    cases[i].shortened);
		arena_reset(&arena);
	}
}

static size_t
random_size(uint64_t *random, size_t max)
{
	*random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
	if (*random >> 62 == 0)
		return (*random >> 33) % (max + 1);
	return (*random >> 33) % 16;
}

static void
any_monster_is_a_record(void **state)
{
	unsigned char out[RECORD_PACKED_MAX];
	uint64_t random = 1;
	unsigned seen = 0;
	size_t len;

	(void)state;
	for (int i = 0; i < 400; i++) {
		struct monster m = {.rcpts = random_size(&random, 1000),
		    .edits = random_size(&random, 2000),
		    .value = random_size(&random, 300),
		    .symbols = random_size(&random, 500),
		    .zeros = random_size(&random, 500),
		    .match = random_size(&random, 200),
		    .hits = random_size(&random, 500),
		    .dkim = random_size(&random, 100),
		    .limited = random_size(&random, 100),
		    .subject = random_size(&random, 65536),
		    .text = random_size(&random, 4000)};
		const struct record *back =
		    pack_and_read(make(&m), out, &len);

		check_order(&m, back);
		seen |= back->shortened;
		arena_reset(&arena);
	}
	assert_int_equal(seen, 31);
}

static void
any_octets_are_kept(void **state)
{
	static const char odd[] = "a\0b\xff\x80\r\n\x1b[31m\"\xc3";
	struct monster m = {.rcpts = 1};
	struct record *r = make(&m);
	unsigned char out[RECORD_PACKED_MAX];
	const struct record *back;
	struct symbol s = {.name = "S", .match = odd, .match_len = sizeof(odd)};
	size_t len;

	(void)state;
	r->subject = odd;
	r->subject_len = sizeof(odd);
	r->sender = "";
	r->account = odd + 2;
	r->symbols = &s;
	back = pack_and_read(r, out, &len);
	assert_int_equal(back->subject_len, sizeof(odd));
	assert_memory_equal(back->subject, odd, sizeof(odd));
	assert_int_equal(back->symbols->match_len, sizeof(odd));
	assert_memory_equal(back->symbols->match, odd, sizeof(odd));
	assert_string_equal(back->sender, "");
	assert_string_equal(back->account, odd + 2);
	assert_null(back->message_id);
	/* Without subjects nothing of it is there. */
	len = record_pack(r, false, out);
	assert_int_equal(record_unpack(out, len, &arena, &back), 0);
	assert_null(back->subject);
	assert_int_equal(back->subject_len, 0);
	assert_int_equal(back->shortened, 0);
}

/* JSON has no words for these. */
static void
scores_are_numbers(void **state)
{
	const double odd[] = {NAN, INFINITY, -INFINITY};
	struct monster m = {.symbols = 1};
	unsigned char out[RECORD_PACKED_MAX];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		struct record *r = make(&m);
		const struct record *back;

		r->score = odd[i];
		back = pack_and_read(r, out, &len);
		assert_true(back->score == 0);
	}
}

/* -- what is none -- */

/* Cut off, or with an octet changed, it is no record, or a sound one. */
static void
damage(void **state)
{
	struct monster m = {.rcpts = 3, .edits = 2, .value = 20, .symbols = 2,
	    .zeros = 1, .match = 5, .hits = 2, .dkim = 2, .limited = 3,
	    .subject = 10};
	unsigned char out[RECORD_PACKED_MAX], *copy;
	const struct record *back;
	struct arena own;
	size_t len;

	(void)state;
	len = record_pack(make(&m), true, out);
	arena_init(&own);
	for (size_t i = 0; i < len; i++) {
		/* Copies that end where their octets do. */
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, out, len);
		for (int bit = 0; bit < 8; bit++) {
			copy[i] = out[i] ^ (unsigned char)(1 << bit);
			arena_reset(&own);
			if (record_unpack(copy, len, &own, &back) == 0) {
				assert_true(
				    back->sender != NULL || back->at != NULL);
				assert_true(
				    back->verdict.action <= VERDICT_ERROR);
			} else {
				assert_null(back);
			}
		}
		free(copy);
		copy = malloc(i + 1);
		assert_non_null(copy);
		memcpy(copy, out, i);
		arena_reset(&own);
		if (record_unpack(copy, i, &own, &back) != 0)
			assert_null(back);
		free(copy);
	}
	arena_fini(&own);
}

static void
another_version_is_not_read(void **state)
{
	struct monster m = {.rcpts = 1};
	unsigned char out[RECORD_PACKED_MAX];
	const struct record *back;
	size_t len = record_pack(make(&m), true, out);

	(void)state;
	assert_int_equal(record_unpack(out, len, &arena, &back), 0);
	out[0]++;
	assert_int_equal(record_unpack(out, len, &arena, &back), ERR_FORMAT);
	assert_int_equal(record_unpack(out, 0, &arena, &back), ERR_FORMAT);
	out[0] = 0;
	assert_int_equal(record_unpack(out, len, &arena, &back), ERR_FORMAT);
}

/* Fields that a later program adds, of each kind. */
static void
a_field_that_is_not_known_is_skipped(void **state)
{
	static const unsigned char more[] = {
	    0xf0, 0x07, 0x85, 0x01,             /* number 508: a number */
	    0xf1, 0x07, 1, 2, 3, 4, 5, 6, 7, 8, /* a double */
	    0xf2, 0x07, 0, 3, 'a', 'b', 'c',    /* octets */
	};
	struct monster m = {.rcpts = 1};
	unsigned char out[RECORD_PACKED_MAX];
	const struct record *back;
	size_t len = record_pack(make(&m), true, out);

	(void)state;
	memcpy(out + len, more, sizeof(more));
	assert_int_equal(
	    record_unpack(out, len + sizeof(more), &arena, &back), 0);
	assert_string_equal(back->queue_id, "4cXYZ");
	/* One of a kind that nobody knows can't be skipped. */
	out[len] = 0xf3;
	assert_int_equal(record_unpack(out, len + sizeof(more), &arena, &back),
	    ERR_FORMAT);
}

static void
words(void **state)
{
	static const char *const expected[] = {
	    "recipients", "edits", "matches", "symbols", "rest", NULL};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		if (expected[i] == NULL)
			assert_null(record_short_word(i));
		else
			assert_string_equal(
			    record_short_word(i), expected[i]);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	    T(is_shortened_in_order),
	    T(any_monster_is_a_record),
	    T(any_octets_are_kept),
	    T(scores_are_numbers),
	    T(damage),
	    T(another_version_is_not_read),
	    T(a_field_that_is_not_known_is_skipped),
	    T(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
