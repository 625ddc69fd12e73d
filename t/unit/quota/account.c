/* The one form of an account's name. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/quota/account.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/quota/quota.h"
#include "t/support/drivers/test.h"

#define R "example.org"
#define A10 "aaaaaaaaaa"
#define A190                                                                   \
	A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10    \
	    A10 A10
#define A50 A10 A10 A10 A10 A10
#define A255 A190 A50 A10 "aaaaa"
/* sha256sum of 256 times `a` */
#define SHA_A256                                                               \
	"02d7160d77e18c6447be80c2e355c7ed4388545271702c50253b0914c65ce5fe"

static const struct {
	const char *login, *realm, *account, *of_realm;
} logins[] = {
    {"bob", NULL, "bob", ""},
    {"Bob", R, "bob@" R, R},
    {"bob@", NULL, "bob", ""},
    {"bob@", R, "bob@" R, R},
    {"bob@@", R, "bob@" R, R},
    {"bob@Example.COM", R, "bob@example.com", "example.com"},
    {"bob@example.com.", NULL, "bob@example.com", "example.com"},
    {"bob@example.com...", NULL, "bob@example.com", "example.com"},
    {"bob@example.com. ", NULL, "bob@example.com", "example.com"},
    {"bob@example.com .", NULL, "bob@example.com", "example.com"},
    {"bob@.", R, "bob@" R, R},
    {"bob@..", NULL, "bob", ""},
    {"bob.", NULL, "bob.", ""},
    {"bob.", R, "bob.@" R, R},
    {"bob.@", NULL, "bob.", ""},
    {" \t\r\nbob \v\f", NULL, "bob", ""},
    {"bob @", NULL, "bob", ""},
    {"bob smith", NULL, "bob smith", ""},
    {"bob\x01\x7f", NULL, "bob\x01\x7f", ""},
    {"bob@x@y", R, "bob@x@y", "y"},
    {"bob@x@", NULL, "bob@x", "x"},
    {"\"Bob@x\"@y", NULL, "\"bob@x\"@y", "y"},
    {"B\xc3\x96" "b", NULL, "b\xc3\x96" "b", ""},
    {"bob@b\xc3\xbc" "cher.example", NULL, "bob@b\xc3\xbc" "cher.example",
	"b\xc3\xbc" "cher.example"},
    {"d:user", R, "d:user@" R, R},
    /* never what they look like */
    {"sender:x@y.org", NULL, "login:sender:x@y.org", "y.org"},
    {"SENDER:*", NULL, "login:sender:*", ""},
    {" script:33:form.php", NULL, "login:script:33:form.php", ""},
    {"script:x", R, "login:script:x@" R, R},
    {"realm:*", NULL, "login:realm:*", ""},
    {"realm:*", R, "login:realm:*@" R, R},
    {"Realm:x", NULL, "login:realm:x", ""},
    {"login:bob", NULL, "login:login:bob", ""},
    {"@example.org", NULL, "login:@example.org", R},
    {"*", NULL, "login:*", ""},
    {"*", R, "*@" R, R},
    {"", NULL, "login:", ""},
    {" @. ", R, "login:", ""},
    /* long ones */
    {A255, NULL, A255, ""},
    {A255 "@", NULL, A255, ""},
    {A255 "A", NULL, A190 "#" SHA_A256, ""},
    {A255 "a ", NULL, A190 "#" SHA_A256, ""},
};

static void
forms_logins(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < sizeof(logins) / sizeof(*logins); i++) {
		const char *realm,
		    *account = account_of_login(
			&a, logins[i].login, logins[i].realm, &realm);

		print_message("%s\n", logins[i].login);
		assert_string_equal(account, logins[i].account);
		assert_string_equal(realm, logins[i].of_realm);
		assert_true(account_is_login(account));
		/* An account's name is its own account. */
		assert_string_equal(
		    account_of_text(&a, account, logins[i].realm, NULL),
		    account);
	}
	arena_fini(&a);
}

