/*
 * Where the page is: what Http may say, and what of it is warned of.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/httpspec.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/conf/conf.h"
#include "milter/snapshot.h"
#include "t/support/drivers/test.h"

static const struct {
	const char *text;
	int family; /* -1: it is a mistake */
	bool loopback, all;
	const char *host;
} cases[] = {
    {"127.0.0.1:8893", AF_INET, true, false, "127.0.0.1"},
    {"127.9.9.9:1", AF_INET, true, false, "127.9.9.9"},
    {"localhost:8893", AF_INET, true, false, "127.0.0.1"},
    {"[::1]:8893", AF_INET6, true, false, "[::1]"},
    {"192.0.2.7:8893", AF_INET, false, false, "192.0.2.7"},
    {"0.0.0.0:8893", AF_INET, false, true, "0.0.0.0"},
    {"[::]:8893", AF_INET6, false, true, "[::]"},
    {"/run/postern/http", AF_UNIX, true, false, ""},
    {"unix:/run/postern/http", AF_UNIX, true, false, ""},
    {"none", 0, false, false, ""},
    {"", -1, false, false, ""},
    {"8893", -1, false, false, ""},
    {":8893", -1, false, false, ""},
    {"127.0.0.1", -1, false, false, ""},
    {"127.0.0.1:", -1, false, false, ""},
    {"127.0.0.1:0", -1, false, false, ""},
    {"127.0.0.1:65536", -1, false, false, ""},
    {"127.0.0.1:80x", -1, false, false, ""},
    {"::1:8893", -1, false, false, ""},
    {"[::1:8893", -1, false, false, ""},
    {"[]:8893", -1, false, false, ""},
    {"[127.0.0.1]:8893", -1, false, false, ""},
    {"mx.example.org:8893", -1, false, false, ""},
    {"run/http", -1, false, false, ""},
};

static void
test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct errmsg msg = {.text = ""};
		struct httpspec spec;
		int rc = httpspec_parse_row(cases[i].text, &spec, &msg);

		if (cases[i].family < 0) {
			if (rc == 0 || msg.text[0] == '\0')
				fail_msg("%s: is taken", cases[i].text);
			continue;
		}
		if (rc != 0 || spec.family != cases[i].family ||
		    spec.loopback != cases[i].loopback ||
		    spec.all != cases[i].all ||
		    strcmp(spec.host, cases[i].host) != 0)
			fail_msg("%s: %d %s", cases[i].text, rc, msg.text);
	}
}

static void
test_long_path(void **state)
{
	char path[200] = "/";
	struct httpspec spec;
	struct errmsg msg;

	(void)state;
	memset(path + 1, 'x', 107);
	assert_int_not_equal(httpspec_parse_row(path, &spec, &msg), 0);
	path[107] = '\0';
	assert_int_equal(httpspec_parse_row(path, &spec, &msg), 0);
}

static void
test_equal(void **state)
{
	struct httpspec a, b;
	struct errmsg msg;

	(void)state;
	assert_int_equal(httpspec_parse_row("127.0.0.1:1", &a, &msg), 0);
	assert_int_equal(httpspec_parse_row("localhost:1", &b, &msg), 0);
	assert_true(httpspec_equal(&a, &b));
	assert_int_equal(httpspec_parse_row("127.0.0.1:2", &b, &msg), 0);
	assert_false(httpspec_equal(&a, &b));
	assert_int_equal(httpspec_parse_row("none", &b, &msg), 0);
	assert_false(httpspec_equal(&a, &b));
}

/* What other machines reach is warned of. */
static void
test_warning(void **state)
{
	static const struct {
		const char *text;
		size_t warnings;
		unsigned descriptors;
	} all[] = {
	    {"Http 127.0.0.1:8893\n", 0, HTTPSPEC_CONNECTIONS},
	    {"Http [::1]:8893\n", 0, HTTPSPEC_CONNECTIONS},
	    {"Http /run/http\n", 0, HTTPSPEC_CONNECTIONS},
	    {"Http 0.0.0.0:8893\n", 1, HTTPSPEC_CONNECTIONS},
	    {"Http 192.0.2.7:8893\n", 1, HTTPSPEC_CONNECTIONS},
	    {"Http none\n", 0, 0},
	    {"Mode sv\n", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct errlist *odd = errlist_new();
		struct errmsg msg = {.text = ""};
		struct conf *c;

		assert_int_equal(
		    conf_read_text(all[i].text, strlen(all[i].text), "t.conf",
			snapshot_tables(), &c, &msg),
		    0);
		conf_watch(c, odd);
		httpspec_warn(c);
		assert_int_equal(errlist_count(odd), all[i].warnings);
		assert_true(httpspec_descriptors(c) >= all[i].descriptors);
		assert_true(
		    all[i].descriptors > 0 || httpspec_descriptors(c) == 0);
		conf_free(c);
		errlist_free(odd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_long_path),
	    cmocka_unit_test(test_equal),
	    cmocka_unit_test(test_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
