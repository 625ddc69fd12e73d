/*
 * The path of a query: start() looks into the cache, or gives the query to
 * libunbound, whose own thread sends it.  Our pump thread takes the replies,
 * has them parsed and cached, and wakes whoever collects.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A context of libunbound either validates or does not, from its making to its
 * end.  So there are two, and the second is made when it is needed.  The probe
 * of the root's keys decides which one to use; until its end queries are held.
 *
 * Lock order: u->lock is never held while libunbound is called.
 */
#include "dns_unbound.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unbound.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/mapguard.h"
#include "lib/base/readfile.h"
#include "lib/base/wait.h"
#include "lib/dns/dns_cache.h"
#include "lib/dns/dns_wire.h"

#define TYPE_DNSKEY 48
#define CLASS_IN 1

#define PROBE_WAIT 3000          /* milliseconds for the root's keys */
#define PROBE_AGAIN_ON 60000     /* at the earliest, after a failed answer */
#define PROBE_AGAIN_OFF 600000   /* while validation is off */

/* PROBING is for later probes only, and is made anew for each: a probe must
 * reach the name servers, and the other contexts may have the root's keys
 * cached. */
enum { PLAIN, VALIDATING, PROBING, CONTEXTS };

enum mode {
	MODE_UNKNOWN, /* queries are held until the first probe ends */
	MODE_PLAIN,
	MODE_VALIDATING,
};

struct query_list {
	struct dns_query *first, *last;
};

struct unbound {
	/* Fixed once open. */
	struct dns_cache *cache;
	bool validates; /* an anchor was given */
	char **servers; /* what the contexts are made of */
	char *resolv_conf, *config_file, *anchor_file;
	void (*on_validation)(void *arg, bool on);
	void (*on_question)(void *arg, const char *name,
	    enum dns_status status, bool cached, int64_t ns);
	void *arg;
	int wake[2]; /* a pipe to the pump */

	pthread_mutex_t lock;
	/* Under the lock. */
	pthread_t pump;
	bool started, quit;
	enum mode mode;
	struct ub_ctx *ctx[CONTEXTS]; /* set once, except PROBING */
	struct query_list held;
	bool probe_wanted;

	/* The pump's own. */
	bool probing, off_said;
	struct ub_ctx *probe_ctx;
	int probe_id;
	int64_t probe_until, probed_at; /* probed_at under the lock */
};

struct dns_query {
	struct unbound *u;
	bool known; /* answered at the start: its owner alone has it, and needs
	    no lock */
	/* Under u->lock, unless it was known. */
	struct wait *waits;	 /* who collects; NULL: nobody at the moment */
	struct dns_entry *entry; /* NULL: not answered yet, or `failed` */
	const struct dns_answer *failed;
	int refs; /* the caller's, and libunbound's or the held list's */
	bool held;
	bool dropped; /* the caller's share has ended */
	struct dns_query *prev, *next; /* while held */
	struct ub_ctx *asked;          /* NULL: not (yet) */
	int id;
	int64_t begun; /* clock_ns() */
	enum dns_type type;
	char key[];
};

static const struct dns_answer answer_timeout = {.status = DNS_TIMEOUT};
static const struct dns_answer answer_tempfail = {.status = DNS_TEMPFAIL};
static const struct dns_answer answer_badname = {.status = DNS_BADNAME};

/* -- contexts -- */

/* libunbound has locks for all contexts, which it makes when it finalizes one and
 * destroys with any of them, unguarded: so only one thread at a time does
 * either. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static struct ub_ctx *
new_context(void)
{
	struct ub_ctx *ctx;

	pthread_mutex_lock(&making);
	ctx = ub_ctx_create();
	pthread_mutex_unlock(&making);
	return ctx;
}

static void
delete_context(struct ub_ctx *ctx)
{
	pthread_mutex_lock(&making);
	ub_ctx_delete(ctx);
	pthread_mutex_unlock(&making);
}

/*
 * Many ports, or names that never answer make the others wait.  The caches are
 * bounds; ours, of parsed answers, stands before them.
 */
