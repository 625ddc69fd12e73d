/*
 * The resolver against a name server of our own, on loopback.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/dns/dns_unbound.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unbound.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/wait.h"
#include "t/support/drivers/test.h"

#define LONG_MS 120000 /* only ever reached by a failing test */
#define HEADER 12      /* octets before the question */
#define HANGING 200

/* -- the clock, everybody's in this process, which can be put forward -- */

static atomic_int ahead; /* seconds */

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += atomic_load(&ahead);
	return rc;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;
	int rc = clock_gettime(CLOCK_REALTIME, &ts);

	(void)zone;
	*tv = (struct timeval){
	    .tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000};
	return rc;
}

time_t
time(time_t *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (t != NULL)
		*t = ts.tv_sec;
	return ts.tv_sec;
}

static void
short_while(void)
{
	const struct timespec ts = {.tv_nsec = 1000000};

	nanosleep(&ts, NULL);
}

/* -- libunbound's door, where a question can be stopped behind it -- */

static atomic_bool stopping, stopped;
static atomic_int deleted; /* contexts: the one of a later probe, at its end */

void __real_ub_ctx_delete(struct ub_ctx *ctx);
void __wrap_ub_ctx_delete(struct ub_ctx *ctx);

void
__wrap_ub_ctx_delete(struct ub_ctx *ctx)
{
	__real_ub_ctx_delete(ctx);
	atomic_fetch_add(&deleted, 1);
}

int __real_ub_resolve_async(struct ub_ctx *ctx, const char *name, int type,
    int class, void *arg, ub_callback_type callback, int *id);
int __wrap_ub_resolve_async(struct ub_ctx *ctx, const char *name, int type,
    int class, void *arg, ub_callback_type callback, int *id);

int
__wrap_ub_resolve_async(struct ub_ctx *ctx, const char *name, int type,
    int class, void *arg, ub_callback_type callback, int *id)
{
	int rc = __real_ub_resolve_async(
	    ctx, name, type, class, arg, callback, id);

	atomic_store(&stopped, true);
	while (atomic_load(&stopping))
		short_while();
	return rc;
}

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

/* An Ed25519 key, and its signatures (RFC 8080) until 2087: of itself, and of
 * once.signed's address. */
#define DNSKEY 48
#define RRSIG 46
#define ANCHOR                                                                 \
	". IN DS 34259 15 2 CB1D360E1AE51EDB97E1E8A4446C41790BB611D34F5040BB" \
	"AC01F71AB966CB41\n"
#define KEY_TTL 172800

static const char root_key[36] =
    "\001\001\003\017\003\241\007\277\363\316\020\276\035\160\335\030"
    "\347\113\300\231\147\344\326\060\233\245\015\137\035\334\206\144"
    "\022\125\061\270";
static const char key_signature[83] =
    "\000\060\017\000\000\002\243\000\334\022\305\000\136\013\341\000"
    "\205\323\000\271\146\031\213\215\205\172\143\024\120\173\247\260"
    "\373\102\043\072\344\030\377\333\303\215\235\346\100\136\362\114"
    "\227\027\374\265\145\242\255\046\120\061\135\154\010\220\033\332"
    "\050\335\256\043\136\232\101\016\245\365\256\201\300\177\261\147"
    "\114\154\001";
static const char address_signature[83] =
    "\000\001\017\002\000\000\000\000\334\022\305\000\136\013\341\000"
    "\205\323\000\102\256\255\056\214\266\337\115\115\027\310\354\233"
    "\357\071\061\270\060\150\127\173\136\307\271\276\322\261\134\161"
    "\105\326\327\321\041\224\165\371\011\151\012\260\060\247\300\235"
    "\243\265\260\142\242\037\375\056\273\023\142\134\115\136\116\205"
    "\000\335\004";

static const struct reply no_such_name = {NULL, NXDOMAIN, 300, 0, {{0}}};

