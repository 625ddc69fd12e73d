/* The keywords of the DNS.  SPDX-License-Identifier: BSD-2-Clause */
#include "milter/resolver.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/dns/dns.h"
#include "milter/snapshot.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

static int
load(const char *conf, const struct snapshot *old, struct snapshot **snap_r,
    struct errmsg *msg_r)
{
	char path[] = "/tmp/postern-test-XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, conf, strlen(conf)), strlen(conf));
	close(fd);
	rc = snapshot_load(path, false, old, snap_r, msg_r);
	unlink(path);
	return rc;
}

static void
mistakes(void **state)
{
	static const struct {
		const char *conf, *words;
	} cases[] = {
	    {"Nameservers ns.example\n",
		":1: Nameservers: ns.example: expected an address"},
	    {"Nameservers 127.0.0.1,127.0.0.1@x\n",
		":1: Nameservers: 127.0.0.1@x: expected an address"},
	    {"Nameservers file:/nowhere/list\n", "/nowhere/list"},
	    {"DNSTimeout 301\n", ":1: DNSTimeout: "},
	    {"TrustAnchorFile /nowhere/root.key\n", "/nowhere/root.key"},
	    {"ResolverConfiguration /nowhere/conf\n", "/nowhere/conf"},
	    {"\nTestPublicKeys /nowhere/keys\n", ":2: TestPublicKeys: "},
	    {"\nTestDNSData file:/nowhere/data\n", ":2: TestDNSData: "},
	    /* What is in the files, though libunbound reads them. */
	    {"\nResolverConfiguration /etc/passwd\n",
		":2: ResolverConfiguration: "},
	    {"\nTrustAnchorFile /etc/passwd\n", ":2: TrustAnchorFile: "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *snap;
		struct errmsg msg;

		if (load(cases[i].conf, NULL, &snap, &msg) == 0)
			fail_msg("%s: taken", cases[i].conf);
		if (strstr(msg.text, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].conf, msg.text);
	}
}

static void
timeouts(void **state)
{
	static const struct {
		const char *conf;
		long ms;
	} cases[] = {{"", 5000}, {"DNSTimeout 10\n", 10000},
	    {"DNSTimeout 0\n", 30000}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *snap = walk_load_dns(cases[i].conf);

		assert_int_equal(snap->dns_timeout_ms, cases[i].ms);
		assert_non_null(snap->dns);
		snapshot_unref(snap);
	}
}

#define SERVER "Nameservers 127.0.0.1@9\n"

/* What a resolver knows outlives a reload, if it would be made the same. */
static void
reloads(void **state)
{
	static const struct {
		const char *before, *after;
		bool kept;
	} cases[] = {
	    {"", "", true},
	    {SERVER, SERVER "DNSTimeout 7\n", true},
	    {SERVER, "", false},
	    {SERVER, "Nameservers 127.0.0.1@10\n", false},
	    {SERVER, "Nameservers 127.0.0.1@9,127.0.0.1@10\n", false},
	    {SERVER, SERVER "ResolverConfiguration /dev/null\n", false},
	    {SERVER, SERVER "TestDNSData a=b\n", false},
	    {"TestDNSData a=b\n", "TestDNSData a=b\n", false},
	    {"TestDNSData a=b\n", "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *old = walk_load_dns(cases[i].before), *new;
		struct errmsg msg;

		if (load(cases[i].after, old, &new, &msg) != 0)
			fail_msg("%s: %s", cases[i].after, msg.text);
		if ((new->resolver == old->resolver) != cases[i].kept)
			fail_msg("%zu: %s -> %s", i, cases[i].before,
			    cases[i].after);
		snapshot_unref(old);
		assert_non_null(new->dns->start);
		snapshot_unref(new);
	}
}

static void
mode_s_has_none(void **state)
{
	struct snapshot *snap = walk_load_dns("Mode s\n" SERVER);

	(void)state;
	assert_null(snap->dns);
	assert_null(snap->resolver);
	snapshot_unref(snap);
}

/* An unbound.conf says what is answered, without a question to anybody. */
static void
configuration(void **state)
{
	static const char local[] =
	    "server:\n\tlocal-zone: \"conf.example.\" static\n"
	    "\tlocal-data: \"here.conf.example. A 192.0.2.77\"\n";
	char path[] = "/tmp/postern-test-XXXXXX", conf[64];
	int fd = mkstemp(path);
	struct snapshot *snap;
	struct wait w = WAIT_INIT;
	struct dns_query *q;
	const struct dns_answer *a;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, local, strlen(local)), strlen(local));
	close(fd);
	snprintf(conf, sizeof(conf), "ResolverConfiguration %s\n", path);
	snap = walk_load_dns(conf);
	unlink(path);
	q = dns_start(snap->dns, "here.conf.example", DNS_A);
	wait_begin(&w, INT32_MAX);
	a = dns_collect(snap->dns, q, &w);
	assert_int_equal(a->status, DNS_OK);
	assert_memory_equal(a->records[0].data, "\300\0\2\115", 4);
	dns_drop(snap->dns, q);
	wait_fini(&w);
	snapshot_unref(snap);
}

/* Its data instead of the DNS; and no thread comes of loading or of that. */
static void
test_data(void **state)
{
	struct snapshot *snap = walk_load_dns("TestDNSData example.org=text\n");
	struct dns_query *q = dns_start(snap->dns, "example.org", DNS_TXT);
	const struct dns_answer *a = dns_collect(snap->dns, q, NULL);
	DIR *tasks;
	int n = 0;

	(void)state;
	assert_int_equal(a->status, DNS_OK);
	assert_memory_equal(a->records[0].data, "text", 4);
	dns_drop(snap->dns, q);
#if !defined(__SANITIZE_THREAD__) /* it has a thread of its own */
	tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	for (const struct dirent *d; (d = readdir(tasks)) != NULL;)
		n += d->d_name[0] != '.';
	closedir(tasks);
	assert_int_equal(n, 1);
#else
	(void)tasks, (void)n;
#endif
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mistakes),
	    cmocka_unit_test(timeouts),
	    cmocka_unit_test(reloads),
	    cmocka_unit_test(mode_s_has_none),
	    cmocka_unit_test(test_data),
	    cmocka_unit_test(configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