static const char *const options[][2] = {
    {"outgoing-range:", "4096"},
    {"num-queries-per-thread:", "2048"},
    {"msg-cache-size:", "2m"},
    {"rrset-cache-size:", "4m"},
    {"key-cache-size:", "1m"},
    {"do-not-query-localhost:", "no"},
    {"unblock-lan-zones:", "yes"},
    {"insecure-lan-zones:", "yes"},
    {"trust-anchor-signaling:", "no"},
};

#define LOOPBACK6                                                              \
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."     \
	"ip6.arpa."

/* Names that libunbound would answer itself. */
static const char *const own_zones[] = {"test.", "invalid.", "onion.",
    "localhost.", "home.arpa.", "127.in-addr.arpa.", LOOPBACK6};

#define OWN_ZONES (sizeof(own_zones) / sizeof(*own_zones))

static int
refused(struct errmsg *msg_r, const char *what, int rc)
{
	int error = rc == UB_READFILE ? errno : 0;

	errmsg_set(msg_r, "%s: %s%s%s", what, ub_strerror(rc),
	    rc == UB_READFILE ? ": " : "", error != 0 ? strerror(error) : "");
	errmsg_of_file(msg_r, what, error);
	return rc == UB_NOMEM ? ERR_NOMEM : ERR_CONFIG;
}

static int
set_servers(const struct unbound *u, struct ub_ctx *ctx, struct errmsg *msg_r)
{
	int rc;

	for (size_t i = 0; u->servers != NULL && u->servers[i] != NULL; i++) {
		rc = ub_ctx_set_fwd(ctx, u->servers[i]);
		if (rc != 0)
			return refused(msg_r, u->servers[i], rc);
	}
	if (u->servers != NULL || u->config_file != NULL)
		return 0;
	rc = readfile_check(u->resolv_conf, msg_r);
	if (rc == ERR_CONFIG)
		return rc;
	errno = 0;
	rc = ub_ctx_resolvconf(ctx, u->resolv_conf);
	if (rc == UB_READFILE && errno == ENOENT) /* resolv.conf(5) */
		rc = ub_ctx_set_fwd(ctx, "127.0.0.1");
	return rc == 0 ? 0 : refused(msg_r, u->resolv_conf, rc);
}

static int
set_options(const struct unbound *u, struct ub_ctx *ctx, bool validating,
    struct errmsg *msg_r)
{
	int rc = 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		rc = ub_ctx_set_option(ctx, options[i][0], options[i][1]);
		if (rc != 0)
			return refused(msg_r, options[i][0], rc);
	}
	if (u->config_file != NULL)
		rc = readfile_check(u->config_file, msg_r);
	if (rc == 0 && validating)
		rc = readfile_check(u->anchor_file, msg_r);
	if (rc != 0)
		return rc;
	errno = 0;
	if (u->config_file != NULL &&
	    (rc = ub_ctx_config(ctx, u->config_file)) != 0)
		return refused(msg_r, u->config_file, rc);
	if (validating)
		rc = ub_ctx_add_ta_file(ctx, u->anchor_file);
	else
		rc = ub_ctx_set_option(ctx, "module-config:", "iterator");
	if (rc == 0)
		rc = ub_ctx_async(ctx, 1);
	return rc == 0 ? 0 : refused(msg_r, "libunbound", rc);
}

/* Tell it not to, but for what config_file has there.  libunbound has no option
 * for that, only a line in a file.  False: it did not work. */
static bool
disown_zones(struct ub_ctx *ctx)
{
	int fd = memfd_create("unbound.conf", MFD_CLOEXEC);
	char path[40];
	bool good = fd >= 0;

	for (size_t i = 0; i < OWN_ZONES && good; i++)
		good = dprintf(fd, "server: local-zone: \"%s\" nodefault\n",
			   own_zones[i]) > 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	good = good && ub_ctx_config(ctx, path) == 0;
	if (fd >= 0)
		close(fd);
	return good;
}

/* The first zone that is removed makes libunbound read its anchors. */
static int
remove_zones(const struct unbound *u, struct ub_ctx *ctx, bool validating,
    struct errmsg *msg_r)
{
	bool disowned = u->config_file != NULL && disown_zones(ctx);

