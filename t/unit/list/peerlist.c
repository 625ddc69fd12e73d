/*
 * Lists of hosts.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/list/peerlist.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/conf/dataset.h"
#include "t/support/drivers/test.h"

static const struct host *
addr_of(const char *text, struct host *h)
{
	if (text == NULL)
		return NULL;
	assert_true(host_parse(text, h));
	return h;
}

/* What may be asked by key in a refile or LMDB too gives the same there, but
 * for entries that are not in their normal form. */
static const struct {
	const char *name, *list, *host, *addr;
	bool in;
	bool parsed; /* only where entries are parsed */
} cases[] = {
    {"address", "192.0.2.1", NULL, "192.0.2.1", true, false},
    {"another", "192.0.2.1", NULL, "192.0.2.2", false, false},
    {"in brackets", "[192.0.2.1]", NULL, "192.0.2.1", true, false},
    {"network", "192.0.2.0/24", NULL, "192.0.2.77", true, false},
    {"beside the network", "192.0.2.0/25", NULL, "192.0.2.128", false, false},
    {"bracket and prefix", "[192.0.2.0]/24", NULL, "192.0.2.9", true, false},
    {"everything", "0.0.0.0/0", NULL, "203.0.113.9", true, false},
    {"all IPv4 is not IPv6", "0.0.0.0/0", NULL, "2001:db8::1", false, false},
    {"all IPv6 is not IPv4", "::/0", NULL, "192.0.2.1", false, false},
    {"all IPv6", "::/0", NULL, "2001:db8::1", true, false},
    {"host prefix", "192.0.2.1/32", NULL, "192.0.2.1", true, false},
    {"IPv6", "2001:db8::1", NULL, "2001:db8::1", true, false},
    {"IPv6 in brackets", "[2001:db8::1]", NULL, "2001:db8::1", true, false},
    {"IPv6 network", "2001:db8::/32", NULL, "2001:db8:1::7", true, false},
    {"IPv6 network, odd length", "2001:db8:8000::/33", NULL, "2001:db8:8001::7",
	true, false},
    {"beside it", "2001:db8:8000::/33", NULL, "2001:db8:7fff::", false, false},
    {"IPv6 in brackets with prefix", "[2001:db8::]/32", NULL, "2001:db8::9",
	true, false},
    {"IPv6 in capitals", "2001:DB8::1", NULL, "2001:db8::1", true, false},
    {"IPv6 not shortened", "2001:db8:0:0::1", NULL, "2001:db8::1", true, true},
    {"mapped client", "192.0.2.0/24", NULL, "::ffff:192.0.2.1", true, false},
    {"mapped entry", "::ffff:192.0.2.1", NULL, "192.0.2.1", true, true},
    {"mapped network", "::ffff:192.0.2.0/120", NULL, "192.0.2.1", true, true},

    {"not", "!192.0.2.1,192.0.2.0/24", NULL, "192.0.2.1", false, false},
    {"but its neighbour", "!192.0.2.1,192.0.2.0/24", NULL, "192.0.2.2", true,
	false},
    {"whatever the order", "192.0.2.0/24,!192.0.2.1", NULL, "192.0.2.1", false,
	false},
    {"address before not its network", "192.0.2.1,!192.0.2.0/24", NULL,
	"192.0.2.1", true, false},
    {"the longer prefix", "10.0.0.0/8,!10.1.0.0/16,10.1.2.0/24", NULL,
	"10.1.2.3", true, false},
    {"the middle one", "10.0.0.0/8,!10.1.0.0/16,10.1.2.0/24", NULL, "10.1.3.3",
	false, false},
    {"both say: not", "192.0.2.1,!192.0.2.1", NULL, "192.0.2.1", false, false},
    {"only not", "!192.0.2.1", NULL, "192.0.2.2", false, false},

    {"host", "mx.example.com", "mx.example.com", NULL, true, false},
    {"host without case", "MX.example.com", "mx.Example.COM", NULL, true,
	false},
    {"host with the root's dot", "mx.example.com", "mx.example.com.", NULL,
	true, false},
    {"a host is no domain", "example.com", "mx.example.com", NULL, false,
	false},
    {"domain", ".example.com", "mx.example.com", NULL, true, false},
    {"domain far above", ".com", "mx.example.com", NULL, true, false},
    {"a domain is not the host", ".example.com", "example.com", NULL, false,
	false},
    {"part of a label", ".ample.com", "mx.example.com", NULL, false, false},
    {"not a host of the domain", "!mx.example.com,.example.com",
	"mx.example.com", NULL, false, false},
    {"a host of not the domain", "mx.example.com,!.example.com",
	"mx.example.com", NULL, true, false},
    {"name before address", "!mx.example.com,192.0.2.0/24", "mx.example.com",
	"192.0.2.1", false, false},
    {"name before not the address", "mx.example.com,!192.0.2.1",
	"mx.example.com", "192.0.2.1", true, false},
    {"address when the name says nothing", "192.0.2.1,mx.example.com",
	"other.example", "192.0.2.1", true, false},
    {"address in place of a name", "[192.0.2.1]", "[192.0.2.1]", "192.0.2.1",
	true, false},
    {"no name", ".example.com", "", "192.0.2.1", false, false},
    {"nothing at all", "192.0.2.1", NULL, NULL, false, false},
    {"empty list", "", "mx.example.com", "192.0.2.1", false, false},
    {"a name that looks like a prefix", "a/24", "a", NULL, false, false},
    {"half an address", "192.0.2", NULL, "192.0.2.1", false, false},
    {"bits behind the prefix", "192.0.2.1/24", NULL, "192.0.2.1", false, false},
    {"prefix too long", "192.0.2.1/33", NULL, "192.0.2.1", false, false},
    {"netmask", "192.0.2.0/255.255.255.0", NULL, "192.0.2.1", false, false},
    {"open bracket", "[192.0.2.1", NULL, "192.0.2.1", false, false},
    {"bracket alone", "[", NULL, "192.0.2.1", false, false},
    {"not alone", "!", NULL, "192.0.2.1", false, false},
    {"slash alone", "/", NULL, "192.0.2.1", false, false},
};

