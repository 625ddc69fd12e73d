/*
 * A resolver has references of its own, apart from those of snapshots, so that
 * its cache outlives a reload.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "resolver.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "counters.h"
#include "lib/base/clock.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/readfile.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dns/dns_dataset.h"
#include "lib/dns/dns_unbound.h"
#include "log.h"
#include "options.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define SERVERS_MAX 16
#define TIMEOUT_MAX 300 /* seconds; no MTA waits for longer */
#define TIMEOUT_NONE 30 /* in place of 0, "for ever" */

#define TEST_NAME "name-server-test.invalid" /* below it, RFC 6761 6.4 */
#define TEST_TIMES 2		/* so often in a row, since one can be lost */
#define TEST_WAIT_MS 3000	/* for its answer */
#define TEST_AGAIN_MS 5000	/* while they do not answer */
#define LOOK_MS 500		/* from one look at the questions to the next */
#define SUSPECT 5		/* questions that failed in a row: test */
/* So many failed in a row, in so long a time, whatever a test says: its answer
 * may come from a cache. */
#define SILENT 50
#define SILENT_MS 60000

struct resolver {
	atomic_int refs;
	atomic_uint failed;	  /* mail's questions, in a row */
	_Atomic int64_t answered; /* when one was answered, or the first failed
	    one behind that; clock_ms() */
	atomic_bool untested;	  /* nothing was tested or answered yet */
	atomic_bool silent;	  /* the last tests had no answer */

	/* Of the thread that tests. */
	struct dns_query *test;
	int64_t test_until, test_again;
	unsigned test_failed; /* in a row */
	uint64_t test_number; /* in its name */
	bool said;	      /* that they do not answer is logged */

	char *whom; /* Nameservers, for words; NULL: not given */
	struct buf made_of; /* all that determines the resolver: two with equal
	    text are interchangeable */
	struct dns unbound;
	/* TestDNSData, TestPublicKeys */
	struct dataset *data, *keys;
	struct dns tests; /* .start NULL: not used */
};

static const struct conf_option rows[] = {
    {.keyword = "Nameservers", .type = CONF_SET,
	.summary =
	    "addresses of the name servers to ask, each perhaps with @PORT"},
    {.keyword = "ResolverConfiguration", .type = CONF_STR, .flags = CONF_PATH,
	.summary = "an unbound.conf for the resolver",
	.check = conf_check_path},
    {.keyword = "TrustAnchorFile", .type = CONF_STR, .flags = CONF_PATH,
	.summary = "the root's DNSSEC keys, with which to validate answers",
	.check = conf_check_path},
    {.keyword = "DNSTimeout", .type = CONF_INT, .def = "5", .max = TIMEOUT_MAX,
	.summary = "seconds for all look-ups of one message"},
    {.keyword = "TestDNSData", .type = CONF_SET,
	.summary = "names and their TXT records, instead of the DNS"},
    {.keyword = "TestPublicKeys", .type = CONF_STR, .flags = CONF_PATH,
	.summary =
	    "a file of names and DKIM keys, instead of those in the DNS",
	.check = conf_check_path},
};

const struct conf_table options_resolver = {CONF_ROWS(rows)};

/* -- what it is made of -- */

struct plan {
	char *servers[SERVERS_MAX + 1];
	size_t count;
	const char *config_file, *anchor_file;
	struct errmsg *msg_r;
	const char *where; /* of Nameservers */
	const struct conf *conf;
	bool wrong; /* some entries are no addresses */
};

static int
add_server(const struct dataset_entry *e, void *arg)
{
	struct plan *p = arg;

	if (!dns_unbound_server(e->key)) {
		p->wrong = true;
		errmsg_set(p->msg_r,
		    "%s: Nameservers: %s: expected an address, perhaps with "
		    "@PORT: 127.0.0.1@5353",
		    p->where, e->key);
		return conf_noted(p->conf, ERR_CONFIG, p->msg_r);
	}
	if (p->count == SERVERS_MAX)
		return errmsg_set(p->msg_r,
		    "%s: Nameservers: expected at most %d addresses", p->where,
		    SERVERS_MAX);
	p->servers[p->count] = strdup(e->key);
	return p->servers[p->count++] == NULL ? ERR_NOMEM : 0;
}