	for (size_t i = 0; i < (disowned ? 1 : OWN_ZONES); i++) {
		int rc = ub_ctx_zone_remove(
		    ctx, disowned ? "none.invalid." : own_zones[i]);

		if (rc != 0 && validating)
			return errmsg_set(msg_r,
			    "%s: expected trust anchors: DS or DNSKEY records "
			    "of the root, one a line",
			    u->anchor_file);
		if (rc != 0)
			return refused(msg_r, "libunbound", rc);
	}
	return 0;
}

/* The first zone to go finalizes the context, and that makes the locks that all
 * contexts have in common. */
static int
finalize(const struct unbound *u, struct ub_ctx *ctx, bool validating,
    struct errmsg *msg_r)
{
	int rc;

	pthread_mutex_lock(&making);
	rc = remove_zones(u, ctx, validating, msg_r);
	pthread_mutex_unlock(&making);
	return rc;
}

static int
make_context(const struct unbound *u, bool validating, struct ub_ctx **ctx_r,
    struct errmsg *msg_r)
{
	struct ub_ctx *ctx = new_context();
	int rc;

	if (ctx == NULL) {
		errmsg_set(msg_r, "libunbound: no memory or no descriptor");
		return ERR_NOMEM;
	}
	(void)ub_ctx_debugout(ctx, NULL);
	rc = set_options(u, ctx, validating, msg_r);
	if (rc == 0)
		rc = set_servers(u, ctx, msg_r);
	if (rc == 0)
		rc = finalize(u, ctx, validating, msg_r);
	if (rc != 0) {
		delete_context(ctx);
		return rc;
	}
	*ctx_r = ctx;
	return 0;
}

/* -- queries -- */

/* u->lock is held.  True: nobody has it any more; destroy it, when the lock is
 * released. */
static bool
put(struct dns_query *q)
{
	return --q->refs == 0;
}

static void
destroy(struct dns_query *q)
{
	dns_entry_unref(q->entry);
	free(q);
}

/* Tell what came of a question that was asked. */
static void
tell(const struct dns_query *q, enum dns_status status)
{
	const struct unbound *u = q->u;

	if (u->on_question != NULL)
		u->on_question(
		    u->arg, q->key, status, false, clock_ns() - q->begun);
}

/* The answer is there: libunbound's or the list's share in q ends. As put(). */
static bool
finish(struct dns_query *q, struct dns_entry *entry,
    const struct dns_answer *failed)
{
	if (q->entry == NULL && q->failed == NULL) {
		q->entry = entry;
		q->failed = failed;
		if (!q->dropped)
			tell(q, failed != NULL ? failed->status
					: dns_entry_answer(entry)->status);
		entry = NULL;
		if (q->waits != NULL)
			wait_wake(q->waits);
	}
	dns_entry_unref(entry);
	return put(q);
}

static void
finish_and_free(struct dns_query *q, struct dns_entry *entry,
    const struct dns_answer *failed)
{
	struct unbound *u = q->u;
	bool last;

	pthread_mutex_lock(&u->lock);
	last = finish(q, entry, failed);
	pthread_mutex_unlock(&u->lock);
	if (last)
		destroy(q);
}

/* What libunbound found, in our form; NULL: no memory. */
static struct dns_entry *
read_result(const struct dns_query *q, const struct ub_result *res)
{
	size_t count = 0, size;
	struct dns_answer *a;

	while (res->havedata && res->data[count] != NULL)
		count++;
	a = dns_wire_answer(q->type, res->data, res->len, count, &size);
	if (a == NULL)
		return NULL;
	if (count == 0 && res->nxdomain)
		a->status = DNS_NXDOMAIN;
	a->secure = res->secure != 0;
	a->ttl = res->ttl > 0 ? (uint32_t)res->ttl : 0;
	return dns_entry_new(a, size);
}

static void
wake_pump(const struct unbound *u)
{
	/* A full pipe wakes it as well. */
	(void)!write(u->wake[1], "", 1);
}

/* Failures may mean that validation has become impossible. */
static void
suspect(struct unbound *u)
{
	pthread_mutex_lock(&u->lock);
	if (u->mode == MODE_VALIDATING &&
	    clock_ms() - u->probed_at >= PROBE_AGAIN_ON)
		u->probe_wanted = true;
	pthread_mutex_unlock(&u->lock);
}

