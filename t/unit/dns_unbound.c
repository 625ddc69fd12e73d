/*
 * The resolver against a name server of our own, on loopback.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/dns_unbound.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "t/support/test.h"

#define LONG_MS 20000 /* only ever reached by a failing test */
#define HEADER 12     /* octets before the question */
#define HANGING 200

/* -- the server: a name's first label says what is answered -- */

#define NOERROR 0
#define SERVFAIL 2
#define NXDOMAIN 3
#define SILENCE (-1)

static const struct reply {
	const char *label;
	int rcode;
	uint32_t ttl;
	size_t count;
	struct {
		uint16_t type;
		uint16_t len;
		const char *data;
	} records[2];
} replies[] = {
    {"a", NOERROR, 300, 1, {{DNS_A, 4, "\300\0\2\1"}}},
    {"once", NOERROR, 0, 1, {{DNS_A, 4, "\300\0\2\1"}}},
    {"txt", NOERROR, 300, 2,
	{{DNS_TXT, 8, "\3v=a\3bcd"}, {DNS_TXT, 2, "\1x"}}},
    {"mx", NOERROR, 300, 1, {{DNS_MX, 12, "\0\12\1m\4test\1.\0"}}},
    {"alias", NOERROR, 300, 1, {{DNS_CNAME, 8, "\1a\4test\0"}}},
    {"nodata", NOERROR, 300, 0, {{0}}},
    {"nx", NXDOMAIN, 300, 0, {{0}}},
    {"servfail", SERVFAIL, 0, 0, {{0}}},
    {"refused", 5, 0, 0, {{0}}},
    {"hang", SILENCE, 0, 0, {{0}}},
};

static const struct reply no_such_name = {NULL, NXDOMAIN, 300, 0, {{0}}};

static struct server {
	int fd;
	pthread_t thread;
	atomic_bool quit;
	atomic_int asked; /* queries, but for the root's */
	char address[32];
} server;

static const struct reply *
find_reply(const unsigned char *label)
{
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		size_t len = strlen(replies[i].label);

		if (label[0] >= len &&
		    memcmp(label + 1, replies[i].label, len) == 0)
			return &replies[i];
	}
	return &no_such_name;
}

static size_t
put16(unsigned char *p, unsigned v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
	return 2;
}

/* A record whose owner is the name asked for, or the root. */
static size_t
put_record(unsigned char *p, bool root, uint16_t type, uint32_t ttl,
    const char *data, uint16_t len)
{
	size_t n = root ? 1 : put16(p, 0xc00c);

	if (root)
		p[0] = 0;
	n += put16(p + n, type);
	n += put16(p + n, 1);
	n += put16(p + n, ttl >> 16);
	n += put16(p + n, ttl & 0xffff);
	n += put16(p + n, len);
	memcpy(p + n, data, len);
	return n + len;
}

/* The reply over the query; its length, 0: none. */
static size_t
answer(unsigned char *p, size_t len)
{
	static const char soa[22] = {[19] = 1, [20] = 1, [21] = 44};
	const struct reply *r = find_reply(p + HEADER);
	size_t at = HEADER;
	unsigned count = 0, qtype;

	while (at < len && p[at] != 0)
		at += 1u + p[at];
	at += 5;
	if (at > len || r->rcode == SILENCE)
		return 0;
	qtype = (unsigned)p[at - 4] << 8 | p[at - 3];
	for (size_t i = 0; i < r->count; i++) {
		if (r->records[i].type != qtype &&
		    r->records[i].type != DNS_CNAME)
			continue;
		at += put_record(p + at, false, r->records[i].type, r->ttl,
		    r->records[i].data, r->records[i].len);
		count++;
	}
	if (count == 0)
		at += put_record(p + at, true, 6, 300, soa, sizeof(soa));
	p[2] = 0x84;
	p[3] = (unsigned char)(0x80 | r->rcode);
	put16(p + 6, count);
	put16(p + 8, count == 0);
	put16(p + 10, 0);
	return at;
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	unsigned char p[2048];

	while (!atomic_load(&s->quit)) {
		struct pollfd fd = {.fd = s->fd, .events = POLLIN};
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		ssize_t n;
		size_t len;

		if (poll(&fd, 1, 20) <= 0)
			continue;
		n = recvfrom(s->fd, p, sizeof(p) / 2, 0,
		    (struct sockaddr *)&from, &from_len);
		if (n < HEADER + 5)
			continue;
		atomic_fetch_add(&s->asked, p[HEADER] != 0);
		len = answer(p, (size_t)n);
		if (len > 0)
			(void)sendto(s->fd, p, len, 0,
			    (struct sockaddr *)&from, from_len);
	}
	return NULL;
}

