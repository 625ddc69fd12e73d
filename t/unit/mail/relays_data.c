/* SpamAssassin's own cases of Received fields, read from POSTERN_DATA or
 * ../shared/data beside the source.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/base/arena.h"
#include "lib/mail/relay_formats.h"
#include "lib/mail/relays.h"
#include "t/support/drivers/test.h"

static const char *
path(void)
{
	static char text[4096];
	const char *top = getenv("POSTERN_DATA");

	snprintf(text, sizeof(text),
	    "%s/rules-sa-testsuite/received-parse.json",
	    top != NULL ? top : POSTERN_SOURCE "/../shared/data");
	return text;
}

/* The expected text, from the case without intl=, which depends on where the
 * field stands. */
static bool
as_expected(const char *want, struct arena *a, const struct relay *r)
{
	const char *got = arena_printf(a, "[ ip=%s rdns=%s helo=%s by=%s "
	    "ident=%s envfrom=%s id=%s auth=%s msa=0 ]", r->ip, r->rdns,
	    r->helo, r->by, r->ident, r->envfrom, r->id, r->auth);
	char *copy = arena_strdup(a, want);
	char *intl = strstr(copy, "intl=0 ");

	if (intl != NULL)
		memmove(intl, intl + 7, strlen(intl + 7) + 1);
	if (strcmp(copy, got) == 0)
		return true;
	print_error("%s\n", got);
	return false;
}

static void
test_cases(void **state)
{
	json_t *data = json_load_file(path(), 0, NULL), *c;
	struct relay_formats *f;
	struct arena a;
	size_t i, wrong = 0;
	(void)state;

	assert_non_null(data);
	arena_init(&a);
	assert_int_equal(relay_formats_new(&f), 0);
	json_array_foreach(json_object_get(data, "cases"), i, c) {
		const char *value =
		    json_string_value(json_object_get(c, "received"));
		const char *raw =
		    json_string_value(json_object_get(c, "expect_raw"));
		struct relay r = {0};
		int outcome = relay_parse(f, &a, value, strlen(value), &r);

		/* One case expects the text of another; that is a slip of
		 * the collection, and t/oracle/relays asks SpamAssassin. */
		if (strncmp(raw, "from ", 5) == 0)
			continue;
		if (*raw == '\0' ? outcome == RELAY_PARSED ||
			outcome == RELAY_UNPARSEABLE
		    : outcome != RELAY_PARSED || !as_expected(raw, &a, &r)) {
			print_error("%s: %d\n", value, outcome);
			wrong++;
		}
	}
	assert_true(i >= 144);
	assert_int_equal(wrong, 0);
	relay_formats_free(f);
	arena_fini(&a);
	json_decref(data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};

	if (access(path(), R_OK) != 0) {
		printf("skipped: there is no %s\n", path());
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
