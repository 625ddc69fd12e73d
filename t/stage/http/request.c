/*
 * Which requests are carried out, and what is read of them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/http/request.h"

#include <string.h>

#include "t/support/drivers/test.h"

#define FORM "application/x-www-form-urlencoded"
#define HOST "127.0.0.1:8893"
#define OURS "http://127.0.0.1:8893"

static const struct request_self self = {
    .local = true, .host = "127.0.0.1"};

static const struct {
	const char *name;
	struct request r;
	unsigned status;
	enum route route;
} cases[] = {
    {"the page", {.method = "GET", .target = "/", .host = HOST}, 0,
	ROUTE_HOME},
    {"its head", {.method = "HEAD", .target = "/?x", .host = HOST}, 0,
	ROUTE_HOME},
    {"another port, as through ssh -L",
	{.method = "GET", .target = "/", .host = "localhost:9000"}, 0,
	ROUTE_HOME},
    {"no port", {.method = "GET", .target = "/health", .host = "[::1]"}, 0,
	ROUTE_HEALTH},
    {"no Host", {.method = "GET", .target = "/"}, 400, ROUTE_HOME},
    {"no Host in HTTP/1.0",
	{.method = "GET", .target = "/health", .http10 = true}, 0,
	ROUTE_HEALTH},
    {"another Host",
	{.method = "GET", .target = "/", .host = "evil.example"}, 403,
	ROUTE_HOME},
    {"a Host that begins as ours",
	{.method = "GET", .target = "/", .host = "127.0.0.1.evil.example"}, 403,
	ROUTE_HOME},
    {"a Host with a line break",
	{.method = "GET", .target = "/", .host = HOST "\r\nX: y"}, 403,
	ROUTE_HOME},
    {"a Host with a path",
	{.method = "GET", .target = "/", .host = HOST "/"}, 403, ROUTE_HOME},
    {"a bracket alone", {.method = "GET", .target = "/", .host = "["}, 403,
	ROUTE_HOME},
    {"another path", {.method = "GET", .target = "/x", .host = HOST}, 404,
	ROUTE_NONE},
    {"a path up", {.method = "GET", .target = "/../etc/passwd", .host = HOST},
	404, ROUTE_NONE},
    {"a path with two slashes",
	{.method = "GET", .target = "//", .host = HOST}, 404, ROUTE_NONE},
    {"an encoded path", {.method = "GET", .target = "/%6detrics", .host = HOST},
	404, ROUTE_NONE},
    {"another method", {.method = "PUT", .target = "/", .host = HOST}, 405,
	ROUTE_HOME},
    {"TRACE", {.method = "TRACE", .target = "/", .host = HOST}, 405,
	ROUTE_HOME},
    {"a form where there is none",
	{.method = "POST", .target = "/", .host = HOST, .origin = OURS,
	    .content_type = FORM},
	405, ROUTE_HOME},
    {"a form that is asked for",
	{.method = "GET", .target = "/logout", .host = HOST}, 405,
	ROUTE_LOGOUT},
    {"a form",
	{.method = "POST", .target = "/account", .host = HOST, .origin = OURS,
	    .content_type = FORM "; charset=utf-8", .length = "20"},
	0, ROUTE_ACCOUNT},
    {"without Origin",
	{.method = "POST", .target = "/account", .host = HOST,
	    .content_type = FORM, .length = "20"},
	403, ROUTE_ACCOUNT},
    {"Origin null",
	{.method = "POST", .target = "/account", .host = HOST,
	    .origin = "null", .content_type = FORM, .length = "20"},
	403, ROUTE_ACCOUNT},
    {"another Origin",
	{.method = "POST", .target = "/account", .host = HOST,
	    .origin = "http://evil.example", .content_type = FORM},
	403, ROUTE_ACCOUNT},
    {"an Origin of another port",
	{.method = "POST", .target = "/login", .host = HOST,
	    .origin = "http://127.0.0.1:8000", .content_type = FORM},
	403, ROUTE_LOGIN},
    {"an Origin that begins as ours",
	{.method = "POST", .target = "/login", .host = HOST,
	    .origin = OURS ".evil.example", .content_type = FORM},
	403, ROUTE_LOGIN},
    {"no form",
	{.method = "POST", .target = "/login", .host = HOST, .origin = OURS,
	    .content_type = "text/plain"},
	415, ROUTE_LOGIN},
    {"a form that begins as one",
	{.method = "POST", .target = "/login", .host = HOST, .origin = OURS,
	    .content_type = FORM "x"},
	415, ROUTE_LOGIN},
    {"two Hosts",
	{.method = "GET", .target = "/", .host = HOST, .twice = true}, 400,
	ROUTE_HOME},
    {"two lengths of a body",
	{.method = "POST", .target = "/login", .host = HOST, .origin = OURS,
	    .content_type = FORM, .length = "3", .transfer = true},
	400, ROUTE_LOGIN},
    {"a body without a length",
	{.method = "POST", .target = "/login", .host = HOST, .origin = OURS,
	    .content_type = FORM, .transfer = true},
	411, ROUTE_LOGIN},
    {"a body of a GET",
	{.method = "GET", .target = "/", .host = HOST, .length = "5"}, 400,
	ROUTE_HOME},
    {"a length of 0",
	{.method = "GET", .target = "/", .host = HOST, .length = "0"}, 0,
	ROUTE_HOME},
    {"a length that is none",
	{.method = "GET", .target = "/", .host = HOST, .length = "+0"}, 400,
	ROUTE_HOME},
    {"a large body",
	{.method = "POST", .target = "/login", .host = HOST, .origin = OURS,
	    .content_type = FORM, .length = "99999999"},
	413, ROUTE_LOGIN},
};

static void
test_judge(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum route route;
		unsigned status =
		    request_judge(&cases[i].r, &self, &route);

		if (status != cases[i].status || route != cases[i].route)
			fail_msg("%s: %u, route %d", cases[i].name, status,
			    (int)route);
	}
}

/* On all addresses each of them is ours, and no name. */
static void
test_all_addresses(void **state)
{
	const struct request_self all = {.any = true, .host = "0.0.0.0"};

	(void)state;
	assert_true(request_host_ok("192.0.2.7:8893", &all));
	assert_true(request_host_ok("[2001:db8::1]:8893", &all));
	assert_false(request_host_ok("192.0.2.7.example", &all));
	assert_false(request_host_ok("192.0.2.7:8893", &self));
	assert_false(request_host_ok("[", &all));
	assert_false(request_host_ok("[]", &all));
}