static int
server_up(void **state)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);

	(void)state;
	server.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (server.fd < 0 ||
	    bind(server.fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    getsockname(server.fd, (struct sockaddr *)&sin, &len) != 0)
		return -1;
	snprintf(server.address, sizeof(server.address), "127.0.0.1@%d",
	    ntohs(sin.sin_port));
	return pthread_create(&server.thread, NULL, serve, &server);
}

static int
server_down(void **state)
{
	(void)state;
	atomic_store(&server.quit, true);
	pthread_join(server.thread, NULL);
	close(server.fd);
	return 0;
}

/* -- helpers -- */

static struct dns
open_dns(struct dns_unbound_conf conf)
{
	const char *servers[] = {server.address, NULL};
	struct errmsg msg;
	struct dns d;

	conf.servers = servers;
	if (dns_unbound_open(&conf, &d, &msg) != 0)
		fail_msg("%s", msg.text);
	return d;
}

static int64_t
in_ms(int64_t ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000 + ms;
}

static enum dns_status
look_up(const struct dns *d, const char *name, enum dns_type type, int64_t ms)
{
	struct dns_query *q = dns_start(d, name, type);
	enum dns_status status = dns_collect(d, q, in_ms(ms))->status;

	dns_drop(d, q);
	return status;
}

/* -- tests -- */

static void
outcomes(void **state)
{
	static const struct {
		const char *name;
		enum dns_type type;
		enum dns_status status;
		size_t count;
		const char *first;
		size_t len;
	} cases[] = {
	    {"a.test", DNS_A, DNS_OK, 1, "\300\0\2\1", 4},
	    {"A.Test.", DNS_A, DNS_OK, 1, "\300\0\2\1", 4},
	    {"a.test", DNS_AAAA, DNS_NODATA, 0, NULL, 0},
	    {"txt.example", DNS_TXT, DNS_OK, 2, NULL, 0},
	    {"mx.example", DNS_MX, DNS_OK, 1, "\0\12m.test.\\046", 13},
	    {"alias.example", DNS_A, DNS_OK, 1, "\300\0\2\1", 4},
	    {"nodata.example", DNS_TXT, DNS_NODATA, 0, NULL, 0},
	    {"nx.example", DNS_TXT, DNS_NXDOMAIN, 0, NULL, 0},
	    {"servfail.example", DNS_TXT, DNS_TEMPFAIL, 0, NULL, 0},
	    {"refused.example", DNS_TXT, DNS_TEMPFAIL, 0, NULL, 0},
	    {"a.1.0.10.in-addr.arpa", DNS_A, DNS_OK, 1, "\300\0\2\1", 4},
	    {"a.127.in-addr.arpa", DNS_A, DNS_OK, 1, "\300\0\2\1", 4},
	    {"a.onion", DNS_A, DNS_OK, 1, "\300\0\2\1", 4},
	    {"a.localhost", DNS_A, DNS_OK, 1, "\300\0\2\1", 4},
	    {"a..example", DNS_A, DNS_BADNAME, 0, NULL, 0},
	    {"", DNS_A, DNS_NXDOMAIN, 0, NULL, 0},
	};
	struct dns d = open_dns((struct dns_unbound_conf){0});

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dns_query *q =
		    dns_start(&d, cases[i].name, cases[i].type);
		const struct dns_answer *a =
		    dns_collect(&d, q, in_ms(LONG_MS));

		if (a->status != cases[i].status ||
		    a->count != cases[i].count)
			fail_msg("%s %d: status %d, %zu", cases[i].name,
			    cases[i].type, a->status, a->count);
		if (cases[i].first != NULL) {
			assert_int_equal(a->records[0].len, cases[i].len);
			assert_memory_equal(a->records[0].data, cases[i].first,
			    cases[i].len);
		}
		assert_false(a->secure);
		assert_ptr_equal(dns_collect(&d, q, 0), a);
		dns_drop(&d, q);
	}
	dns_unbound_close(&d);
}