/* In the pump, from ub_process. */
static void
on_answer(void *arg, int err, struct ub_result *res)
{
	struct dns_query *q = arg;
	struct dns_entry *entry = NULL;
	const struct dns_answer *failed = &answer_tempfail;

	if (err == UB_SYNTAX) {
		failed = &answer_badname;
	} else if (err == 0 && !res->bogus &&
	    (res->rcode == 0 || res->rcode == 3)) {
		entry = read_result(q, res);
		if (entry != NULL)
			dns_cache_put(
			    q->u->cache, q->key, q->type, entry, clock_ms());
	} else {
		suspect(q->u);
	}
	ub_resolve_free(res);
	finish_and_free(q, entry, entry == NULL ? failed : NULL);
}

/* Hand it to libunbound, whose thread may begin here: it takes no signals,
 * but for faults. */
static void
ask(struct dns_query *q, struct ub_ctx *ctx)
{
	const char *name = q->key[0] == '\0' ? "." : q->key;
	sigset_t most, before;
	int rc;

	mapguard_other_signals(&most);
	pthread_sigmask(SIG_SETMASK, &most, &before);
	rc = ub_resolve_async(
	    ctx, name, (int)q->type, CLASS_IN, q, on_answer, &q->id);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		finish_and_free(q, NULL, &answer_tempfail);
}

/* libunbound either promises not to answer any more, and its share in q ends
 * here; or on_answer is about to run, or has.  A context that is deleted drops
 * its questions without a word: so all must have been cancelled by then. */
static void
cancel(struct dns_query *q)
{
	struct unbound *u = q->u;

	if (ub_cancel(q->asked, q->id) != 0)
		return;
	pthread_mutex_lock(&u->lock);
	(void)put(q);
	pthread_mutex_unlock(&u->lock);
}

static void
hold(struct unbound *u, struct dns_query *q)
{
	q->held = true;
	q->prev = u->held.last;
	if (q->prev == NULL)
		u->held.first = q;
	else
		q->prev->next = q;
	u->held.last = q;
}

static void
unhold(struct unbound *u, struct dns_query *q)
{
	q->held = false;
	if (q->prev == NULL)
		u->held.first = q->next;
	else
		q->prev->next = q->next;
	if (q->next == NULL)
		u->held.last = q->prev;
	else
		q->next->prev = q->prev;
	q->prev = q->next = NULL;
}

/* -- the pump -- */

/* That context; made now if there was none. */
static struct ub_ctx *
context(struct unbound *u, size_t i)
{
	struct ub_ctx *ctx = u->ctx[i];
	struct errmsg msg;

	if (ctx == NULL && make_context(u, i != PLAIN, &ctx, &msg) == 0) {
		pthread_mutex_lock(&u->lock);
		u->ctx[i] = ctx;
		pthread_mutex_unlock(&u->lock);
	}
	return ctx;
}

/* Ask what was held back.  Meanwhile its owner may drop it, who can't cancel
 * yet: then that is done here. */
static void
ask_held(struct unbound *u, struct dns_query *q, struct ub_ctx *ctx)
{
	bool cancels, last;

	if (ctx != NULL)
		ask(q, ctx);
	pthread_mutex_lock(&u->lock);
	if (ctx == NULL) /* never the last share: the pump's is left */
		(void)finish(q, NULL, &answer_tempfail);
	q->asked = ctx;
	cancels = q->dropped && ctx != NULL && q->refs > 1;
	pthread_mutex_unlock(&u->lock);
	if (cancels)
		cancel(q);
	pthread_mutex_lock(&u->lock);
	last = put(q);
	pthread_mutex_unlock(&u->lock);
	if (last)
		destroy(q);
}

/* Go on in that mode, with what was held back first.  The pump has a share of
 * its own in what it asks. */
static void
set_mode(struct unbound *u, enum mode mode)
{
	struct ub_ctx *ctx =
	    context(u, mode == MODE_VALIDATING ? VALIDATING : PLAIN);
	struct dns_query *q;

	pthread_mutex_lock(&u->lock);
	u->mode = mode;
	while ((q = u->held.first) != NULL) {
		unhold(u, q);
		q->refs++;
		pthread_mutex_unlock(&u->lock);
		ask_held(u, q, ctx);
		pthread_mutex_lock(&u->lock);
	}
	pthread_mutex_unlock(&u->lock);
}

