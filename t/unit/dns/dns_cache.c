/* Answers that are kept.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/dns_cache.h"

#include <stdio.h>
#include <stdlib.h>

#include "t/support/drivers/test.h"

static struct dns_entry *
entry(enum dns_status status, uint32_t ttl, size_t size)
{
	struct dns_answer *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	a->status = status;
	a->ttl = ttl;
	return dns_entry_new(a, size);
}

static bool
has(struct dns_cache *c, const char *key, enum dns_type type, int64_t now_ms)
{
	struct dns_entry *e = dns_cache_get(c, key, type, now_ms);

	dns_entry_unref(e);
	return e != NULL;
}

static void
lives_for_its_ttl(void **state)
{
	static const struct {
		const char *what;
		enum dns_status status;
		uint32_t ttl;
		size_t size;
		int64_t last; /* milliseconds when it is still there; -1: never */
	} cases[] = {
	    {"an answer", DNS_OK, 10, 100, 9999},
	    {"no such name", DNS_NXDOMAIN, 1, 100, 999},
	    {"no data", DNS_NODATA, 1, 100, 999},
	    {"ttl 0", DNS_OK, 0, 100, -1},
	    {"a failure", DNS_TEMPFAIL, 10, 100, -1},
	    {"a large one", DNS_OK, 10, DNS_CACHE_ANSWER_MAX + 1, -1},
	    {"years", DNS_OK, 1000000000, 100,
		DNS_CACHE_TTL_MAX * INT64_C(1000) - 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dns_cache *c = dns_cache_new();
		struct dns_entry *e =
		    entry(cases[i].status, cases[i].ttl, cases[i].size);
		int64_t last = cases[i].last;

		dns_cache_put(c, "a.example", DNS_A, e, 5000);
		dns_entry_unref(e);
		if (has(c, "a.example", DNS_A, 5000) != (last >= 0))
			fail_msg("%s", cases[i].what);
		if (last >= 0 &&
		    (!has(c, "a.example", DNS_A, 5000 + last) ||
			has(c, "a.example", DNS_A, 5000 + last + 1)))
			fail_msg("%s: its end", cases[i].what);
		dns_cache_free(c);
	}
}

static void
tells_names_and_types_apart(void **state)
{
	struct dns_cache *c = dns_cache_new();
	struct dns_entry *first = entry(DNS_OK, 10, 100);
	struct dns_entry *second = entry(DNS_NODATA, 10, 100), *got;

	(void)state;
	dns_cache_put(c, "a.example", DNS_A, first, 0);
	assert_false(has(c, "a.example", DNS_TXT, 1));
	assert_false(has(c, "b.example", DNS_A, 1));
	dns_cache_put(c, "a.example", DNS_A, second, 0);
	got = dns_cache_get(c, "a.example", DNS_A, 1);
	assert_ptr_equal(got, second);
	dns_cache_free(c);
	/* who holds it still has it */
	assert_int_equal(dns_entry_answer(got)->status, DNS_NODATA);
	dns_entry_unref(got);
	dns_entry_unref(first);
	dns_entry_unref(second);
}

/* Ten times as many as it has places: it keeps most of its places busy, and
 * what is new is always there. */
static void
is_bounded(void **state)
{
	struct dns_cache *c = dns_cache_new();
	char key[32];
	int kept = 0;

	(void)state;
	for (int i = 0; i < 10 * DNS_CACHE_ENTRIES; i++) {
		struct dns_entry *e = entry(DNS_OK, 10, 100);

		snprintf(key, sizeof(key), "n%d.example", i);
		dns_cache_put(c, key, DNS_A, e, i / 100);
		dns_entry_unref(e);
		assert_true(has(c, key, DNS_A, i / 100));
	}
	for (int i = 0; i < 10 * DNS_CACHE_ENTRIES; i++) {
		snprintf(key, sizeof(key), "n%d.example", i);
		kept += has(c, key, DNS_A, 1000);
	}
	assert_in_range(kept, DNS_CACHE_ENTRIES * 9 / 10, DNS_CACHE_ENTRIES);
	dns_cache_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lives_for_its_ttl),
	    cmocka_unit_test(tells_names_and_types_apart),
	    cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