static struct server {
	int fd;
	pthread_t thread;
	atomic_bool quit;
	atomic_bool signs; /* the root's keys, and once.signed */
	atomic_int asked; /* queries, but for the root's */
	atomic_int keys_asked; /* the root's */
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

/* The signed records, behind the others; how many octets. */
static size_t
put_signed(unsigned char *p, const unsigned char *name, unsigned qtype,
    unsigned *count)
{
	static const unsigned char signed_name[] = "\4once\6signed";
	size_t n = 0;

	if (qtype == DNSKEY && name[0] == 0) {
		n = put_record(p, true, DNSKEY, KEY_TTL, root_key,
		    sizeof(root_key));
		n += put_record(p + n, true, RRSIG, KEY_TTL, key_signature,
		    sizeof(key_signature));
		*count += 2;
	} else if (qtype == DNS_A &&
	    memcmp(name, signed_name, sizeof(signed_name)) == 0) {
		n = put_record(p, false, RRSIG, 0, address_signature,
		    sizeof(address_signature));
		*count += 1;
	}
	return n;
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
	if (atomic_load(&server.signs))
		at += put_signed(p + at, p + HEADER, qtype, &count);
	if (count == 0)
		at += put_record(p + at, true, 6, 300, soa, sizeof(soa));
	p[2] = 0x84;
	p[3] = (unsigned char)(0x80 | (count > 0 ? NOERROR : r->rcode));
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
		atomic_fetch_add(
		    p[HEADER] != 0 ? &s->asked : &s->keys_asked, 1);
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

	if (conf.config_file == NULL)
		conf.servers = servers;
	if (dns_unbound_open(&conf, &d, &msg) != 0)
		fail_msg("%s", msg.text);
	return d;
}

/* By the true clock. */
static int64_t
in_ms(int64_t ms)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000 + ms;
}

/* How many queries the server had, with those that still lay in its socket:
 * what is asked there and then is answered behind them. The resolver asks again
 * when it has no answer after some 50 ms, which says nothing on a busy machine;
 * so of a question that was put there may be several. */
