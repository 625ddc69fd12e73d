/* Whom to let in or keep out.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/list/accesslist.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/host.h"
#include "lib/conf/dataset.h"
#include "t/support/drivers/test.h"

static const char file[] =
    "192.0.2.0/24          a net\n"
    "!192.0.2.7\n"
    "2001:db8::/32         IPv6\n"
    ".dyn.example          dynamic\n"
    "!good.dyn.example\n"
    "helo:bad.example      a helo\n"
    "helo:.bad.example     a helo below\n"
    "!helo:ok.bad.example\n"
    "helo:[192.0.2.99]     a literal\n"
    "spam@mixed.example    one sender\n"
    "@spam.example         a domain\n"
    "@.spam.example        below it\n"
    "!friend@spam.example\n"
    "@xn--bcher-kva.example  IDN\n"
    "rcpt:gone@here.example  has left\n"
    "rcpt:@old.example     an old domain\n";

/* The first pattern of the kind counts. */
static const char patterns[] = "192.0.2.*       a net\n"
			       "*.dyn.example   dynamic\n"
			       "helo:*bad*      a helo\n"
			       "!friend@*\n"
			       "*@spam.example  a domain\n"
			       "rcpt:gone@*     has left\n";

enum kind { CLIENT, HELO, SENDER, RCPT };

static const struct {
	const char *what;
	const char *file, *patterns; /* the value found; NULL: not in it */
	enum kind kind;
} cases[] = {
    {"192.0.2.1", "a net", "a net", CLIENT},
    {"::ffff:192.0.2.1", "a net", "a net", CLIENT},
    {"192.0.2.7", NULL, "a net", CLIENT},
    {"192.0.3.1", NULL, NULL, CLIENT},
    {"2001:db8:1::1", "IPv6", NULL, CLIENT},
    {"2001:db9::1", NULL, NULL, CLIENT},
    {"a.dyn.example", "dynamic", "dynamic", CLIENT},
    {"good.dyn.example", NULL, "dynamic", CLIENT},
    {"dyn.example", NULL, NULL, CLIENT},
    /* what is said in HELO is no client */
    {"bad.example", NULL, NULL, CLIENT},
    {"helo:bad.example", NULL, NULL, CLIENT},
    {"gone@here.example", NULL, NULL, CLIENT},
    {"spam@mixed.example", NULL, NULL, CLIENT},
    {"bad.example", "a helo", "a helo", HELO},
    {"BAD.example", "a helo", "a helo", HELO},
    {"x.bad.example", "a helo below", "a helo", HELO},
    {"ok.bad.example", NULL, "a helo", HELO},
    {"[192.0.2.99]", "a literal", NULL, HELO},
    {"[192.0.2.1]", NULL, NULL, HELO},
    {"a.dyn.example", NULL, NULL, HELO},
    {"192.0.2.1", NULL, NULL, HELO},
    {"spam@mixed.example", "one sender", NULL, SENDER},
    {"SPAM@Mixed.Example", "one sender", NULL, SENDER},
    {"ham@mixed.example", NULL, NULL, SENDER},
    {"x@spam.example", "a domain", "a domain", SENDER},
    {"x@a.b.spam.example", "below it", NULL, SENDER},
    {"friend@spam.example", NULL, NULL, SENDER},
    {"x@notspam.example", NULL, NULL, SENDER},
    {"!friend@spam.example", "a domain", "a domain", SENDER},
    {"!good.dyn.example", "dynamic", "dynamic", CLIENT},
    {"\"a@spam.example\"@good.example", NULL, NULL, SENDER},
    {"x@b\303\274cher.example", "IDN", NULL, SENDER},
    {"x@a.dyn.example", NULL, NULL, SENDER},
    {"gone@here.example", NULL, NULL, SENDER},
    {"rcpt:gone@here.example", NULL, NULL, SENDER},
    {"", NULL, NULL, SENDER},
    {"@", NULL, NULL, SENDER},
    {"x@", NULL, NULL, SENDER},
    {"gone@here.example", "has left", "has left", RCPT},
    {"x@here.example", NULL, NULL, RCPT},
    {"x@old.example", "an old domain", NULL, RCPT},
    {"x@spam.example", NULL, NULL, RCPT},
};

static struct accesslist *
build(const struct dataset_type *type, const char *text,
    struct dataset **set_r)
{
	struct errlist *mistakes = errlist_new();
	struct accesslist *list = NULL;
	struct errmsg msg;

	if (dataset_open_text(
		type, "list", text, strlen(text), set_r, &msg) != 0)
		fail_msg("%s", msg.text);
	if (accesslist_new(*set_r, NULL, mistakes, &list) != 0)
		fail_msg("%s", errlist_get(mistakes, 0));
	errlist_free(mistakes);
	return list;
}

static int
ask(const struct accesslist *list, enum kind kind, const char *what,
    struct dataset_entry *e)
{
	struct host host;