/* The second is answered without libunbound, at once. */
static void
answers_are_kept(void **state)
{
	struct dns d = open_dns((struct dns_unbound_conf){0});
	int before;

	(void)state;
	assert_int_equal(look_up(&d, "a.kept", DNS_A, LONG_MS), DNS_OK);
	assert_int_equal(look_up(&d, "nx.kept", DNS_A, LONG_MS), DNS_NXDOMAIN);
	assert_int_equal(look_up(&d, "once.kept", DNS_A, LONG_MS), DNS_OK);
	before = atomic_load(&server.asked);
	assert_int_equal(look_up(&d, "A.KEPT", DNS_A, 0), DNS_OK);
	assert_int_equal(look_up(&d, "nx.kept", DNS_A, 0), DNS_NXDOMAIN);
	assert_int_equal(atomic_load(&server.asked), before);
	/* a ttl of 0 is for those who asked */
	assert_int_equal(look_up(&d, "once.kept", DNS_A, LONG_MS), DNS_OK);
	assert_int_equal(atomic_load(&server.asked), before + 1);
	dns_unbound_close(&d);
}

/* Names that never answer neither hold up others nor their own callers. */
static void
hanging_names(void **state)
{
	struct dns d = open_dns((struct dns_unbound_conf){0});
	struct dns_query *hanging[HANGING];
	char name[64];

	(void)state;
	for (int i = 0; i < HANGING; i++) {
		snprintf(name, sizeof(name), "hang%d.example", i);
		hanging[i] = dns_start(&d, name, DNS_TXT);
		assert_non_null(hanging[i]);
	}
	/* each of these must go past them */
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "a%d.example", i);
		assert_int_equal(look_up(&d, name, DNS_A, LONG_MS), DNS_OK);
	}
	for (int i = 0; i < HANGING; i++) {
		const struct dns_answer *a =
		    dns_collect(&d, hanging[i], in_ms(i == 0 ? 30 : 0));

		assert_int_equal(a->status, DNS_TIMEOUT);
		assert_ptr_equal(dns_collect(&d, hanging[i], 0), a);
		dns_drop(&d, hanging[i]);
	}
	dns_unbound_close(&d);
}

/* Dropped at every stage: held back, asked, answered, kept. */
static void
dropped_unseen(void **state)
{
	struct dns d = open_dns((struct dns_unbound_conf){0});
	char name[64];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "a%d.dropped", i / 2);
		dns_drop(&d, dns_start(&d, name, DNS_A));
	}
	dns_drop(&d, NULL);
	assert_int_equal(look_up(&d, "a.dropped", DNS_A, LONG_MS), DNS_OK);
	dns_unbound_close(&d);
}

#define THREADS 8

static void *
ask_many(void *arg)
{
	const struct dns *d = arg;
	char name[64];
	intptr_t wrong = 0;

	for (int i = 0; i < 100; i++) {
		struct dns_query *q;

		snprintf(name, sizeof(name), "a%d.many", i);
		wrong += look_up(d, name, DNS_A, LONG_MS) != DNS_OK;
		snprintf(name, sizeof(name), "hang%d.many", i);
		q = dns_start(d, name, DNS_A);
		dns_drop(d, dns_start(d, "a.many", DNS_A));
		wrong += dns_collect(d, q, 0)->status != DNS_TIMEOUT;
		dns_drop(d, q);
	}
	return (void *)wrong;
}