static int
asked(void)
{
	static const char root[HEADER + 5] = {[5] = 1, [14] = 6, [16] = 1};
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char reply[512];

	assert_true(fd >= 0);
	assert_int_equal(
	    getsockname(server.fd, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(send(fd, root, sizeof(root), 0), sizeof(root));
	assert_true(recv(fd, reply, sizeof(reply), 0) > 0);
	close(fd);
	return atomic_load(&server.asked);
}

static const struct dns_answer *
collect(const struct dns *d, struct dns_query *q, int64_t ms)
{
	struct wait w = WAIT_INIT;
	const struct dns_answer *a;

	wait_begin(&w, ms);
	a = dns_collect(d, q, &w);
	wait_fini(&w);
	return a;
}

static enum dns_status
look_up(const struct dns *d, const char *name, enum dns_type type, int64_t ms)
{
	struct dns_query *q = dns_start(d, name, type);
	enum dns_status status = collect(d, q, ms)->status;

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
		const struct dns_answer *a = collect(&d, q, LONG_MS);

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
		assert_ptr_equal(dns_collect(&d, q, NULL), a);
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
	before = asked();
	assert_int_equal(look_up(&d, "A.KEPT", DNS_A, 0), DNS_OK);
	assert_int_equal(look_up(&d, "nx.kept", DNS_A, 0), DNS_NXDOMAIN);
	assert_int_equal(asked(), before);
	/* a ttl of 0 is for those who asked */
	assert_int_equal(look_up(&d, "once.kept", DNS_A, LONG_MS), DNS_OK);
	assert_true(asked() > before);
	dns_unbound_close(&d);
}

/* -- what is told of questions -- */

static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static char told[1000];
static int64_t told_ns; /* the last one's time */

static void
on_question(void *arg, const char *name, enum dns_status status, bool cached,
    int64_t ns)
{
	size_t len;

	assert_ptr_equal(arg, told);
	pthread_mutex_lock(&told_lock);
	len = strlen(told);
	snprintf(told + len, sizeof(told) - len, "%s %d%s,", name, status,
	    cached ? " cached" : "");
	told_ns = ns;
	pthread_mutex_unlock(&told_lock);
}

static void
was_told(const char *wanted)
{
	pthread_mutex_lock(&told_lock);
	assert_string_equal(told, wanted);
	told[0] = '\0';
	pthread_mutex_unlock(&told_lock);
}

/* Each once, with how long it took; nothing of those whose asker has gone. */
static void
questions_are_told(void **state)
{
	struct dns d = open_dns((struct dns_unbound_conf){
	    .on_question = on_question, .arg = told});
	struct dns_query *q;
	int64_t begun;

	(void)state;
	assert_int_equal(look_up(&d, "a.Told", DNS_A, LONG_MS), DNS_OK);
	was_told("a.told 0,");
	assert_true(told_ns > 0);
	assert_int_equal(look_up(&d, "a.told", DNS_A, 0), DNS_OK);
	was_told("a.told 0 cached,");
	assert_int_equal(look_up(&d, "nx.told", DNS_A, LONG_MS), DNS_NXDOMAIN);
	was_told("nx.told 2,");
	assert_int_equal(
	    look_up(&d, "servfail.told", DNS_A, LONG_MS), DNS_TEMPFAIL);
	was_told("servfail.told 3,");
	begun = in_ms(0);
	q = dns_start(&d, "hang.told", DNS_A);
	assert_int_equal(collect(&d, q, 50)->status, DNS_TIMEOUT);
	assert_int_equal(collect(&d, q, 50)->status, DNS_TIMEOUT);
	was_told("hang.told 4,");
	/* The deadline is in whole milliseconds. */
	assert_true(told_ns >= 49 * 1000000 &&
	    told_ns <= (in_ms(0) - begun + 1) * 1000000);
	dns_drop(&d, q);
	dns_drop(&d, dns_start(&d, "hang.too", DNS_A));
	dns_unbound_close(&d);
	was_told("");
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
		    collect(&d, hanging[i], i == 0 ? 30 : 0);

		assert_int_equal(a->status, DNS_TIMEOUT);
		assert_ptr_equal(dns_collect(&d, hanging[i], NULL), a);
		dns_drop(&d, hanging[i]);
	}
	dns_unbound_close(&d);
}

/* -- beside descriptors -- */

static void
read_one(struct wait_io *io, short revents)
{
	char c;

	(void)revents;
	assert_int_equal(read(io->fd, &c, 1), 1);
	++*(int *)io->arg;
}

/* What else is waited for goes on while a name hangs; and an answer ends a wait
 * that has descriptors in it. */
static void
beside_descriptors(void **state)
{
	struct dns d = open_dns((struct dns_unbound_conf){0});
	struct dns_query *q = dns_start(&d, "hang.beside", DNS_A);
	struct wait w = WAIT_INIT;
	struct wait_io io = {.events = POLLIN, .ready = read_one};
	char name[64];
	int fds[2], got = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	io.fd = fds[0];
	io.arg = &got;
	assert_int_equal(wait_add(&w, &io), 0);
	assert_int_equal(write(fds[1], "1", 1), 1);
	wait_begin(&w, 30);
	assert_int_equal(dns_collect(&d, q, &w)->status, DNS_TIMEOUT);
	assert_int_equal(got, 1);
	dns_drop(&d, q);
	wait_begin(&w, LONG_MS);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "a%d.beside", i);
		q = dns_start(&d, name, DNS_A);
		assert_int_equal(dns_collect(&d, q, &w)->status, DNS_OK);
		dns_drop(&d, q);
	}
	wait_remove(&w, &io);
	wait_fini(&w);
	close(fds[0]);
	close(fds[1]);
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

/* Held back, and dropped while the pump asks it: the one moment in which it
 * can't be cancelled at once.  The leak checker would tell. */
static void
dropped_while_asked(void **state)
{
	struct dns d = open_dns((struct dns_unbound_conf){0});
	struct dns_query *q;

	(void)state;
	atomic_store(&stopped, false);
	atomic_store(&stopping, true);
	q = dns_start(&d, "hang.dropped", DNS_A);
	while (!atomic_load(&stopped))
		short_while();
	dns_drop(&d, q);
	atomic_store(&stopping, false);
	dns_unbound_close(&d);
}

/* Closed at every stage of several questions. */
static int rounds = 100;