static void
check(const struct dataset *set, size_t i, const char *kind)
{
	struct host h;
	struct peerlist *list;

	assert_int_equal(peerlist_new(set, &list, NULL), 0);
	if (peerlist_match(list, cases[i].host, addr_of(cases[i].addr, &h)) !=
	    cases[i].in)
		fail_msg("%s, %s", cases[i].name, kind);
	peerlist_free(list);
}

static void
in_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dataset *set;

		assert_int_equal(
		    dataset_open_text(&dataset_csl, "t", cases[i].list,
			strlen(cases[i].list), &set, NULL),
		    0);
		check(set, i, "csl");
		dataset_free(set);
	}
	peerlist_free(NULL);
}

static void
in_refile(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = strdup(cases[i].list);
		struct dataset *set;

		for (char *p = text; *p != '\0'; p++)
			*p = *p == ',' ? '\n' : *p;
		assert_int_equal(dataset_open_text(&dataset_refile, "t", text,
				     strlen(text), &set, NULL),
		    0);
		if (!cases[i].parsed)
			check(set, i, "refile");
		dataset_free(set);
		free(text);
	}
}

/* A pattern matches the "not" form as well, and does not mean it. */
static void
in_refile_with_star(void **state)
{
	static const char text[] = "!mx.*\n*.example.com\n192.0.2.*\n";
	struct host h;
	struct dataset *set;
	struct peerlist *list;

	(void)state;
	assert_int_equal(dataset_open_text(&dataset_refile, "t", text,
			     strlen(text), &set, NULL),
	    0);
	assert_int_equal(peerlist_new(set, &list, NULL), 0);
	assert_true(peerlist_match(list, "a.example.com", NULL));
	assert_false(peerlist_match(list, "mx.example.com", NULL));
	assert_true(peerlist_match(list, NULL, addr_of("192.0.2.8", &h)));
	peerlist_free(list);
	dataset_free(set);
}

/* Asked by key, where the key of a network has no bits behind its prefix. */
static void
warnings_in_refile(void **state)
{
	static const char text[] = "127.0.0.1\n192.168.0.1/24\n10.0.0.0/8\n"
				   "*.example.com\n192.0.2.*/32\nhost\n";
	struct dataset *set;
	struct peerlist *list;

	(void)state;
	assert_int_equal(dataset_open_text(&dataset_refile, "t", text,
			     strlen(text), &set, NULL),
	    0);
	assert_int_equal(peerlist_new(set, &list, NULL), 0);
	assert_non_null(peerlist_warning(list, 0));
	assert_string_equal(peerlist_warning(list, 0),
	    "t:2: 192.168.0.1/24: bits are set behind the prefix, write the "
	    "network's first address; the entry matches nothing");
	assert_null(peerlist_warning(list, 1));
	peerlist_free(list);
	dataset_free(set);
}

static char path[] = "/tmp/postern-peerlist-XXXXXX";

static void
fill(const char *list)
{
	char *text = strdup(list), *save = NULL;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_drop(txn, dbi, 0), 0);
	for (char *s = strtok_r(text, ",", &save); s != NULL;
	     s = strtok_r(NULL, ",", &save)) {
		MDB_val k = {strlen(s), s}, v = {0, s};

		assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	free(text);
}

