/*
 * Nothing that a configuration names makes its reader wait, or is read if it
 * has no end.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/base/readfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/keyfile.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dns/dns.h"
#include "lib/dns/dns_unbound.h"
#include "lib/dns/pslist.h"
#include "lib/rules/rules.h"
#include "t/support/drivers/test.h"

static char dir[] = "/tmp/readfile.XXXXXX";

static void
put(const char *name, size_t len)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	for (size_t i = 0; i < len; i++)
		fputc('a' + (int)(i % 26), f);
	assert_int_equal(fclose(f), 0);
}

static void
make_socket(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(mkdir("dir", 0700), 0);
	make_socket("socket");
	assert_int_equal(symlink("pipe", "link"), 0);
	put("file", 10);
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const names[] = {
	    "pipe", "socket", "link", "file", "big", "named"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(names[i]);
	rmdir("dir");
	return chdir("/") == 0 ? rmdir(dir) : -1;
}

static void
kinds(void **state)
{
	static const struct {
		const char *path;
		int rc;
		const char *says;
	} cases[] = {
	    {"pipe", ERR_CONFIG, "pipe: expected a regular file, not a named "},
	    {"link", ERR_CONFIG, "link: expected a regular file, not a named "},
	    {"dir", ERR_CONFIG, "dir: expected a regular file, not a dir"},
	    {"socket", ERR_CONFIG, "socket: expected a regular file, not a s"},
	    {"/dev/zero", ERR_CONFIG,
		"/dev/zero: expected a regular file, not a device"},
	    {"/dev/tty", ERR_CONFIG, "not a device"},
	    {"none", ERR_SYSTEM, "none: No such file or directory"},
	    {"file/x", ERR_SYSTEM, "file/x: Not a directory"},
	};
	char *text;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct errmsg msg = {.text = ""};
		int rc = readfile_text(cases[i].path, 9, &text, &len, &msg);

		if (rc != cases[i].rc ||
		    strstr(msg.text, cases[i].says) == NULL)
			fail_msg("%s: %d, %s", cases[i].path, rc, msg.text);
		assert_int_equal(
		    readfile_check(cases[i].path, &msg), cases[i].rc);
	}
	assert_int_equal(
	    readfile_text("none", 9, &text, &len, NULL), ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(readfile_text("/dev/null", 9, &text, &len, NULL), 0);
	assert_int_equal(len, 0);
	assert_string_equal(text, "");
	free(text);
}

/* All of it, and where there is too much, so much that one sees it. */
static void
lengths(void **state)
{
	static const struct {
		size_t size, max, len;
	} cases[] = {{0, 0, 0}, {1, 0, 1}, {10, 10, 10}, {11, 10, 11},
	    {12, 10, 11}, {4095, 9999, 4095}, {4096, 9999, 4096},
	    {4097, 9999, 4097}, {100000, 99999, 100000},
	    {100001, 99999, 100000}, {100000, 1 << 20, 100000}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text;
		size_t len;

		put("big", cases[i].size);
		assert_int_equal(
		    readfile_text("big", cases[i].max, &text, &len, NULL), 0);
		assert_int_equal(len, cases[i].len);
		for (size_t k = 0; k < len; k++)
			assert_int_equal(text[k], 'a' + (int)(k % 26));
		assert_int_equal(text[len], '\0');
		free(text);
	}
	/* One that says 0 and has more. */
	{
		char *text;
		size_t len;

		assert_int_equal(readfile_text("/proc/self/status", 1 << 20,
				     &text, &len, NULL),
		    0);
		assert_non_null(strstr(text, "Groups:"));
		assert_int_equal(len, strlen(text));
		free(text);
	}
}

/* Everyone who reads a file by its name. */
static void
readers(void **state)
{
	const struct conf_table *const tables[] = {NULL};
	const char *paths[] = {"pipe", NULL};
	const struct rules_setup setup = {0};
	struct dns_unbound_conf dns = {.config_file = "pipe"};
	struct conf *conf;
	struct dataset *set;
	struct keyfile key;
	struct pslist *list;
	struct rules *rules;
	struct dns resolver;
	struct errmsg msg;

	(void)state;
	assert_int_equal(conf_read("pipe", tables, &conf, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "not a named pipe"));
	assert_int_equal(dataset_open("file:pipe", &set, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "not a named pipe"));
	assert_int_equal(dataset_open("refile:pipe", &set, &msg), ERR_CONFIG);
	assert_int_equal(dataset_open("mdb:pipe", &set, &msg), ERR_CONFIG);
	assert_int_equal(keyfile_read("pipe", 0, &key, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "not a named pipe"));
	assert_int_equal(pslist_open("pipe", &list, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "not a named pipe"));
	assert_int_equal(rules_new(paths, &setup, &rules), ERR_CONFIG);
	assert_non_null(
	    strstr(rules_mistake(rules, 0)->text, "not a named pipe"));
	rules_free(rules);
	assert_int_equal(dns_unbound_open(&dns, &resolver, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "not a named pipe"));
	dns = (struct dns_unbound_conf){.anchor_file = "pipe"};
	assert_int_equal(dns_unbound_open(&dns, &resolver, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "not a named pipe"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kinds),
	    cmocka_unit_test(lengths),
	    cmocka_unit_test(readers),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