static void
probe_end(struct unbound *u, bool good)
{
	u->probing = false;
	if (good == u->off_said && u->on_validation != NULL)
		u->on_validation(u->arg, good);
	u->off_said = !good;
	set_mode(u, good ? MODE_VALIDATING : MODE_PLAIN);
}

static void
on_probe(void *arg, int err, struct ub_result *res)
{
	struct unbound *u = arg;
	bool good = err == 0 && res->havedata && res->secure;

	ub_resolve_free(res);
	probe_end(u, good);
}

static void
probe(struct unbound *u)
{
	struct ub_ctx *ctx =
	    context(u, u->mode == MODE_UNKNOWN ? VALIDATING : PROBING);

	u->probe_ctx = ctx;
	pthread_mutex_lock(&u->lock);
	u->probe_wanted = false;
	u->probed_at = clock_ms();
	pthread_mutex_unlock(&u->lock);
	u->probe_until = u->probed_at + PROBE_WAIT;
	u->probing = ctx != NULL &&
	    ub_resolve_async(ctx, ".", TYPE_DNSKEY, CLASS_IN, u, on_probe,
		&u->probe_id) == 0;
	if (!u->probing)
		probe_end(u, false);
}

static void
check_probe(struct unbound *u)
{
	bool wanted;

	if (u->probing && clock_ms() >= u->probe_until) {
		/* No answer; nobody else takes answers, so it can't be on its
		 * way to us. */
		(void)ub_cancel(u->probe_ctx, u->probe_id);
		probe_end(u, false);
	}
	if (!u->probing && u->ctx[PROBING] != NULL) {
		delete_context(u->ctx[PROBING]);
		u->ctx[PROBING] = NULL;
	}
	pthread_mutex_lock(&u->lock);
	wanted = u->probe_wanted;
	pthread_mutex_unlock(&u->lock);
	if (wanted && !u->probing)
		probe(u);
}

/* What can be read: the pipe, each context.  False: the end. */
static bool
pump_once(struct unbound *u)
{
	struct pollfd fds[1 + CONTEXTS] = {
	    {.fd = u->wake[0], .events = POLLIN}};
	char drain[64];
	bool quit;

	for (size_t i = 0; i < CONTEXTS; i++)
		fds[1 + i] = (struct pollfd){
		    .fd = u->ctx[i] == NULL ? -1 : ub_fd(u->ctx[i]),
		    .events = POLLIN};
	if (poll(fds, 1 + CONTEXTS, u->probing ? PROBE_WAIT / 10 : -1) < 0)
		return errno == EINTR;
	if (fds[0].revents != 0)
		(void)!read(u->wake[0], drain, sizeof(drain));
	for (size_t i = 0; i < CONTEXTS; i++) {
		if (fds[1 + i].revents != 0)
			(void)ub_process(u->ctx[i]);
	}
	pthread_mutex_lock(&u->lock);
	quit = u->quit;
	pthread_mutex_unlock(&u->lock);
	return !quit;
}

static void *
pump(void *arg)
{
	struct unbound *u = arg;

	if (u->validates)
		probe(u);
	else
		set_mode(u, MODE_PLAIN);
	while (pump_once(u))
		check_probe(u);
	return NULL;
}

/* u->lock is held.  Threads made here take no signals, but for faults. */
static int
start_pump(struct unbound *u)
{
	sigset_t most, before;
	int rc;

	if (u->started)
		return 0;
	mapguard_other_signals(&most);
	pthread_sigmask(SIG_SETMASK, &most, &before);
	rc = pthread_create(&u->pump, NULL, pump, u);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	u->started = rc == 0;
	errno = rc;
	return rc == 0 ? 0 : ERR_SYSTEM;
}

/* -- the interface -- */

static struct dns_query *
query_new(struct unbound *u, const char *key, enum dns_type type)
{
	size_t len = strlen(key) + 1;
	struct dns_query *q = calloc(1, sizeof(*q) + len);

	if (q == NULL)
		return NULL;
	q->u = u;
	q->refs = 1;
	q->begun = clock_ns();
	q->type = type;
	memcpy(q->key, key, len);
	return q;
}