	switch (kind) {
	case HELO:
		return accesslist_helo(list, what, e);
	case SENDER:
		return accesslist_sender(list, what, e);
	case RCPT:
		return accesslist_rcpt(list, what, e);
	default:
		break;
	}
	if (host_parse(what, &host))
		return accesslist_client(list, NULL, &host, e);
	return accesslist_client(list, what, NULL, e);
}

static void
check(const struct accesslist *list, enum kind kind, const char *what,
    const char *want)
{
	struct dataset_entry e;
	int rc = ask(list, kind, what, &e);

	if (rc != (want != NULL))
		fail_msg("%s (%d): %d", what, kind, rc);
	if (rc == 1) {
		assert_string_equal(e.value, want);
		dataset_entry_fini(&e);
	}
}

static void
finds_by_shape(void **state)
{
	struct dataset *plain, *re;
	struct accesslist *list = build(&dataset_file, file, &plain);
	struct accesslist *relist = build(&dataset_refile, patterns, &re);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check(list, cases[i].kind, cases[i].what, cases[i].file);
		check(relist, cases[i].kind, cases[i].what,
		    cases[i].patterns);
		check(NULL, cases[i].kind, cases[i].what, NULL);
	}
	accesslist_free(list);
	accesslist_free(relist);
	dataset_free(plain);
	dataset_free(re);
}

/* The lines of `file`, as an LMDB has them. */
static void
fill(const char *path)
{
	char *text = strdup(file), *save = NULL;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	for (char *s = strtok_r(text, "\n", &save); s != NULL;
	     s = strtok_r(NULL, "\n", &save)) {
		size_t n = strcspn(s, " "), skip = strspn(s + n, " ");
		MDB_val k = {n, s}, v = {strlen(s + n + skip), s + n + skip};

		assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	free(text);
}

static void
finds_in_mdb(void **state)
{
	char path[] = "/tmp/postern-accesslist-XXXXXX", spec[64], lock[64];
	struct errlist *mistakes = errlist_new();
	struct accesslist *list;
	struct dataset *set;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	fill(path);
	snprintf(spec, sizeof(spec), "mdb:%s", path);
	snprintf(lock, sizeof(lock), "%s-lock", path);
	assert_int_equal(dataset_open(spec, &set, NULL), 0);
	assert_int_equal(accesslist_new(set, NULL, mistakes, &list), 0);
	errlist_free(mistakes);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check(list, cases[i].kind, cases[i].what, cases[i].file);
	accesslist_free(list);
	dataset_free(set);
	unlink(path);
	unlink(lock);
}

/* Whatever its length. */
static void
takes_any_text(void **state)
{
	struct dataset *set;
	struct accesslist *list = build(&dataset_file, file, &set);
	char text[5000];

	(void)state;
	for (size_t n = 1; n < sizeof(text); n += 7) {
		memset(text, '.', n);
		text[n] = '\0';
		check(list, CLIENT, text, NULL);
		check(list, HELO, text, NULL);
		text[0] = '@';
		check(list, SENDER, text, NULL);
		check(list, RCPT, text, NULL);
	}
	accesslist_free(list);
	dataset_free(set);
}

static int
no_bells(const char *value, struct errmsg *msg_r)
{
	return strchr(value, '!') == NULL
	    ? 0
	    : errmsg_set(msg_r, "expected no bells");
}

static void
says_mistakes(void **state)
{
	static const struct {
		const char *text, *words;
	} wrong[] = {
	    {"\nhelo: x\n", "list:2: helo:: expected a name behind helo:"},
	    {"user@\n", "list:1: user@: expected user@domain"},
	    {"rcpt:here.example\n", "expected user@domain"},
	    {"!\n", "expected something behind the !"},
	    {"a\nb ring!\n", "list:2: b: expected no bells"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct accesslist *list;
		struct dataset *set;
		struct errlist *mistakes = errlist_new();

		assert_int_equal(
		    dataset_open_text(&dataset_file, "list", wrong[i].text,
			strlen(wrong[i].text), &set, NULL),
		    0);
		assert_int_equal(accesslist_new(set, no_bells, mistakes, &list),
		    ERR_CONFIG);
		if (strstr(errlist_get(mistakes, 0), wrong[i].words) == NULL)
			fail_msg("%s", errlist_get(mistakes, 0));
		errlist_free(mistakes);
		dataset_free(set);
	}
}

static void
warns_of_what_matches_nothing(void **state)
{
	struct dataset *set;
	struct accesslist *list =
	    build(&dataset_file, "192.0.2.1/24 x\n", &set);

	(void)state;
	assert_non_null(strstr(accesslist_warning(list, 0), "192.0.2.1/24"));
	assert_null(accesslist_warning(list, 1));
	accesslist_free(list);
	dataset_free(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_by_shape),
	    cmocka_unit_test(finds_in_mdb),
	    cmocka_unit_test(takes_any_text),
	    cmocka_unit_test(says_mistakes),
	    cmocka_unit_test(warns_of_what_matches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