static void
torn_down(void **state)
{
	static const char *const labels[] = {"a", "hang", "nx", "servfail"};
	struct dns_query *q[8];
	char name[64];

	(void)state;
	for (int i = 0; i < rounds; i++) {
		struct dns d = open_dns((struct dns_unbound_conf){0});

		/* in half of them the context is there already */
		if (i % 2 != 0)
			look_up(&d, "a.torn", DNS_A, LONG_MS);
		for (size_t k = 0; k < 8; k++) {
			snprintf(name, sizeof(name), "%s%zu.torn",
			    labels[k % 4], k);
			q[k] = dns_start(&d, name, DNS_A);
		}
		for (int spin = 0; spin < (i * 7919) % 20000; spin++)
			(void)dns_ready(&d, q[spin % 8]);
		for (size_t k = 0; k < 8; k++)
			dns_drop(&d, q[k]);
		dns_unbound_close(&d);
	}
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
		wrong += dns_collect(d, q, NULL)->status != DNS_TIMEOUT;
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
count_offs(void *arg, bool on)
{
	assert_false(on);
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
	    .anchor_file = path, .on_validation = count_offs, .arg = &said});
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

struct changes {
	atomic_int off, on;
};

static void
count_changes(void *arg, bool on)
{
	struct changes *said = arg;

	atomic_fetch_add(on ? &said->on : &said->off, 1);
}

/* The address of once.signed; is it secure? */
static bool
signed_is_secure(const struct dns *d)
{
	struct dns_query *q = dns_start(d, "once.signed", DNS_A);
	const struct dns_answer *a = collect(d, q, LONG_MS);
	bool secure = a->secure;

	assert_int_equal(a->status, DNS_OK);
	dns_drop(d, q);
	return secure;
}

/* Ask until so much was said. */
static void
ask_until(const struct dns *d, atomic_int *said, int times)
{
	int64_t end = in_ms(LONG_MS);

	while (atomic_load(said) < times && in_ms(0) < end) {
		look_up(d, "once.signed", DNS_A, LONG_MS);
		short_while();
	}
	assert_int_equal(atomic_load(said), times);
}

/* Off, back after ten minutes, and off again a minute after answers began to
 * fail, though the root's keys may be kept for days; and so on. */
static void
validation_comes_and_goes(void **state)
{
	char path[] = "/tmp/postern-test-XXXXXX";
	struct changes said = {0};
	struct dns d;

	(void)state;
	write_file(path, ANCHOR);
	d = open_dns((struct dns_unbound_conf){
	    .anchor_file = path, .on_validation = count_changes, .arg = &said});
	assert_false(signed_is_secure(&d));
	assert_int_equal(atomic_load(&said.off), 1);
	for (int turn = 1; turn < 3; turn++) {
		atomic_store(&server.signs, true);
		assert_false(signed_is_secure(&d));
		atomic_fetch_add(&ahead, 601);
		ask_until(&d, &said.on, turn);
		assert_true(signed_is_secure(&d));
		atomic_store(&server.signs, false);
		assert_int_equal(look_up(&d, "once.signed", DNS_A, LONG_MS),
		    DNS_TEMPFAIL);
		assert_int_equal(atomic_load(&said.off), turn);
		atomic_fetch_add(&ahead, 61);
		ask_until(&d, &said.off, turn + 1);
		assert_false(signed_is_secure(&d));
	}
	dns_unbound_close(&d);
	unlink(path);
}

/* Validation stays on where one domain is broken and the root is not. */
static void
validation_stays(void **state)
{
	char path[] = "/tmp/postern-test-XXXXXX";
	struct changes said = {0};
	struct dns d;

	(void)state;
	write_file(path, ANCHOR);
	atomic_store(&server.signs, true);
	d = open_dns((struct dns_unbound_conf){
	    .anchor_file = path, .on_validation = count_changes, .arg = &said});
	assert_true(signed_is_secure(&d));
	for (int turn = 0; turn < 3; turn++) {
		int asked = atomic_load(&server.keys_asked);
		int before = atomic_load(&deleted);

		atomic_fetch_add(&ahead, 61);
		assert_int_equal(look_up(&d, "a.unsigned", DNS_A, LONG_MS),
		    DNS_TEMPFAIL);
		for (int64_t end = in_ms(LONG_MS); in_ms(0) < end &&
		     atomic_load(&deleted) == before;)
			short_while();
		assert_int_equal(atomic_load(&deleted), before + 1);
		assert_true(atomic_load(&server.keys_asked) > asked);
		assert_true(signed_is_secure(&d));
	}
	assert_int_equal(atomic_load(&said.off), 0);
	atomic_store(&server.signs, false);
	dns_unbound_close(&d);
	unlink(path);
}

