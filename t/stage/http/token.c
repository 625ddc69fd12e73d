/*
 * The token: made once, for nobody else, and known by nothing but itself.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/http/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "t/support/drivers/test.h"

#define NOW 1800000000

static char dir[] = "/tmp/postern-token-XXXXXX";
static char path[64];

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/token", dir);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir); /* nothing else is left there */
}

static void
write_token(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

static void
test_made_once(void **state)
{
	struct token t = {.text = ""}, again = {.text = ""};
	struct errmsg msg;
	struct stat st;

	(void)state;
	unlink(path);
	assert_int_equal(token_make(path, &msg), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(token_read(&t, path, &msg), 0);
	assert_int_equal(strlen(t.text), 64);
	assert_int_equal(token_make(path, &msg), 0);
	assert_int_equal(token_read(&again, path, &msg), 0);
	assert_string_equal(again.text, t.text);
}

static void
test_renewed(void **state)
{
	struct token t = {.text = ""};
	char cookie[TOKEN_COOKIE_SIZE], old[TOKEN_MAX + 1];
	struct errmsg msg;

	(void)state;
	assert_int_equal(token_make(path, &msg), 0);
	assert_int_equal(token_read(&t, path, &msg), 0);
	strcpy(old, t.text);
	token_cookie(&t, NOW, cookie);
	assert_true(token_cookie_ok(&t, NOW, cookie));
	assert_int_equal(
	    token_renew(path, (uid_t)-1, (gid_t)-1, &msg), 0);
	/* Read anew, because the file is another. */
	assert_int_equal(token_read(&t, path, &msg), 0);
	assert_string_not_equal(t.text, old);
	assert_false(token_is(&t, old));
	assert_true(token_is(&t, t.text));
	assert_false(token_cookie_ok(&t, NOW, cookie));
}

static void
test_unfit_files(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		int rc;
	} all[] = {
	    {"0123456789abcdef\n", 0600, 0},
	    {"0123456789abcdef", 0400, 0},
	    {"0123456789abcdef\n", 0640, ERR_CONFIG},
	    {"0123456789abcdef\n", 0604, ERR_CONFIG},
	    {"0123456789abcde\n", 0600, ERR_CONFIG},
	    {"", 0600, ERR_CONFIG},
	    {"0123456789 abcdef \r\nmore", 0600, 0},
	    /* It is printed, and sent in a header. */
	    {"0123456789abcdef\033[31m\n", 0600, ERR_CONFIG},
	    {"0123456789abcdef\xc2\x9b\n", 0600, ERR_CONFIG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct token t = {.text = ""};
		struct errmsg msg = {.text = ""};
		int rc;

		unlink(path);
		write_token(all[i].text, all[i].mode);
		rc = token_read(&t, path, &msg);
		if (rc != all[i].rc)
			fail_msg("%zu: %d %s", i, rc, msg.text);
		assert_int_equal(t.text[0] != '\0', rc == 0);
		assert_false(rc != 0 && strstr(msg.text, path) == NULL);
	}
}

/* What was right ends to be when the file is gone. */
static void
test_gone(void **state)
{
	struct token t = {.text = ""};
	struct errmsg msg;

	(void)state;
	unlink(path);
	assert_int_equal(token_make(path, &msg), 0);
	assert_int_equal(token_read(&t, path, &msg), 0);
	unlink(path);
	assert_int_not_equal(token_read(&t, path, &msg), 0);
	assert_false(token_is(&t, ""));
	assert_false(token_is(&t, NULL));
}

static void
test_cookie(void **state)
{
	struct token t = {.text = "0123456789abcdef"};
	struct token other = {.text = "0123456789abcdeg"}, none = {.text = ""};
	char cookie[TOKEN_COOKIE_SIZE], forged[TOKEN_COOKIE_SIZE];

	(void)state;
	token_cookie(&t, NOW, cookie);
	assert_null(strstr(cookie, t.text));
	assert_true(token_cookie_ok(&t, NOW, cookie));
	assert_true(token_cookie_ok(&t, NOW + TOKEN_COOKIE_S - 1, cookie));
	assert_false(token_cookie_ok(&t, NOW + TOKEN_COOKIE_S, cookie));
	assert_false(token_cookie_ok(&t, NOW + TOKEN_COOKIE_S + 1, cookie));
	assert_false(token_cookie_ok(&t, NOW - 1, cookie));
	assert_false(token_cookie_ok(&other, NOW, cookie));
	assert_false(token_cookie_ok(&none, NOW, cookie));
	assert_false(token_cookie_ok(&t, NOW, NULL));
	assert_false(token_cookie_ok(&t, NOW, ""));
	/* Another end with the same MAC. */
	snprintf(forged, sizeof(forged), "%lld%s",
	    (long long)NOW + TOKEN_COOKIE_S - 5, strchr(cookie, '-'));
	assert_false(token_cookie_ok(&t, NOW, forged));
	cookie[strlen(cookie) - 1] ^= 1;
	assert_false(token_cookie_ok(&t, NOW, cookie));
	token_cookie(&none, NOW, cookie);
	assert_string_equal(cookie, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_made_once),
	    cmocka_unit_test(test_renewed),
	    cmocka_unit_test(test_unfit_files),
	    cmocka_unit_test(test_gone),
	    cmocka_unit_test(test_cookie),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