/* Check the files that libunbound reads itself. */
static int
check_files(const struct conf *c, struct errmsg *msg_r)
{
	static const char *const keywords[] = {
	    "ResolverConfiguration", "TrustAnchorFile"};
	struct errmsg why;

	int rc = 0;

	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		const char *path = conf_str(c, keywords[i]);

		if (path == NULL || readfile_check(path, &why) == 0)
			continue;
		errmsg_wrap(msg_r, &why, "%s: %s: ", conf_where(c, keywords[i]),
		    keywords[i]);
		rc = conf_also(c, rc, ERR_CONFIG, msg_r);
	}
	return rc;
}

static int
read_servers(const struct conf *c, struct plan *p, struct errmsg *msg_r)
{
	struct dataset *set = NULL;
	int rc = options_set(c, "Nameservers", NULL, &set, msg_r);

	if (rc != 0 || set == NULL)
		return rc;
	p->where = conf_where(c, "Nameservers");
	p->msg_r = msg_r;
	p->conf = c;
	rc = dataset_walk(set, add_server, p);
	if (rc == 0 && p->count == 0 && !p->wrong)
		rc = errmsg_set(msg_r, "%s: Nameservers: expected an address",
		    p->where);
	dataset_free(set);
	return rc;
}

/* Append what identifies a version of the file. */
static void
stamp(struct buf *b, const char *path)
{
	struct stat st;

	if (path == NULL || stat(path, &st) != 0) {
		buf_printf(b, "%s\n", path == NULL ? "" : path);
		return;
	}
	buf_printf(b, "%s %ju %jd %jd.%ld\n", path, (uintmax_t)st.st_ino,
	    (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec);
}

static void
describe(const struct plan *p, struct buf *b)
{
	for (size_t i = 0; i < p->count; i++)
		buf_printf(b, "%s\n", p->servers[i]);
	stamp(b, p->config_file);
	stamp(b, p->anchor_file);
	stamp(b, p->count == 0 ? RESOLV_CONF : NULL);
}

/* -- making it -- */

static void
on_validation(void *arg, bool on)
{
	(void)arg;
	log_line(LOG_WARNING, "dns: %s",
	    on ? "the name servers supply what DNSSEC needs again: answers are "
		 "validated"
	       : "the name servers do not supply what DNSSEC needs (the root's "
		 "DNSKEY, validated by TrustAnchorFile): answers are not "
		 "validated; name servers that do, or remove TrustAnchorFile");
}

/* -- do they answer? -- */

static bool
is_answer(enum dns_status status)
{
	return status != DNS_TEMPFAIL && status != DNS_TIMEOUT;
}

static void
on_question(void *arg, const char *name, enum dns_status status, bool cached,
    int64_t ns)
{
	struct resolver *r = arg;

	if (strstr(name, "." TEST_NAME) != NULL)
		return;
	counters_dns(status, cached, (uint64_t)ns);
	if (cached)
		return;
	if (is_answer(status)) {
		atomic_store(&r->failed, 0);
		atomic_store(&r->untested, false);
		atomic_store(&r->silent, false);
	} else if (atomic_fetch_add(&r->failed, 1) == 0) {
		atomic_store(&r->answered, clock_ms());
	}
}

static void
start_test(struct resolver *r, int64_t now)
{
	char name[sizeof(TEST_NAME) + 20];

	if (r->test_number == 0)
		(void)!getrandom(&r->test_number, sizeof(r->test_number), 0);
	snprintf(name, sizeof(name), "%016jx." TEST_NAME,
	    (uintmax_t)r->test_number++);
	r->test = dns_start(&r->unbound, name, DNS_A);
	r->test_until = now + TEST_WAIT_MS;
}

/* False: its answer may still come. */
static bool
end_test(struct resolver *r, int64_t now)
{
	bool there = dns_ready(&r->unbound, r->test);
	bool good;

	if (!there && now < r->test_until)
		return false;
	good = there &&
	    is_answer(dns_collect(&r->unbound, r->test, NULL)->status);
	dns_drop(&r->unbound, r->test);
	r->test = NULL;
	r->test_failed = good ? 0 : r->test_failed + 1;
	if (good || r->test_failed >= TEST_TIMES) {
		atomic_store(&r->untested, false);
		atomic_store(&r->silent, !good);
	}
	r->test_again = now + (r->test_failed < TEST_TIMES ? 0 : TEST_AGAIN_MS);
	return true;
}

static void
log_silence(struct resolver *r)
{
	struct errmsg words;
	bool silent = resolver_is_silent(r, &words);

	if (silent && !r->said)
		log_line(LOG_WARNING, "dns: %s", words.text);
	else if (!silent && r->said)
		log_line(LOG_INFO, "dns: the name servers answer again");
	r->said = silent;
}

int64_t
resolver_test(struct resolver *r)
{
	int64_t now = clock_ms();
	bool wanted = atomic_load(&r->untested) || atomic_load(&r->silent) ||
	    r->test_failed > 0 || atomic_load(&r->failed) >= SUSPECT;

	if (r->tests.start != NULL) /* not all that is asked reaches them */
		return -1;
	if (r->test != NULL)
		(void)end_test(r, now);
	else if (wanted && now >= r->test_again)
		start_test(r, now);
	log_silence(r);
	return r->test != NULL ? TEST_WAIT_MS / 30 : LOOK_MS;
}

bool
resolver_is_silent(const struct resolver *r, struct errmsg *words_r)
{
	unsigned failed = atomic_load(&r->failed);

	if (!atomic_load(&r->silent) &&
	    (failed < SILENT ||
		clock_ms() - atomic_load(&r->answered) < SILENT_MS))
		return false;
	errmsg_set(words_r,
	    "the name servers do not answer (%s): what needs the DNS is not "
	    "checked, or tempfails by On-DNSError",
	    r->whom == NULL ? RESOLV_CONF : r->whom);
	return true;
}

static void
resolver_free(struct resolver *r)
{
	if (r->test != NULL)
		dns_drop(&r->unbound, r->test);
	free(r->whom);
	dns_dataset_close(&r->tests);
	dataset_free(r->data);
	dataset_free(r->keys);
	if (r->unbound.ctx != NULL)
		dns_unbound_close(&r->unbound);
	buf_fini(&r->made_of);
	free(r);
}

void
resolver_unref(struct resolver *r)
{
	if (r != NULL &&
	    atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
		resolver_free(r);
}

int
resolver_start(struct resolver *r)
{
	return dns_unbound_start(&r->unbound);
}

/* TestPublicKeys, a file without `file:`. */
static int
read_keys(const struct conf *c, struct dataset **set_r, struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	struct buf spec = BUF_INIT;
	int rc = ERR_NOMEM;

	buf_printf(&spec, "file:%s", conf_str(c, "TestPublicKeys"));
	if (list != NULL && buf_text(&spec) != NULL)
		rc = dataset_open_list(
		    buf_text(&spec), conf_use(c), list, set_r);
	if (rc != 0 && rc != ERR_NOMEM)
		options_mistakes(c, "TestPublicKeys", list, msg_r);
	errlist_free(list);
	buf_fini(&spec);
	return rc;
}

/* Open what is read in place of the DNS, or of a part of it. */
static int
open_tests(const struct conf *c, struct resolver *r, struct errmsg *msg_r)
{
	int rc = options_set(c, "TestDNSData", NULL, &r->data, msg_r);

	rc = conf_also(c, 0, rc, msg_r);
	if (conf_str(c, "TestPublicKeys") != NULL &&
	    (rc == 0 || conf_list(c) != NULL))
		rc = conf_also(c, rc, read_keys(c, &r->keys, msg_r), msg_r);
	if (rc != 0 || (r->data == NULL && r->keys == NULL))
		return rc;
	return dns_dataset_open(r->keys, r->data, &r->unbound, &r->tests);
}

static bool
begins_with(const char *text, const char *path)
{
	size_t len = path == NULL ? 0 : strlen(path);

	return len > 0 && strncmp(text, path, len) == 0 && text[len] == ':';
}

/* Report libunbound's error as a mistake of the keyword that it is about. */
static void
blame_keyword(const struct conf *c, const struct plan *p,
    const struct errmsg *why, struct errmsg *msg_r)
{
	const char *keyword = NULL;

	if (begins_with(why->text, p->config_file))
		keyword = "ResolverConfiguration";
	else if (begins_with(why->text, p->anchor_file))
		keyword = "TrustAnchorFile";
	for (size_t i = 0; keyword == NULL && i < p->count; i++) {
		if (begins_with(why->text, p->servers[i]))
			keyword = "Nameservers";
	}
	if (keyword != NULL)
		errmsg_wrap(
		    msg_r, why, "%s: %s: ", conf_where(c, keyword), keyword);
	else
		errmsg_wrap(msg_r, why, "DNS: ");
}

static int
open_unbound(const struct conf *c, const struct plan *p, struct resolver *r,
    struct errmsg *msg_r)
{
	struct dns_unbound_conf conf = {
	    .servers =
		p->count == 0 ? NULL : (const char *const *)p->servers,
	    .config_file = p->config_file,
	    .anchor_file = p->anchor_file,
	    .on_validation = on_validation,
	    .on_question = on_question,
	    .arg = r,
	};
	struct plan other;
	struct errmsg why;
	int rc = dns_unbound_open(&conf, &r->unbound, &why);

	if (rc != 0) {
		blame_keyword(c, p, &why, msg_r);
		/* libunbound stopped at this file, so the other one is still to
		 * be checked. */
		if (rc == ERR_CONFIG && conf_list(c) != NULL &&
		    begins_with(why.text, p->config_file) &&
		    p->anchor_file != NULL) {
			other = *p;
			other.config_file = NULL;
			rc = conf_also(c, 0, rc, msg_r);
			rc = conf_also(c, rc,
			    open_unbound(c, &other, r, msg_r), msg_r);
		}
	}
	return rc;
}

static int
make(const struct conf *c, const struct plan *p, struct resolver **r_r,
    struct errmsg *msg_r)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL) {
		errmsg_set(msg_r, "no memory");
		return ERR_NOMEM;
	}
	atomic_init(&r->refs, 1);
	atomic_init(&r->untested, true);
	if (conf_str(c, "Nameservers") != NULL)
		r->whom = strdup(conf_str(c, "Nameservers"));
	describe(p, &r->made_of);
	rc = conf_also(c, 0, open_unbound(c, p, r, msg_r), msg_r);
	if (rc == 0 || conf_list(c) != NULL)
		rc = conf_also(c, rc, open_tests(c, r, msg_r), msg_r);
	if (rc != 0) {
		resolver_free(r);
		return rc;
	}
	*r_r = r;
	return 0;
}

