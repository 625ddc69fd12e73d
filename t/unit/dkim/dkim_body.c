/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_body.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "t/support/drivers/dkim_check.h"
#include "t/support/drivers/test.h"

/* A body, and its canonical forms. */
static const struct {
	const char *name, *body, *simple, *relaxed;
} cases[] = {
    /* RFC 6376 section 3.4.5 */
    {"rfc 6376 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n",
	" C\r\nD E\r\n"},
    {"empty", "", "\r\n", ""},
    {"one empty line", "\r\n", "\r\n", ""},
    {"empty lines", "\r\n\r\n\r\n", "\r\n", ""},
    {"white space only", " \t ", " \t \r\n", ""},
    {"lines of white space", " \r\n\t\r\n", " \r\n\t\r\n", ""},
    {"white space line at the end", "a\r\n \t\r\n", "a\r\n \t\r\n", "a\r\n"},
    {"no end", "a", "a\r\n", "a\r\n"},
    {"no end after space", "a ", "a \r\n", "a\r\n"},
    {"no end after lines", "a\r\nb", "a\r\nb\r\n", "a\r\nb\r\n"},
    {"empty lines inside", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n",
	"a\r\n\r\n\r\nb\r\n"},
    {"empty lines first", "\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
    {"space lines inside", "a\r\n \r\n\t\r\nb\r\n", "a\r\n \r\n\t\r\nb\r\n",
	"a\r\n\r\n\r\nb\r\n"},
    {"single tab", "a\tb\r\n", "a\tb\r\n", "a b\r\n"},
    {"space first", "  a\r\n", "  a\r\n", " a\r\n"},
    {"mixed run", "a \t\t b \tc\t\r\n", "a \t\t b \tc\t\r\n", "a b c\r\n"},
    {"bare CR", "a\rb\r\n", "a\rb\r\n", "a\rb\r\n"},
    {"bare CR after space", "a \rb \r \r\n", "a \rb \r \r\n", "a \rb \r\r\n"},
    {"CR CR LF", "a \r\r\n\r\n", "a \r\r\n", "a \r\r\n"},
    {"CR at the end", "a\r\n\r", "a\r\n\r\r\n", "a\r\n\r\r\n"},
    {"space and CR at the end", "a \r", "a \r\r\n", "a \r\r\n"},
    {"CR only", "\r", "\r\r\n", "\r\r\n"},
    {"bare LF", "a\nb\r\n", "a\nb\r\n", "a\nb\r\n"},
    {"bare LF after space", "a \nb\r\n", "a \nb\r\n", "a \nb\r\n"},
    {"LF at the end", "a\r\n\n", "a\r\n\n\r\n", "a\r\n\n\r\n"},
    {"LF CR", "a\n\rb\r\n\r\n", "a\n\rb\r\n", "a\n\rb\r\n"},
    {"CRLF CR between", "a\r\n\r\r\n\r\n", "a\r\n\r\r\n", "a\r\n\r\r\n"},
    {"no other octet is white space", "a\v\f\xa0 \xc2\xa0\r\n",
	"a\v\f\xa0 \xc2\xa0\r\n", "a\v\f\xa0 \xc2\xa0\r\n"},
    {"stuffed dot", "..a\r\n.\r\n", "..a\r\n.\r\n", "..a\r\n.\r\n"},
};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void
want_hash(const char *text, size_t len, unsigned char hash_r[32])
{
	assert_int_equal(
	    EVP_Digest(text, len, hash_r, NULL, EVP_sha256(), NULL), 1);
}

/* Hash the body in pieces that end at a and b. */
static void
hash_split(enum dkim_canon canon, const char *body, size_t len, size_t a,
    size_t b, unsigned char hash_r[32])
{
	struct dkim_body *d = dkim_body_new(EVP_sha256(), canon);

	assert_non_null(d);
	dkim_body_add(d, body, a);
	dkim_body_add(d, body + a, b - a);
	dkim_body_add(d, body + b, len - b);
	assert_int_equal(dkim_body_finish(d, hash_r), 0);
	dkim_body_free(d);
}

static void
check_splits(const char *name, enum dkim_canon canon, const char *body,
    size_t len, const char *form, size_t form_len)
{
	unsigned char want[32], got[32];

	want_hash(form, form_len, want);
	for (size_t a = 0; a <= len; a++) {
		for (size_t b = a; b <= len; b++) {
			hash_split(canon, body, len, a, b, got);
			if (memcmp(want, got, 32) != 0)
				fail_msg("%s: %s, split at %zu and %zu", name,
				    canon == DKIM_RELAXED ? "relaxed"
							  : "simple",
				    a, b);
		}
	}
}

static void
canonical_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].body);

		check_splits(cases[i].name, DKIM_SIMPLE, cases[i].body, len,
		    cases[i].simple, strlen(cases[i].simple));
		check_splits(cases[i].name, DKIM_RELAXED, cases[i].body, len,
		    cases[i].relaxed, strlen(cases[i].relaxed));
	}
}