static void
in_mdb(void **state)
{
	char spec[64], lock[64];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	snprintf(spec, sizeof(spec), "mdb:%s", path);
	snprintf(lock, sizeof(lock), "%s-lock", path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dataset *set;

		/* LMDB compares octets, so its keys stand in lower case. */
		if (cases[i].parsed || strpbrk(cases[i].list, "DMBX") != NULL)
			continue;
		fill(cases[i].list);
		assert_int_equal(dataset_open(spec, &set, NULL), 0);
		check(set, i, "mdb");
		dataset_free(set);
	}
	unlink(path);
	unlink(lock);
}

static void
warnings(void **state)
{
	static const char text[] = "192.0.2.0/24\n# x\n10.0.0.1/8\nhost\n"
				   "!192.0.2.0/33\na/b\n::1/\n";
	static const char *const expected[] = {
	    "t:3: 10.0.0.1/8: bits are set behind the prefix, write the "
	    "network's first address; the entry matches nothing",
	    "t:5: !192.0.2.0/33: expected a prefix length behind the /; "
	    "the entry matches nothing",
	    "t:6: a/b: expected a name, address or network; the entry "
	    "matches nothing",
	    "t:7: ::1/: expected a prefix length behind the /; the entry "
	    "matches nothing",
	};
	struct dataset *set;
	struct peerlist *list;

	(void)state;
	assert_int_equal(dataset_open_text(
			     &dataset_file, "t", text, strlen(text), &set, NULL),
	    0);
	assert_int_equal(peerlist_new(set, &list, NULL), 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		assert_string_equal(peerlist_warning(list, i), expected[i]);
	assert_null(peerlist_warning(list, 4));
	peerlist_free(list);
	dataset_free(set);
}

static const struct {
	const char *entry, *words; /* NULL: nothing is said */
} names[] = {
    {"mx.example.com", NULL}, {".example.com", NULL}, {"!mx_1.example", NULL},
    {"localhost", NULL}, {".com", NULL}, {"b\u00fccher.example", NULL},
    {"4u.example", NULL}, {"192-0-2-1.example", NULL},
    {"block", "block: taken for the whole name of a host: expected /PATH"},
    {"192.168.", "expected a whole address such as 192.0.2.1"},
    {"300.1.1.1", "expected a whole address"},
    {"192.0.2.1-192.0.2.9", "expected a whole address"},
    {"@example.com", "without an @; the entry matches nothing"},
    {"bob@example.com", "without an @"},
    {"127.0.0.1:25", "without a port"},
    {"$mynetworks", "without quotes or other signs"},
    {"\"127.0.0.1\"", "without quotes"}, {"[192.0.2.1", "other signs"},
    {"example.com.", "without a dot at its end"}, {"a..b", "two in a row"},
    {"!", "expected a whole address"},
};

static void
names_that_are_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *entry = names[i].entry, *said;
		struct dataset *set;
		struct peerlist *list;

		assert_int_equal(dataset_open_text(&dataset_csl, "t", entry,
				     strlen(entry), &set, NULL),
		    0);
		assert_int_equal(peerlist_new(set, &list, NULL), 0);
		said = peerlist_warning(list, 0);
		if ((said == NULL) != (names[i].words == NULL) ||
		    (said != NULL && strstr(said, names[i].words) == NULL))
			fail_msg("%s: said %s", entry, said);
		peerlist_free(list);
		dataset_free(set);
	}
}

static void
odd_peers(void **state)
{
	struct host none = {.family = HOST_NONE};
	struct dataset *set;
	struct peerlist *list;
	char name[2000];

	(void)state;
	assert_int_equal(dataset_open_text(&dataset_csl, "t",
			     ".x,::/0,0.0.0.0/0", 17, &set, NULL),
	    0);
	assert_int_equal(peerlist_new(set, &list, NULL), 0);
	assert_false(peerlist_match(list, NULL, &none));
	memset(name, '.', sizeof(name));
	memcpy(name + sizeof(name) - 3, ".x", 3);
	assert_false(peerlist_match(list, name, NULL));
	assert_true(peerlist_match(list, name + sizeof(name) - 200, NULL));
	peerlist_free(list);
	dataset_free(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(in_memory),
	    cmocka_unit_test(in_refile),
	    cmocka_unit_test(in_refile_with_star),
	    cmocka_unit_test(in_mdb),
	    cmocka_unit_test(warnings),
	    cmocka_unit_test(warnings_in_refile),
	    cmocka_unit_test(odd_peers),
	    cmocka_unit_test(names_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