static const struct {
	const char *text, *realm, *account;
} texts[] = {
    {" Bob@Example.ORG. ", NULL, "bob@example.org"},
    {"bob", R, "bob@" R},
    {"SCRIPT:33:Form.php", R, "script:33:form.php"},
    {"sender: X@Y.org.", R, "sender:x@y.org"},
    {"sender:*", R, "sender:*"},
    {"sender:<>", R, "sender:<>"},
    {"script:*", NULL, "script:*"},
    {"Realm:*", R, "realm:*"},
    {"realm:other", NULL, "login:realm:other"},
    {"login:bob", R, "bob@" R},
    {"login:Sender:x@y", R, "login:sender:x@y"},
    {"login:", R, "login:"},
    {" @Example.ORG. ", "other.example", "@example.org"},
    {"login:@example.org", R, "login:@example.org"},
    {"@bob@example.org", NULL, "login:@bob@example.org"},
    {" * ", R, "*"},
    {"login:*", NULL, "login:*"},
};

static void
takes_what_a_person_means(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *account = account_of_text(
		    &a, texts[i].text, texts[i].realm, NULL);

		print_message("%s\n", texts[i].text);
		assert_string_equal(account, texts[i].account);
		assert_string_equal(
		    account_of_text(&a, account, texts[i].realm, NULL),
		    account);
	}
	arena_fini(&a);
}

/* A long name's realm is known though the form has lost it, the form fits into
 * the table, names that differ late differ, and nobody can log in as the short
 * form of somebody else's name. */
static void
keeps_long_names_apart(void **state)
{
	char login[600], other[600];
	const char *realm, *account, *thief;
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_int_equal(ACCOUNT_MAX, QUOTA_ACCOUNT_MAX);
	snprintf(login, sizeof(login), "%s@Example.NET.", A255);
	snprintf(other, sizeof(other), "%s@Example.NEU.", A255);
	account = account_of_login(&a, login, R, &realm);
	assert_int_equal(strlen(account), ACCOUNT_MAX);
	assert_string_equal(realm, "example.net");
	assert_string_not_equal(
	    account, account_of_login(&a, other, R, NULL));
	assert_string_equal(account_of_text(&a, account, R, NULL), account);
	assert_string_equal(account_of_text(&a, login, R, NULL), account);
	thief = account_of_login(&a, account, NULL, NULL);
	assert_string_not_equal(thief, account);
	assert_int_equal(strlen(thief), ACCOUNT_MAX);
	assert_string_not_equal(
	    account_of_login(&a, account, R, NULL), account);
	account = account_special(&a, ACCOUNT_SENDER, login);
	assert_int_equal(strlen(account), ACCOUNT_MAX);
	assert_memory_equal(account, "sender:aaa", 10);
	assert_string_equal(account_of_text(&a, account, R, NULL), account);
	assert_false(account_is_login(account));
	arena_fini(&a);
}

/* Whose sum is whose. */
static void
knows_sums(void **state)
{
	(void)state;
	assert_true(account_is_sum("*"));
	assert_true(account_is_sum("@example.org"));
	assert_false(account_is_login("@example.org"));
	assert_false(account_is_login("*"));
	assert_false(account_is_sum("login:@example.org"));
	assert_false(account_is_sum("login:*"));
	assert_false(account_is_sum("sender:*"));
	assert_string_equal(account_domain("bob@x@example.org"), "@example.org");
	assert_string_equal(account_domain("sender:bob@example.org"),
	    "@example.org");
	assert_null(account_domain("realm:*"));
	assert_null(account_domain("bob"));
	assert_null(account_domain("@example.org"));
	assert_null(account_domain("*"));
}

static void
forms_realms(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_string_equal(account_realm(&a, " Example.ORG.. "), R);
	assert_string_equal(account_realm(&a, "example.org. ."), R);
	assert_string_equal(account_realm(&a, " . "), "");
	arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(forms_logins),
	    cmocka_unit_test(takes_what_a_person_means),
	    cmocka_unit_test(keeps_long_names_apart),
	    cmocka_unit_test(knows_sums),
	    cmocka_unit_test(forms_realms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