/* One that has its answer: an entry, whose reference it takes, or `failed`. */
static struct dns_query *
query_known(struct unbound *u, struct dns_entry *entry,
    const struct dns_answer *failed)
{
	struct dns_query *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		dns_entry_unref(entry);
		return NULL;
	}
	q->u = u;
	q->known = true;
	q->entry = entry;
	q->failed = failed;
	return q;
}

/* Whom to ask; NULL: nobody, as it is held back, or can't be asked.  u->lock
 * is held. */
static struct ub_ctx *
place(struct unbound *u, struct dns_query *q)
{
	if (u->mode == MODE_UNKNOWN) {
		q->refs++;
		hold(u, q);
		return NULL;
	}
	if (u->validates && u->mode == MODE_PLAIN &&
	    clock_ms() - u->probed_at >= PROBE_AGAIN_OFF) {
		u->probe_wanted = true;
		wake_pump(u);
	}
	q->asked = u->ctx[u->mode == MODE_VALIDATING ? VALIDATING : PLAIN];
	if (q->asked == NULL)
		q->failed = &answer_tempfail;
	else
		q->refs++;
	return q->asked;
}

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	struct unbound *u = ctx;
	char key[DNS_NAME_TEXT];
	struct dns_entry *entry;
	struct dns_query *q;
	struct ub_ctx *use = NULL;

	if (!dns_wire_key(name, key))
		return query_known(u, NULL, &answer_badname);
	entry = dns_cache_get(u->cache, key, type, clock_ms());
	if (entry != NULL) {
		if (u->on_question != NULL)
			u->on_question(u->arg, key,
			    dns_entry_answer(entry)->status, true, 0);
		return query_known(u, entry, NULL);
	}
	q = query_new(u, key, type);
	if (q == NULL)
		return NULL;
	pthread_mutex_lock(&u->lock);
	if (start_pump(u) != 0)
		q->failed = &answer_tempfail;
	else
		use = place(u, q);
	pthread_mutex_unlock(&u->lock);
	if (use != NULL)
		ask(q, use);
	return q;
}

static const struct dns_answer *
answer_of(const struct dns_query *q)
{
	return q->entry != NULL ? dns_entry_answer(q->entry) : q->failed;
}

static bool
ready(void *ctx, struct dns_query *q)
{
	struct unbound *u = ctx;
	bool there;

	if (q->known)
		return true;
	pthread_mutex_lock(&u->lock);
	there = answer_of(q) != NULL;
	pthread_mutex_unlock(&u->lock);
	return there;
}

static bool
is_answered(void *arg)
{
	struct dns_query *q = arg;

	return ready(q->u, q);
}

static const struct dns_answer *
collect(void *ctx, struct dns_query *q, struct wait *w)
{
	struct unbound *u = ctx;
	const struct dns_answer *a;

	if (q->known)
		return answer_of(q);
	pthread_mutex_lock(&u->lock);
	if (answer_of(q) == NULL && w != NULL) {
		q->waits = w;
		pthread_mutex_unlock(&u->lock);
		(void)wait_until(w, is_answered, q);
		pthread_mutex_lock(&u->lock);
		q->waits = NULL;
	}
	if (answer_of(q) == NULL) {
		q->failed = &answer_timeout;
		tell(q, DNS_TIMEOUT);
	}
	a = answer_of(q);
	pthread_mutex_unlock(&u->lock);
	return a;
}

static void
drop(void *ctx, struct dns_query *q)
{
	struct unbound *u = ctx;
	bool cancels = false, last;

	if (q->known) {
		destroy(q);
		return;
	}
	pthread_mutex_lock(&u->lock);
	q->dropped = true;
	if (q->held) {
		unhold(u, q);
		(void)put(q);
	} else {
		/* Otherwise the pump is asking it, and looks afterwards. */
		cancels = q->asked != NULL && q->refs > 1;
	}
	pthread_mutex_unlock(&u->lock);
	if (cancels)
		cancel(q);
	pthread_mutex_lock(&u->lock);
	last = put(q);
	pthread_mutex_unlock(&u->lock);
	if (last)
		destroy(q);
}

/* -- life -- */