static void
test_fields(void **state)
{
	static const struct {
		const char *body, *name, *value; /* value NULL: there is none */
	} all[] = {
	    {"a=1&b=2", "b", "2"},
	    {"a=1&b=2", "a", "1"},
	    {"ab=1", "b", NULL},
	    {"b=1&b=2", "b", NULL},
	    {"b", "b", NULL},
	    {"b=", "b", ""},
	    {"", "b", NULL},
	    {"b=a+b%20c%C3%BC", "b", "a b cü"},
	    {"b=%", "b", NULL},
	    {"b=%4", "b", NULL},
	    {"b=%zz", "b", NULL},
	    {"b=a%00c", "b", NULL},
	    {"b=%26%3D", "b", "&="},
	};
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const char *value = request_field(
		    &a, all[i].body, strlen(all[i].body), all[i].name);

		if (all[i].value == NULL ? value != NULL
					 : value == NULL ||
			    strcmp(value, all[i].value) != 0)
			fail_msg("%s: %s", all[i].body,
			    value == NULL ? "none" : value);
	}
	assert_string_equal(request_arg(&a, "/find?q=x", "q"), "x");
	assert_null(request_arg(&a, "/find", "q"));
	arena_fini(&a);
}

static void
test_long_argument(void **state)
{
	char target[REQUEST_ARG_MAX + 64] = "/find?q=";
	struct arena a;

	(void)state;
	arena_init(&a);
	memset(target + 8, 'x', REQUEST_ARG_MAX);
	assert_non_null(request_arg(&a, target, "q"));
	target[8 + REQUEST_ARG_MAX] = 'x';
	assert_null(request_arg(&a, target, "q"));
	arena_fini(&a);
}

static void
test_cookies(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_string_equal(
	    request_cookie(&a, "x=1; postern=abc; y=2", "postern"), "abc");
	assert_string_equal(
	    request_cookie(&a, "postern=a=b", "postern"), "a=b");
	assert_null(request_cookie(&a, "xpostern=abc", "postern"));
	assert_null(request_cookie(&a, "postern=1; postern=2", "postern"));
	assert_null(request_cookie(&a, ";;", "postern"));
	assert_null(request_cookie(&a, NULL, "postern"));
	arena_fini(&a);
}

static void
test_bearer(void **state)
{
	struct request r = {.authorization = "bearer  abc"};

	(void)state;
	assert_string_equal(request_bearer(&r), "abc");
	r.authorization = "Basic abc";
	assert_null(request_bearer(&r));
	r.authorization = NULL;
	assert_null(request_bearer(&r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_judge),
	    cmocka_unit_test(test_all_addresses),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_long_argument),
	    cmocka_unit_test(test_cookies),
	    cmocka_unit_test(test_bearer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