static void
threads(void **state)
{
	struct dns d = open_dns((struct dns_unbound_conf){0});
	pthread_t t[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&t[i], NULL, ask_many, &d), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(t[i], &wrong);
		assert_null(wrong);
	}
	dns_unbound_close(&d);
}

/* -- validation -- */

static void
count_words(void *arg, const char *text)
{
	assert_non_null(strstr(text, "not validated"));
	atomic_fetch_add((atomic_int *)arg, 1);
}

/* Write `text` to a file that the caller unlinks. */
static void
write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

#define ANCHOR                                                                 \
	". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683"    \
	"457104237C7F8EC8D\n"

/* A server without DNSSEC: answers come, not secure, and it is said once. */
static void
validation_is_off(void **state)
{
	char path[] = "/tmp/postern-test-XXXXXX";
	atomic_int said = 0;
	struct dns d;

	(void)state;
	write_file(path, ANCHOR);
	d = open_dns((struct dns_unbound_conf){
	    .anchor_file = path, .say = count_words, .arg = &said});
	unlink(path);
	/* these are held back, and let go in the other mode */
	for (int i = 0; i < 3; i++)
		dns_drop(&d, dns_start(&d, "a.held", DNS_A));
	assert_int_equal(look_up(&d, "a.example", DNS_A, LONG_MS), DNS_OK);
	assert_int_equal(look_up(&d, "nx.example", DNS_A, LONG_MS),
	    DNS_NXDOMAIN);
	assert_int_equal(atomic_load(&said), 1);
	dns_unbound_close(&d);
}

static void
mistakes(void **state)
{
	static const struct {
		const char *what;
		struct dns_unbound_conf conf;
		const char *words;
	} cases[] = {
	    {"anchor missing", {.anchor_file = "/nowhere/root.key"},
		"/nowhere/root.key: No such file"},
	    {"resolv.conf not readable", {.resolv_conf = "/dev/null/x"},
		"/dev/null/x: "},
	    {"config missing", {.config_file = "/nowhere/unbound.conf"},
		"/nowhere/unbound.conf: "},
	};
	char path[] = "/tmp/postern-test-XXXXXX";
	struct dns_unbound_conf bad = {.anchor_file = path};
	struct errmsg msg;
	struct dns d;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (dns_unbound_open(&cases[i].conf, &d, &msg) == 0)
			fail_msg("%s", cases[i].what);
		if (strstr(msg.text, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].what, msg.text);
	}
	write_file(path, "no anchor\n");
	assert_int_equal(dns_unbound_open(&bad, &d, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "expected trust anchors"));
	unlink(path);
}

static void
servers(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {{"127.0.0.1", true}, {"127.0.0.1@5353", true},
	    {"::1", true}, {"2001:db8::1@53", true}, {"ns.example", false},
	    {"127.0.0.1@", false}, {"127.0.0.1@0", false},
	    {"127.0.0.1@65536", false}, {"127.0.0.1@5x", false},
	    {"127.0.0.1:53", false}, {"", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (dns_unbound_server(cases[i].text) != cases[i].good)
			fail_msg("%s", cases[i].text);
	}
}

/* Opened and closed without a question: no thread was there. */
static void
lazy(void **state)
{
	struct dns d = open_dns((struct dns_unbound_conf){0});

	(void)state;
	dns_unbound_close(&d);
	d = open_dns((struct dns_unbound_conf){0});
	assert_int_equal(dns_unbound_start(&d), 0);
	assert_int_equal(dns_unbound_start(&d), 0);
	dns_unbound_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(outcomes),
	    cmocka_unit_test(answers_are_kept),
	    cmocka_unit_test(hanging_names),
	    cmocka_unit_test(dropped_unseen),
	    cmocka_unit_test(threads),
	    cmocka_unit_test(validation_is_off),
	    cmocka_unit_test(mistakes),
	    cmocka_unit_test(servers),
	    cmocka_unit_test(lazy),
	};

	return cmocka_run_group_tests(tests, server_up, server_down);
}
