/*
 * Data sets: file, refile, csl, mdb.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/conf/dataset.h"

#include <lmdb.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/mapguard.h"
#include "lib/conf/dataset_type.h"
#include "t/support/drivers/test.h"

static char dir[] = "/tmp/postern-dataset-XXXXXX";

static void
put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int
enter(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL || chdir(dir) != 0;
}

static int
leave(void **state)
{
	static const char *const names[] = {"set", "re", "open", "lines", "big",
	    "set-lock", "one.mdb", "one.mdb-lock", "env/data.mdb",
	    "env/lock.mdb", "cut.mdb", "cut.mdb-lock"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(names[i]);
	rmdir("env");
	return chdir("/") != 0 || rmdir(dir) != 0;
}

/* -- what is found -- */

static void
look_ups(void **state)
{
	static const struct {
		const char *name;
		const struct dataset_type *type;
		const char *text, *key, *value; /* NULL: not found */
	} cases[] = {
	    {"key alone", &dataset_file, "a\nb\n", "b", ""},
	    {"no such key", &dataset_file, "a\nb\n", "c", NULL},
	    {"no entry", &dataset_file, "", "a", NULL},
	    {"empty key", &dataset_file, "a\n", "", NULL},
	    {"key and value", &dataset_file, "a x y\n", "a", "x y"},
	    {"tabs", &dataset_file, "\t a\t\tx:y \t\n", "a", "x:y"},
	    {"comment", &dataset_file, "# a\nb # c\n", "b", ""},
	    {"comment line", &dataset_file, "# a\n", "a", NULL},
	    {"blank lines", &dataset_file, "\n\n \t\na\n", "a", ""},
	    {"CRLF", &dataset_file, "a x\r\nb\r\n", "a", "x"},
	    {"CRLF, key alone", &dataset_file, "a x\r\nb\r\n", "b", ""},
	    {"a byte order mark", &dataset_file, "\xef\xbb\xbf" "a x\n", "a",
		"x"},
	    {"without case", &dataset_file, "Example.COM x\n", "eXAMPLE.com",
		"x"},
	    {"the first counts", &dataset_file, "a 1\nA 2\n", "a", "1"},
	    {"negated as it is", &dataset_file, "!a\n", "!a", ""},
	    {"negated is another key", &dataset_file, "!a\n", "a", NULL},
	    {"no star in a file", &dataset_file, "*@a x\n", "u@a", NULL},
	    {"octets above 127", &dataset_file, "b\xc3\xbc x\n", "b\xc3\xbc",
		"x"},

	    {"pattern", &dataset_refile, "*@a.b x\n", "u@A.b", "x"},
	    {"all of it", &dataset_refile, "*@a.b x\n", "u@a.b.c", NULL},
	    {"from the start", &dataset_refile, "a* x\n", "ba", NULL},
	    {"star is empty too", &dataset_refile, "a*b x\n", "ab", "x"},
	    {"two stars", &dataset_refile, "*@*.b x\n", "u@a.c.b", "x"},
	    {"stars that go back", &dataset_refile, "*ab*ac x\n", "aabbabac",
		"x"},
	    {"stars at the end", &dataset_refile, "a** x\n", "a", "x"},
	    {"a dot is a dot", &dataset_refile, "a.b x\n", "aXb", NULL},
	    {"no other sign", &dataset_refile, "a?[b] x\n", "a?[B]", "x"},
	    {"in the order of the file", &dataset_refile, "u@* 1\n*@a 2\n",
		"u@a", "1"},

	    {"list", &dataset_csl, "a,b", "b", ""},
	    {"list with blanks", &dataset_csl, " a , b ", "b", ""},
	    {"list with values", &dataset_csl, "a=x:y, b = z ", "b", "z"},
	    {"list with holes", &dataset_csl, ",a,,", "a", ""},
	    {"only the first equal sign", &dataset_csl, "a=b=c", "a", "b=c"},
	    {"nothing", &dataset_csl, " ", "a", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dataset *set;
		struct dataset_entry e = {.value = NULL};
		struct errmsg msg;
		int rc;

		if (dataset_open_text(cases[i].type, "t", cases[i].text,
			strlen(cases[i].text), &set, &msg) != 0)
			fail_msg("%s: %s", cases[i].name, msg.text);
		rc = dataset_get(set, cases[i].key, &e);
		if (cases[i].value == NULL
			? rc != ERR_NOTFOUND
			: rc != 0 || strcmp(e.value, cases[i].value) != 0)
			fail_msg("%s: got %d %s", cases[i].name, rc, e.value);
		if (rc == 0)
			dataset_entry_fini(&e);
		dataset_free(set);
	}
	dataset_free(NULL);
}

static int
append(const struct dataset_entry *e, void *arg)
{
	char *out = arg;
	size_t n = strlen(out);

	snprintf(out + n, 256 - n, "%zu %d %s=%s\n", e->index, e->line, e->key,
	    e->value);
	return strcmp(e->key, "stop") == 0 ? 5 : 0;
}

static void
walks(void **state)
{
	static const char text[] = "# x\nb 1\n\na\nB 2\nstop\nc\n";
	char out[256] = "";
	struct dataset *set;

	(void)state;
	assert_int_equal(dataset_open_text(&dataset_file, "t", text,
			     sizeof(text) - 1, &set, NULL),
	    0);
	assert_int_equal(dataset_walk(set, append, out), 5);
	assert_string_equal(out, "0 2 b=1\n1 4 a=\n2 5 B=2\n3 6 stop=\n");
	assert_string_equal(dataset_name(set), "t");
	dataset_free(set);
}

/* All that match, one after the other. */
static void
matches(void **state)
{
	static const char text[] = "*@a 1\nx 2\nu@* 3\n* 4\n";
	static const char same[] = "a 1\nb 2\nA 3\n";
	struct dataset_entry e;
	struct dataset *set;

	(void)state;
	assert_int_equal(dataset_open_text(&dataset_refile, "t", text,
			     sizeof(text) - 1, &set, NULL),
	    0);
	assert_int_equal(dataset_get_from(set, "u@a", 0, &e), 0);
	assert_string_equal(e.value, "1");
	assert_string_equal(e.key, "*@a");
	assert_int_equal(dataset_get_from(set, "u@a", e.index + 1, &e), 0);
	assert_string_equal(e.value, "3");
	assert_int_equal(dataset_get_from(set, "u@a", e.index + 1, &e), 0);
	assert_string_equal(e.value, "4");
	assert_int_equal(
	    dataset_get_from(set, "u@a", e.index + 1, &e), ERR_NOTFOUND);
	dataset_free(set);
	assert_int_equal(dataset_open_text(&dataset_file, "t", same,
			     sizeof(same) - 1, &set, NULL),
	    0);
	assert_int_equal(dataset_get_from(set, "a", 1, &e), 0);
	assert_string_equal(e.value, "3");
	assert_int_equal(dataset_get_from(set, "a", 3, &e), ERR_NOTFOUND);
	dataset_free(set);
}

static void
fields(void **state)
{
	static const struct {
		const char *value;
		size_t n, got;
		const char *text[3];
	} cases[] = {
	    {"a:b:c", 3, 3, {"a", "b", "c"}},
	    {"a:b:/c:d", 3, 3, {"a", "b", "/c:d"}},
	    {"a:b", 3, 2, {"a", "b", ""}},
	    {"a", 1, 1, {"a"}},
	    {"a:b", 1, 1, {"a:b"}},
	    {"", 2, 0, {"", ""}},
	    {":b", 2, 2, {"", "b"}},
	    {"a:", 2, 2, {"a", ""}},
	    {"a::", 3, 3, {"a", "", ""}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dataset_field f[3];
		size_t got = dataset_fields(cases[i].value, f, cases[i].n);

		if (got != cases[i].got)
			fail_msg("%s: got %zu", cases[i].value, got);
		for (size_t j = 0; j < cases[i].n; j++) {
			if (f[j].len != strlen(cases[i].text[j]) ||
			    memcmp(f[j].text, cases[i].text[j], f[j].len) != 0)
				fail_msg("%s: field %zu is %.*s",
				    cases[i].value, j, (int)f[j].len,
				    f[j].text);
		}
	}
}

/* -- what is written -- */

static void
kinds(void **state)
{
	static const struct {
		const char *spec;
		const struct dataset_type *type; /* NULL: a mistake */
		const char *says;
	} cases[] = {
	    {"file:set", &dataset_file, "set"},
	    {"FILE:set", &dataset_file, "set"},
	    {" file: set", &dataset_file, "set"},
	    {"./set", &dataset_file, "./set"},
	    {"refile:set", &dataset_refile, "set"},
	    {"csl:a,b", &dataset_csl, "a,b"},
	    {"a,b", &dataset_csl, "a,b"},
	    {"set", &dataset_csl, "set"},
	    {"fe80::1, ::1", &dataset_csl, "fe80::1, ::1"},
	    {"a=b:c:/d", &dataset_csl, "a=b:c:/d"},
	    {"file:", NULL, "file:: expected a path"},
	    {"file:absent", NULL, "absent: No such file or directory"},
	    {"/", NULL, "/: expected a regular file"},
	    {"mdb:absent", NULL, "absent"},
	    {"mdb:set", NULL, "no LMDB file"},
	    {"db:/etc/x", NULL,
		"db_dump -p /etc/x | sed -n 's/\\\\00$//; s/^ //p' | "
		"paste - - > /etc/x.txt, and write file:/etc/x.txt"},
	    {"/etc/x.db", NULL, "db_dump -p /etc/x.db |"},
	    {"dsn:mysql://h/d", NULL, "SELECT"},
	    {"ldap://h", NULL, "ldapsearch"},
	    {"ldaps://h", NULL, "ldapsearch"},
	    {"ldapi://h", NULL, "ldapsearch"},
	    {"lua:/x", NULL, "no Lua"},
	    {"memcache:h/k", NULL, "no memcache"},
	    {"socket:x", NULL, "socket map"},
	    {"repute:x", NULL, "reputation"},
	    {"erlang:x", NULL, "no Erlang"},
	    {"hash:/etc/x", NULL, "expected file:, refile:, csl: or mdb:"},
	};

	(void)state;
	put("set", "a\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dataset *set;
		struct errmsg msg = {.text = ""};
		int rc = dataset_open(cases[i].spec, &set, &msg);

		if (cases[i].type == NULL) {
			if (rc == 0)
				fail_msg("%s: accepted", cases[i].spec);
			if (strstr(msg.text, cases[i].says) == NULL)
				fail_msg("%s: %s", cases[i].spec, msg.text);
			continue;
		}
		if (rc != 0)
			fail_msg("%s: %s", cases[i].spec, msg.text);
		if (dataset_type(set) != cases[i].type ||
		    strcmp(dataset_name(set), cases[i].says) != 0)
			fail_msg("%s: %s %s", cases[i].spec,
			    dataset_type(set)->prefix, dataset_name(set));
		dataset_free(set);
	}
	assert_string_equal(dataset_path("refile:/x"), "/x");
	assert_string_equal(dataset_path("MDB:/x"), "/x");
	assert_string_equal(dataset_path("/x"), "/x");
	assert_string_equal(dataset_path("csl:/x"), "csl:/x");
	assert_int_equal(dataset_check("file:absent", NULL), 0);
	assert_int_equal(dataset_check("db:x", NULL), ERR_CONFIG);
}

static void
bad_text(void **state)
{
	static const struct {
		const struct dataset_type *type;
		const char *text;
		size_t len;
		const char *message;
	} cases[] = {
	    {&dataset_file, "a\nb\0c\n", 6,
		"t:2: a control character: this is no text file"},
	    {&dataset_file, "a\n\nb\rc\n", 7,
		"t:3: a carriage return inside the line"},
	    {&dataset_refile, "a\x7f", 2,
		"t:1: a control character: this is no text file"},
	    {&dataset_csl, "a\nb", 3,
		"t: a control character: this is no text file"},
	};
	char *line = malloc(70000);
	struct dataset *set;
	struct errmsg msg;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(dataset_open_text(cases[i].type, "t",
				     cases[i].text, cases[i].len, &set, &msg),
		    ERR_CONFIG);
		assert_string_equal(msg.text, cases[i].message);
	}
	memset(line, 'x', 70000);
	assert_int_equal(
	    dataset_open_text(&dataset_file, "t", line, 70000, &set, &msg),
	    ERR_CONFIG);
	assert_string_equal(msg.text, "t:1: the line is too long");
	free(line);
}

/* All lines that are wrong are told, and those that are right can be had. */
static void
all_bad_lines(void **state)
{
	static const char *const want[] = {
	    "lines:2: a control character: this is no text file",
	    "lines:4: a carriage return inside the line",
	    "lines:6: the line is too long"};
	struct errlist *list = errlist_new();
	struct dataset *set = NULL;
	char *text;

	(void)state;
	assert_true(asprintf(&text, "a 1\nb\1\n# c\nd\re\nf 2\n%070000d\ng\n",
			0) > 0);
	put("lines", text);
	free(text);
	assert_int_equal(
	    dataset_open_list("file:lines", DATASET_LOOKS, list, &set),
	    ERR_CONFIG);
	errlist_sort(list);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		assert_string_equal(errlist_get(list, i), want[i]);
	assert_int_equal(errlist_count(list), 3);
	assert_int_equal(dataset_has(set, "a"), 1);
	assert_int_equal(dataset_has(set, "f"), 1);
	assert_int_equal(dataset_has(set, "g"), 1);
	assert_int_equal(dataset_has(set, "b"), 0);
	dataset_free(set);
	errlist_free(list);
}

static void
permissions(void **state)
{
	char here[PATH_MAX - 128], want[PATH_MAX];
	struct dataset *set;
	struct errmsg msg;

	(void)state;
	put("open", "a\n");
	assert_int_equal(chmod("open", 0666), 0);
	assert_int_equal(dataset_open("file:open", &set, &msg), ERR_CONFIG);
	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(want, sizeof(want),
	    "open: writable by everyone (mode 0666); mend it with: chmod o-w "
	    "%s/open",
	    here);
	assert_string_equal(msg.text, want);
	assert_int_equal(chmod("open", 0), 0);
	if (geteuid() != 0) {
		assert_int_equal(
		    dataset_open("file:open", &set, &msg), ERR_SYSTEM);
		assert_string_equal(msg.text, "open: Permission denied");
	}
}

/* Only a hash makes this end in time. */
static void
many(void **state)
{
	FILE *f = fopen("big", "w");
	struct dataset *set;
	struct dataset_entry e;
	char key[64];

	(void)state;
	assert_non_null(f);
	for (int i = 0; i < 100000; i++)
		fprintf(f, "user%d@host%d.example k%d\n", i, i % 7, i);
	fclose(f);
	assert_int_equal(dataset_open("file:big", &set, NULL), 0);
	for (int i = 0; i < 100000; i++) {
		snprintf(key, sizeof(key), "USER%d@host%d.example", i, i % 7);
		assert_int_equal(dataset_get(set, key, &e), 0);
		assert_int_equal(e.line, i + 1);
	}
	dataset_free(set);
}

/* -- LMDB -- */

static void
mdb_put_one(const char *path, unsigned flags, const char *key, size_t klen,
    const char *value, size_t vlen)
{
	MDB_val k = {klen, (char *)(uintptr_t)key};
	MDB_val v = {vlen, (char *)(uintptr_t)value};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, path, flags, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

/* A writer that is another process, as LMDB wants it. */
static void
mdb_put_elsewhere(
    const char *path, unsigned flags, const char *key, const char *value)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		mdb_put_one(
		    path, flags, key, strlen(key), value, strlen(value));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
mdb_get_is(const struct dataset *set, const char *key, const char *value)
{
	struct dataset_entry e;
	int rc = dataset_get(set, key, &e);

	if (value == NULL) {
		assert_int_equal(rc, ERR_NOTFOUND);
		return;
	}
	assert_int_equal(rc, 0);
	assert_string_equal(e.value, value);
	dataset_entry_fini(&e);
}

static void
mdb_file(void **state)
{
	struct dataset *set, *again;
	struct errmsg msg;
	char out[256] = "", longkey[600];

	(void)state;
	mdb_put_one("one.mdb", MDB_NOSUBDIR, "a.example", 9, "d:s:/k", 6);
	mdb_put_one("one.mdb", MDB_NOSUBDIR, "with.nul", 9, "x", 2);
	mdb_put_one("one.mdb", MDB_NOSUBDIR, "Mixed", 5, "m", 1);
	if (dataset_open("mdb:one.mdb", &set, &msg) != 0)
		fail_msg("%s", msg.text);
	mdb_get_is(set, "a.example", "d:s:/k");
	mdb_get_is(set, "A.Example", "d:s:/k");
	mdb_get_is(set, "with.nul", "x");
	mdb_get_is(set, "Mixed", "m");
	mdb_get_is(set, "mixed", NULL);
	mdb_get_is(set, "absent", NULL);
	mdb_get_is(set, "", NULL);
	memset(longkey, 'x', sizeof(longkey));
	longkey[sizeof(longkey) - 1] = '\0';
	mdb_get_is(set, longkey, NULL);

	/* A change is seen at the next look-up. */
	mdb_put_elsewhere("one.mdb", MDB_NOSUBDIR, "new", "n");
	mdb_get_is(set, "new", "n");

	/* Twice open, as after a reload; one end does not disturb the other. */
	assert_int_equal(dataset_open("mdb:./one.mdb", &again, &msg), 0);
	dataset_free(set);
	mdb_put_elsewhere("one.mdb", MDB_NOSUBDIR, "newer", "o");
	mdb_get_is(again, "newer", "o");
	assert_int_equal(dataset_walk(again, append, out), 0);
	assert_string_equal(out,
	    "0 0 Mixed=m\n1 0 a.example=d:s:/k\n2 0 new=n\n3 0 newer=o\n"
	    "4 0 with.nul=x\n");
	dataset_free(again);
}

static void
mdb_directory_and_fork(void **state)
{
	struct dataset *set;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(mkdir("env", 0700), 0);
	mdb_put_one("env", 0, "k", 1, "v", 1);
	assert_int_equal(dataset_open("mdb:env", &set, NULL), 0);
	mdb_get_is(set, "k", "v");
	pid = fork();
	if (pid == 0) {
		mdb_get_is(set, "k", "v");
		dataset_free(set);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	mdb_get_is(set, "k", "v");
	dataset_free(set);
	assert_int_equal(chmod("env/data.mdb", 0602), 0);
	assert_int_equal(dataset_open("mdb:env", &set, NULL), ERR_CONFIG);
}

static void
mdb_put_many(const char *path)
{
	char key[32], value[400];

	memset(value, 'v', sizeof(value));
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "key%03d", i);
		mdb_put_one(path, MDB_NOSUBDIR, key, strlen(key), value,
		    sizeof(value));
	}
}

static int
cut_off(const struct dataset_entry *entry, void *arg)
{
	size_t *met = arg;

	(void)entry;
	if ((*met)++ == 0)
		assert_int_equal(truncate("cut.mdb", 8192), 0);
	return 0;
}

static int
count(const struct dataset_entry *entry, void *arg)
{
	(void)entry;
	++*(size_t *)arg;
	return 0;
}

/* Between look-ups it is seen before the map is touched. */
static void
mdb_cut_off_unguarded(void **state)
{
	struct dataset *set;
	struct dataset_entry e;

	(void)state;
	mdb_put_many("cut.mdb");
	assert_int_equal(dataset_open("mdb:cut.mdb", &set, NULL), 0);
	mdb_get_is(set, "none", NULL);
	assert_int_equal(truncate("cut.mdb", 0), 0);
	assert_int_equal(dataset_get(set, "none", &e), ERR_SYSTEM);
	dataset_free(set);
	unlink("cut.mdb");
}

/* A file that somebody cuts off is a failure, whenever that happens. */
static void
mdb_cut_off(void **state)
{
	struct dataset *set, *later;
	struct dataset_entry e;
	struct stat st;
	size_t met = 0;

	(void)state;
	assert_int_equal(mapguard_install(), 0);
	mdb_put_many("cut.mdb");
	assert_int_equal(dataset_open("mdb:cut.mdb", &set, NULL), 0);
	assert_int_equal(dataset_walk(set, cut_off, &met), ERR_SYSTEM);
	assert_true(met < 100);
	assert_int_equal(dataset_get(set, "key050", &e), ERR_SYSTEM);
	/* Cut off already when it is opened. */
	assert_int_equal(dataset_open("mdb:cut.mdb", &later, NULL), 0);
	assert_int_equal(dataset_get(later, "key050", &e), ERR_SYSTEM);
	assert_int_equal(dataset_get(later, "none", &e), ERR_SYSTEM);
	dataset_free(later);
	dataset_free(set);
	unlink("cut.mdb");
	mdb_put_many("cut.mdb");
	assert_int_equal(dataset_open("mdb:cut.mdb", &set, NULL), 0);
	mdb_get_is(set, "none", NULL);
	dataset_free(set);
	/* Half of it is left, so that a walk comes to what is not. */
	assert_int_equal(stat("cut.mdb", &st), 0);
	assert_int_equal(truncate("cut.mdb", st.st_size / 2 / 4096 * 4096), 0);
	assert_int_equal(dataset_open("mdb:cut.mdb", &set, NULL), 0);
	assert_int_equal(dataset_walk(set, count, &met), ERR_SYSTEM);
	dataset_free(set);
}

static void *
get_often(void *arg)
{
	const struct dataset *set = arg;
	struct dataset_entry e;

	for (int i = 0; i < 5000; i++) {
		if (dataset_get(set, "a.example", &e) != 0)
			return arg;
		dataset_entry_fini(&e);
		if (dataset_get(set, "none", &e) != ERR_NOTFOUND)
			return arg;
	}
	return NULL;
}

static void
mdb_threads(void **state)
{
	struct dataset *set;
	pthread_t t[4];

	(void)state;
	assert_int_equal(dataset_open("mdb:one.mdb", &set, NULL), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&t[i], NULL, get_often, set), 0);
	for (size_t i = 0; i < 4; i++) {
		void *bad;

		pthread_join(t[i], &bad);
		assert_null(bad);
	}
	dataset_free(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(look_ups),
	    cmocka_unit_test(walks),
	    cmocka_unit_test(matches),
	    cmocka_unit_test(fields),
	    cmocka_unit_test(kinds),
	    cmocka_unit_test(bad_text),
	    cmocka_unit_test(all_bad_lines),
	    cmocka_unit_test(permissions),
	    cmocka_unit_test(many),
	    cmocka_unit_test(mdb_file),
	    cmocka_unit_test(mdb_directory_and_fork),
	    cmocka_unit_test(mdb_threads),
	    cmocka_unit_test(mdb_cut_off_unguarded),
	    cmocka_unit_test(mdb_cut_off),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
