/*
 * What the DNS publishes beside the key that signs, without a configuration.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/published.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/wait.h"
#include "lib/dkim/dkim_key.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"

#define OTHER "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define NAME "s._domainkey.x.example"

static struct dkim_key *
decode(const char *text)
{
	struct dkim_key *k = NULL;
	struct errmsg msg = {.text = ""};

	if (dkim_key_decode(text, strlen(text), 0, &k, &msg) != 0)
		fail_msg("%s", msg.text);
	return k;
}

static const struct {
	const char *records, *fault, *text, *found;
} cases[] = {
    {NAME " TXT v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC "\n", NULL,
	"the DNS has the key that signs (ed25519, 256 bits)",
	"v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC},
    {"", "missing", "no TXT record", NULL},
    {NAME " A 192.0.2.1\n", "missing", "no TXT record", NULL},
    {NAME " TXT v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC "\n" NAME
	  " TXT other\n",
	"several", "there are 2 TXT records",
	"other | v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC},
    {NAME " TXT v=DKIM1; k=ed25519; p=\n", "revoked", "empty p=",
	"v=DKIM1; k=ed25519; p="},
    {NAME " TXT v=DKIM1; k=ed25519; p=!\n", "syntax",
	"nobody can use the record: ", "v=DKIM1; k=ed25519; p=!"},
    {NAME " TXT v=DKIM1; p=" KEY_RSA_PUBLIC "\n", "type",
	"expected k=ed25519, found k=rsa", "v=DKIM1; p=" KEY_RSA_PUBLIC},
    {NAME " TXT v=DKIM1; k=ed25519; p=" OTHER "\n", "mismatch",
	"another key in its p=", "v=DKIM1; k=ed25519; p=" OTHER},
    {NAME " TXT v=DKIM1; k=ed25519; t=y; p=" KEY_ED25519_PUBLIC "\n",
	"testing", "t=y, test mode",
	"v=DKIM1; k=ed25519; t=y; p=" KEY_ED25519_PUBLIC},
    {NAME " TXT !timeout\n", "dns", "did not answer in time", NULL},
    {NAME " TXT !servfail\n", "dns", "could not answer", NULL},
};

static void
is(const struct published_finding *f, size_t i)
{
	assert_string_equal(f->name, NAME);
	assert_string_equal(f->expected,
	    "v=DKIM1; h=sha256; k=ed25519; p=" KEY_ED25519_PUBLIC);
	if (strstr(f->text, cases[i].text) == NULL)
		fail_msg("%zu: %s", i, f->text);
	if (cases[i].fault == NULL) {
		assert_null(f->fault);
		assert_null(f->cure);
	} else {
		assert_string_equal(f->fault, cases[i].fault);
		assert_non_null(f->cure);
	}
	if (cases[i].found == NULL)
		assert_null(f->found);
	else
		assert_string_equal(f->found, cases[i].found);
}

static void
compares(void **state)
{
	struct dkim_key *key = decode(KEY_ED25519);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct wait w = WAIT_INIT;
		struct published *p;
		struct dns d;

		assert_int_equal(dns_file_open(cases[i].records, &d), 0);
		p = published_start(&d, "x.example", "s", key);
		assert_non_null(p);
		wait_begin(&w, 1000);
		is(published_collect(p, &w), i);
		is(published_collect(p, NULL), i);
		published_drop(p);
		wait_fini(&w);
		dns_file_close(&d);
	}
	dkim_key_free(key);
}

/* RSA's p= that ends before the key does. */
static void
is_cut_short(void **state)
{
	struct dkim_key *key = decode(KEY_RSA);
	struct published *p;
	struct dns d;

	(void)state;
	assert_int_equal(
	    dns_file_open(NAME " TXT v=DKIM1; p=MIGfMA0GCSqGSIb3\n", &d), 0);
	p = published_start(&d, "x.example", "s", key);
	assert_non_null(p);
	assert_non_null(strstr(published_collect(p, NULL)->text,
	    "p= has 16 octets of base64 and ends within the key"));
	published_drop(p);
	dns_file_close(&d);
	dkim_key_free(key);
}

/* A DNS that answers when it is told to. */
struct slow {
	struct dns file;
	bool answers;
	size_t started, dropped;
};

static struct dns_query *
slow_start(void *ctx, const char *name, enum dns_type type)
{
	struct slow *s = ctx;

	s->started++;
	return dns_start(&s->file, name, type);
}

static const struct dns_answer *
slow_collect(void *ctx, struct dns_query *q, struct wait *w)
{
	struct slow *s = ctx;

	assert_true(s->answers);
	return dns_collect(&s->file, q, w);
}

static void
slow_drop(void *ctx, struct dns_query *q)
{
	struct slow *s = ctx;

	s->dropped++;
	dns_drop(&s->file, q);
}

static bool
slow_ready(void *ctx, struct dns_query *q)
{
	(void)q;
	return ((struct slow *)ctx)->answers;
}

/* Several are under way at once, and one may be dropped unanswered. */
static void
starts_and_collects(void **state)
{
	struct dkim_key *key = decode(KEY_ED25519);
	struct published *a, *b, *c;
	struct slow s = {.answers = false};
	const struct dns d = {
	    &s, slow_start, slow_collect, slow_drop, slow_ready};

	(void)state;
	assert_int_equal(dns_file_open(cases[0].records, &s.file), 0);
	a = published_start(&d, "x.example", "s", key);
	b = published_start(&d, "x.example", "none", key);
	c = published_start(&d, "x.example", "s", key);
	assert_int_equal(s.started, 3);
	assert_false(published_ready(a));
	published_drop(c);
	s.answers = true;
	assert_true(published_ready(b));
	assert_string_equal(published_collect(b, NULL)->fault, "missing");
	assert_null(published_collect(a, NULL)->fault);
	published_drop(a);
	published_drop(b);
	published_drop(NULL);
	assert_int_equal(s.dropped, 3);
	dns_file_close(&s.file);
	dkim_key_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(compares),
	    cmocka_unit_test(is_cut_short),
	    cmocka_unit_test(starts_and_collects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