/* The plain canonicaliser that other tests compare with is right itself. */
static void
plain_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (int c = 0; c < 2; c++) {
			struct buf b = BUF_INIT;
			const char *want =
			    c == 0 ? cases[i].simple : cases[i].relaxed;

			dkim_check_body((enum dkim_canon)c, cases[i].body,
			    strlen(cases[i].body), &b);
			if (b.len != strlen(want) ||
			    memcmp(buf_text(&b), want, b.len) != 0)
				fail_msg("%s", cases[i].name);
			buf_fini(&b);
		}
	}
}

/* A case behind so many ordinary octets that it lies across what is looked at,
 * gathered or hashed at once. */
static void
behind_much(const char *body, size_t before, enum dkim_canon canon)
{
	unsigned char want[32], got[32];
	struct buf b = BUF_INIT, form = BUF_INIT;

	while (b.len < before)
		buf_char(&b, b.len % 61 == 7 ? ' ' : 'x');
	buf_str(&b, body);
	buf_str(&b, "tail of the body\r\n");
	dkim_check_body(canon, b.data, b.len, &form);
	want_hash(form.data, form.len, want);
	hash_split(canon, b.data, b.len, 0, b.len, got);
	assert_memory_equal(want, got, 32);
	hash_split(canon, b.data, b.len, before, before + 1, got);
	assert_memory_equal(want, got, 32);
	buf_fini(&b);
	buf_fini(&form);
}

static void
at_any_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t before = 0; before < 200; before++) {
			behind_much(cases[i].body, before, DKIM_SIMPLE);
			behind_much(cases[i].body, before, DKIM_RELAXED);
		}
		for (size_t before = 4090; before < 4100; before++) {
			behind_much(cases[i].body, before, DKIM_SIMPLE);
			behind_much(cases[i].body, before, DKIM_RELAXED);
		}
	}
}

/* Many ends of lines held back, and many short pieces. */
static void
long_runs(void **state)
{
	struct buf b = BUF_INIT, form = BUF_INIT;
	unsigned char want[32], got[32];

	(void)state;
	buf_str(&b, "a");
	for (int i = 0; i < 10000; i++)
		buf_str(&b, "\r\n");
	for (int i = 0; i < 10000; i++)
		buf_str(&b, "b \t ");
	for (int i = 0; i < 10000; i++)
		buf_str(&b, " \r\n");
	for (int c = 0; c < 2; c++) {
		form.len = 0;
		dkim_check_body((enum dkim_canon)c, b.data, b.len, &form);
		want_hash(form.data, form.len, want);
		hash_split((enum dkim_canon)c, b.data, b.len, 5, 20002, got);
		assert_memory_equal(want, got, 32);
	}
	buf_fini(&b);
	buf_fini(&form);
}

static void
finish_twice(void **state)
{
	struct dkim_body *d = dkim_body_new(EVP_sha256(), DKIM_SIMPLE);
	unsigned char a[32], b[32];

	(void)state;
	dkim_body_add(d, "a", 1);
	assert_int_equal(dkim_body_finish(d, a), 0);
	assert_int_equal(dkim_body_finish(d, b), 0);
	assert_memory_equal(a, b, 32);
	dkim_body_free(d);
	dkim_body_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(canonical_forms),
	    cmocka_unit_test(plain_forms),
	    cmocka_unit_test(at_any_place),
	    cmocka_unit_test(long_runs),
	    cmocka_unit_test(finish_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
