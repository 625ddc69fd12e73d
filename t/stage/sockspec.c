/*
 * Where to listen, and how often to start again: what may be written.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/sockspec.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "milter/options.h"
#include "milter/snapshot.h"
#include "t/support/drivers/test.h"

#define P50 "/3456789012345678901234567890123456789012345678901"
#define P106 P50 P50 "/54321"

static void
sockets(void **state)
{
	static const struct {
		const char *name, *in, *out; /* out NULL: a mistake ... */
		const char *words;           /* ... in these words */
	} cases[] = {
	    {"local", "local:/run/s", "local:/run/s", NULL},
	    {"unix", "unix:/run/s", "local:/run/s", NULL},
	    {"upper case", "Local:/run/s", "local:/run/s", NULL},
	    {"bare path", "/run/s", "local:/run/s", NULL},
	    {"bare relative path", "./s", "local:./s", NULL},
	    {"colon in a path", "/run/a:b", "local:/run/a:b", NULL},
	    {"port", "inet:8891", "inet:8891", NULL},
	    {"name", "inet:8891@localhost", "inet:8891@localhost", NULL},
	    {"literal", "inet:8891@127.0.0.1", "inet:8891@127.0.0.1", NULL},
	    {"brackets", "inet:1@[127.0.0.1]", "inet:1@[127.0.0.1]", NULL},
	    {"six", "inet6:65535@[::1]", "inet6:65535@[::1]", NULL},
	    {"six bare", "inet6:8891@::1", "inet6:8891@::1", NULL},
	    {"service", "inet:smtp-in@h", "inet:smtp-in@h", NULL},
	    {"longest", "local:" P106, "local:" P106, NULL},
	    {"too long", "local:" P106 "0", NULL, "107 octets"},
	    {"no path", "local:", NULL, "a path after local:"},
	    {"Postfix's path", "unix:postern/postern.sock", NULL,
		"local:/var/spool/postfix/postern/postern.sock"},
	    {"a name", "local:s", NULL, "a path that begins with /"},
	    {"bare, without its /", "run/s", NULL, "begins with /"},
	    {"a quote", "\"local:/run/s\"", NULL, "begins with /"},
	    {"empty", "", NULL, "expected local:PATH"},
	    {"a word", "postern", NULL, "expected local:PATH"},
	    {"other type", "tcp:8891@h", NULL, "expected local:PATH"},
	    {"Postfix's order", "inet:127.0.0.1:8891", NULL, "Postfix"},
	    {"no port", "inet:@h", NULL, "expected a port"},
	    {"port 0", "inet:0@h", NULL, "from 1 to 65535"},
	    {"port too high", "inet:65536", NULL, "from 1 to 65535"},
	    {"port huge", "inet:99999999999999", NULL, "from 1 to 65535"},
	    {"port odd", "inet:80/tcp", NULL, "expected local:PATH"},
	    {"six behind inet", "inet:8891@::1", NULL, "expected inet6:"},
	    {"no host", "inet:8891@", NULL, "a host after the @"},
	    {"wrong family", "inet:8891@[::1]", NULL, "an IPv4 address"},
	    {"wrong family 6", "inet6:8891@[127.0.0.1]", NULL, "an IPv6 ad"},
	    {"open bracket", "inet6:8891@[::1", NULL, "an IPv6 address"},
	    {"bracket alone", "inet6:8891@[", NULL, "an IPv6 address"},
	    {"bracket and a lot",
		"inet:8891@[12345678901234567890123456789012345678901234567890]",
		NULL, "an IPv4 address"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct errmsg msg = {.text = ""};
		struct sockspec spec;
		int rc = sockspec_parse(cases[i].in, &spec, &msg);
		char *text = rc == 0 ? sockspec_text(&spec) : NULL;

		if ((rc == 0) != (cases[i].out != NULL))
			fail_msg("%s: %d %s", cases[i].name, rc, msg.text);
		if (rc == 0 && strcmp(text, cases[i].out) != 0)
			fail_msg("%s: got %s", cases[i].name, text);
		if (rc != 0 && strstr(msg.text, cases[i].words) == NULL)
			fail_msg("%s: said %s", cases[i].name, msg.text);
		free(text);
	}
}

static bool
read_rate(const char *value, struct options_rate *rate_r)
{
	const struct options_rate *rate;
	struct errmsg msg;
	struct conf *c;
	char text[64];

	snprintf(text, sizeof(text), "AutoRestartRate %s\n", value);
	if (conf_read_text(
		text, strlen(text), "t", snapshot_tables(), &c, &msg) != 0)
		return false;
	rate = conf_value(c, "AutoRestartRate", sizeof(*rate));
	assert_non_null(rate);
	*rate_r = *rate;
	conf_free(c);
	return true;
}

static void
rates(void **state)
{
	static const struct {
		const char *in;
		long count, seconds; /* count 0: a mistake */
	} cases[] = {
	    {"10/1h", 10, 3600},
	    {"10/1H", 10, 3600},
	    {"1/30", 1, 30},
	    {"2/30s", 2, 30},
	    {"3/5m", 3, 300},
	    {"1000/2d", 1000, 172800},
	    {"1001/1h", 0, 0},
	    {"0/1h", 0, 0},
	    {"-1/1h", 0, 0},
	    {"1/0", 0, 0},
	    {"10", 0, 0},
	    {"10/", 0, 0},
	    {"10/1w", 0, 0},
	    {"10/1hh", 0, 0},
	    {"/1h", 0, 0},
	    {"10/99999999999d", 0, 0},
	    {"", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct options_rate rate = {0, 0};
		bool right = read_rate(cases[i].in, &rate);

		if (right != (cases[i].count != 0) ||
		    rate.count != cases[i].count ||
		    rate.seconds != cases[i].seconds)
			fail_msg("%s: %d %ld %ld", cases[i].in, right,
			    rate.count, rate.seconds);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sockets),
	    cmocka_unit_test(rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