/* -- an unbound.conf -- */

/* It says what is answered and who is asked; servers are asked too. */
static void
config_file(void **state)
{
	static const char *const format =
	    "server:\n"
	    "\tlocal-zone: \"conf.example.\" static\n"
	    "\tlocal-data: \"here.conf.example. A 192.0.2.77\"\n"
	    "\tlocal-data: \"here.test. A 192.0.2.77\"\n"
	    "forward-zone:\n"
	    "\tname: \".\"\n"
	    "\tforward-addr: %s\n";
	char path[] = "/tmp/postern-test-XXXXXX", text[512];
	struct dns d;
	int before;

	(void)state;
	snprintf(text, sizeof(text), format, server.address);
	write_file(path, text);
	d = open_dns((struct dns_unbound_conf){.config_file = path});
	unlink(path);
	before = asked();
	assert_int_equal(
	    look_up(&d, "here.conf.example", DNS_A, LONG_MS), DNS_OK);
	assert_int_equal(
	    look_up(&d, "gone.conf.example", DNS_A, LONG_MS), DNS_NXDOMAIN);
	/* In a zone that would be libunbound's own. */
	assert_int_equal(look_up(&d, "here.test", DNS_A, LONG_MS), DNS_OK);
	assert_int_equal(asked(), before);
	assert_int_equal(look_up(&d, "a.test", DNS_A, LONG_MS), DNS_OK);
	assert_int_equal(look_up(&d, "a.invalid", DNS_A, LONG_MS), DNS_OK);
	assert_true(asked() >= before + 2);
	before = asked();
	assert_int_equal(look_up(&d, "a.forwarded", DNS_A, LONG_MS), DNS_OK);
	assert_true(asked() > before);
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
	struct dns_unbound_conf no_conf = {.config_file = path};
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
	assert_int_equal(dns_unbound_open(&no_conf, &d, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, path));
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

/* How many threads block SIGBUS, and SIGTERM. */
static void
count_blocking(unsigned *faults_r, unsigned *terms_r)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *e;

	*faults_r = *terms_r = 0;
	assert_non_null(tasks);
	while ((e = readdir(tasks)) != NULL) {
		char path[300], line[256];
		unsigned long long set;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status",
		    e->d_name);
		f = fopen(path, "r");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
			if (sscanf(line, "SigBlk: %llx", &set) != 1)
				continue;
			*faults_r += (set >> (SIGBUS - 1) & 1) != 0;
			*terms_r += (set >> (SIGTERM - 1) & 1) != 0;
		}
		if (f != NULL)
			fclose(f);
	}
	closedir(tasks);
}

/* Callbacks touch mapped files that may be cut off: no thread of ours blocks the
 * signal that tells of it, and none takes those that are meant for others. */
static void
faults_are_heard(void **state)
{
	unsigned faults_before, terms_before, faults, terms;
	struct dns d;

	(void)state;
	/* A sanitizer may have a thread of its own. */
	count_blocking(&faults_before, &terms_before);
	d = open_dns((struct dns_unbound_conf){0});
	look_up(&d, "a.test", DNS_A, LONG_MS);
	count_blocking(&faults, &terms);
	assert_int_equal(faults, faults_before);
	assert_true(terms > terms_before);
	dns_unbound_close(&d);
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

/* usage: unit_dns_unbound [rounds of torn_down] */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(outcomes),
	    cmocka_unit_test(answers_are_kept),
	    cmocka_unit_test(questions_are_told),
	    cmocka_unit_test(hanging_names),
	    cmocka_unit_test(beside_descriptors),
	    cmocka_unit_test(dropped_unseen),
	    cmocka_unit_test(dropped_while_asked),
	    cmocka_unit_test(torn_down),
	    cmocka_unit_test(threads),
	    cmocka_unit_test(validation_is_off),
	    cmocka_unit_test(validation_comes_and_goes),
	    cmocka_unit_test(validation_stays),
	    cmocka_unit_test(config_file),
	    cmocka_unit_test(mistakes),
	    cmocka_unit_test(servers),
	    cmocka_unit_test(lazy),
	    cmocka_unit_test(faults_are_heard),
	};

	if (argc > 1)
		rounds = atoi(argv[1]);
	return cmocka_run_group_tests(tests, server_up, server_down);
}