/* The old one, if a new one would be equal; the contents of data for tests are
 * not compared. */
static struct resolver *
keep_old(struct resolver *r, const struct conf *c, const struct plan *p)
{
	struct buf b = BUF_INIT;
	bool same;

	if (r == NULL || r->tests.start != NULL ||
	    conf_given(c, "TestDNSData") || conf_given(c, "TestPublicKeys"))
		return NULL;
	describe(p, &b);
	same = buf_text(&b) != NULL && buf_text(&r->made_of) != NULL &&
	    strcmp(buf_text(&b), buf_text(&r->made_of)) == 0;
	buf_fini(&b);
	if (!same)
		return NULL;
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

int
resolver_load(const struct conf *c, struct resolver *old,
    struct resolver **r_r, struct errmsg *msg_r)
{
	struct plan p = {
	    .config_file = conf_str(c, "ResolverConfiguration"),
	    .anchor_file = conf_str(c, "TrustAnchorFile"),
	};
	int rc = conf_also(c, 0, check_files(c, msg_r), msg_r);

	if (rc == 0 || conf_list(c) != NULL)
		rc = conf_also(c, rc, read_servers(c, &p, msg_r), msg_r);
	*r_r = rc == 0 ? keep_old(old, c, &p) : NULL;
	if (rc == 0 && *r_r == NULL)
		rc = make(c, &p, r_r, msg_r);
	for (size_t i = 0; i < p.count; i++)
		free(p.servers[i]);
	return rc;
}

const struct dns *
resolver_dns(const struct resolver *r)
{
	return r->tests.start != NULL ? &r->tests : &r->unbound;
}

long
resolver_timeout_ms(const struct conf *c)
{
	long timeout = conf_int(c, "DNSTimeout");

	return (timeout == 0 ? TIMEOUT_NONE : timeout) * 1000;
}