bool
dns_unbound_server(const char *text)
{
	const char *at = strchr(text, '@');
	size_t len = at == NULL ? strlen(text) : (size_t)(at - text);
	char ip[INET6_ADDRSTRLEN], *end;
	unsigned char address[16];
	long port;

	if (len >= sizeof(ip))
		return false;
	memcpy(ip, text, len);
	ip[len] = '\0';
	if (inet_pton(AF_INET, ip, address) != 1 &&
	    inet_pton(AF_INET6, ip, address) != 1)
		return false;
	if (at == NULL)
		return true;
	port = strtol(at + 1, &end, 10);
	return end != at + 1 && *end == '\0' &&
	    port > 0 && port < 65536;
}

static int
copy_text(char **to, const char *from)
{
	*to = from == NULL ? NULL : strdup(from);
	return from != NULL && *to == NULL ? ERR_NOMEM : 0;
}

static int
copy_conf(struct unbound *u, const struct dns_unbound_conf *conf)
{
	size_t n = 0;

	u->on_validation = conf->on_validation;
	u->on_question = conf->on_question;
	u->arg = conf->arg;
	u->validates = conf->anchor_file != NULL;
	if (copy_text(&u->config_file, conf->config_file) != 0 ||
	    copy_text(&u->anchor_file, conf->anchor_file) != 0 ||
	    copy_text(&u->resolv_conf,
		conf->resolv_conf == NULL ? "/etc/resolv.conf"
					  : conf->resolv_conf) != 0)
		return ERR_NOMEM;
	if (conf->servers == NULL)
		return 0;
	while (conf->servers[n] != NULL)
		n++;
	u->servers = calloc(n + 1, sizeof(*u->servers));
	if (u->servers == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if (copy_text(&u->servers[i], conf->servers[i]) != 0)
			return ERR_NOMEM;
	}
	return 0;
}

static void
unbound_free(struct unbound *u)
{
	for (size_t i = 0; i < CONTEXTS; i++) {
		if (u->ctx[i] != NULL)
			delete_context(u->ctx[i]);
	}
	for (size_t i = 0; u->servers != NULL && u->servers[i] != NULL; i++)
		free(u->servers[i]);
	free(u->servers);
	free(u->config_file);
	free(u->anchor_file);
	free(u->resolv_conf);
	dns_cache_free(u->cache);
	for (size_t i = 0; i < 2; i++) {
		if (u->wake[i] >= 0)
			close(u->wake[i]);
	}
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static struct unbound *
unbound_new(void)
{
	struct unbound *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	pthread_mutex_init(&u->lock, NULL);
	u->cache = dns_cache_new();
	if (pipe2(u->wake, O_CLOEXEC | O_NONBLOCK) != 0)
		u->wake[0] = u->wake[1] = -1;
	if (u->cache == NULL || u->wake[0] < 0) {
		unbound_free(u);
		return NULL;
	}
	return u;
}

int
dns_unbound_open(const struct dns_unbound_conf *conf, struct dns *d,
    struct errmsg *msg_r)
{
	struct unbound *u = unbound_new();
	int rc;

	if (u == NULL) {
		errmsg_set(msg_r, "no memory or no descriptor");
		return ERR_NOMEM;
	}
	rc = copy_conf(u, conf);
	if (rc == 0)
		rc = make_context(u, u->validates,
		    &u->ctx[u->validates ? VALIDATING : PLAIN], msg_r);
	if (rc != 0) {
		unbound_free(u);
		return rc;
	}
	*d = (struct dns){
	    .ctx = u,
	    .start = start,
	    .collect = collect,
	    .drop = drop,
	    .ready = ready,
	};
	return 0;
}

int
dns_unbound_start(const struct dns *d)
{
	struct unbound *u = d->ctx;
	int rc;

	pthread_mutex_lock(&u->lock);
	rc = start_pump(u);
	pthread_mutex_unlock(&u->lock);
	return rc;
}

void
dns_unbound_close(struct dns *d)
{
	struct unbound *u = d->ctx;
	bool started;

	pthread_mutex_lock(&u->lock);
	started = u->started;
	u->quit = true;
	pthread_mutex_unlock(&u->lock);
	wake_pump(u);
	if (started)
		pthread_join(u->pump, NULL);
	unbound_free(u);
}
