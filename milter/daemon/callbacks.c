/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Each xxfi_ function translates its arguments, walks the chain, and translates
 * the verdict.  What to negotiate is computed from the stages that are on.
 */
#include "callbacks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "milter/chain.h"
#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/snapshot.h"

#define REPLY_MAX 980 /* octets and a NUL; libmilter refuses more */
#define BACKLOG 1024  /* the kernel's net.core.somaxconn may lower it */

/* Seconds to wait for the MTA.  Sendmail waits an hour for its client
 * (Timeout.datablock, Timeout.command), so this is a little more. */
#define QUIET_MAX 3900

/* A connection: what libmilter's private pointer points to. */
struct connection {
	struct session *s;
	unsigned long quiet; /* SMFIP_NR_ flags that were negotiated */
	bool leading_space;  /* SMFIP_HDR_LEADSPC was negotiated */
	bool under_way;      /* a message is under way, and counted in
	    `filter` */
	atomic_bool busy;    /* a callback of ours runs for it */
	struct connection *next, **prev;
};

/*
 * How the filter stops.  smfi_stop is not used, because it frees contexts that
 * libmilter's workers may be using, and takes up to five seconds.  Instead
 * `shut` is set: from then on every callback waits in enter() for the end of
 * the process, and callbacks_shut closes the sessions for which no callback
 * runs.
 */
static struct {
	atomic_bool closing; /* new sessions are turned away */
	atomic_bool shut;    /* callbacks wait for the end */
	atomic_int messages; /* under way */
	pthread_mutex_t lock; /* for the list */
	struct connection *first;
} filter = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
wait_for_the_end(void)
{
	for (;;)
		pause();
}

/* Every callback begins with enter() ... */
static struct connection *
enter(SMFICTX *ctx)
{
	struct connection *c = smfi_getpriv(ctx);

	if (c == NULL)
		return NULL;
	/* First set busy, then test shut: callbacks_shut does it in the reverse
	 * order, so that at least one of the two sees the other. */
	atomic_store(&c->busy, true);
	if (atomic_load(&filter.shut)) {
		atomic_store(&c->busy, false);
		wait_for_the_end();
	}
	return c;
}

/* Update filter.messages. */
static void
count(struct connection *c)
{
	bool under_way = c->s->msg != NULL;

	if (under_way != c->under_way)
		atomic_fetch_add(&filter.messages, under_way ? 1 : -1);
	c->under_way = under_way;
}

/* ... and ends with leave(). */
static sfsistat
leave(struct connection *c, sfsistat st)
{
	if (c != NULL) {
		count(c);
		atomic_store(&c->busy, false);
	}
	return st;
}

static void
list_add(struct connection *c)
{
	pthread_mutex_lock(&filter.lock);
	c->next = filter.first;
	c->prev = &filter.first;
	if (c->next != NULL)
		c->next->prev = &c->next;
	filter.first = c;
	pthread_mutex_unlock(&filter.lock);
}

static void
list_remove(struct connection *c)
{
	pthread_mutex_lock(&filter.lock);
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&filter.lock);
}

static const char *
get_macro(void *ctx, const char *name)
{
	return smfi_getsymval(ctx, (char *)(uintptr_t)name);
}

/* A new connection, busy; NULL: no memory, or we are about to stop. */
static struct connection *
connection_new(SMFICTX *ctx)
{
	struct connection *c;
	struct snapshot *snap;

	if (atomic_load(&filter.closing))
		return NULL;
	c = calloc(1, sizeof(*c));
	snap = inforce_get();
	if (c != NULL && snap != NULL)
		c->s = chain_open(snap, get_macro, ctx);
	snapshot_unref(snap);
	if (c == NULL || c->s == NULL ||
	    smfi_setpriv(ctx, c) != MI_SUCCESS) {
		if (c != NULL)
			chain_close(c->s);
		free(c);
		return NULL;
	}
	list_add(c);
	return enter(ctx);
}

/* Begin the callback of an SMTP command.  An MTA may send one without
 * negotiating first, and libmilter calls us all the same.  NULL: as
 * connection_new. */
static struct connection *
enter_command(SMFICTX *ctx)
{
	struct connection *c = enter(ctx);

	return c != NULL ? c : connection_new(ctx);
}

/* Double each `%`, as smfi_setreply needs it. */
static char *
double_percents(const char *text, char out[REPLY_MAX])
{
	size_t n = 0;

	for (; *text != '\0' && n + 2 < REPLY_MAX; text++) {
		if (*text == '%')
			out[n++] = '%';
		out[n++] = *text;
	}
	out[n] = '\0';
	return out;
}

static void
set_reply(SMFICTX *ctx, const struct verdict *v)
{
	char code_text[16], text[VERDICT_TEXT_SIZE], words[REPLY_MAX];
	const char *xcode;
	int code;

	if (!verdict_reply(v, &code, &xcode, text))
		return;
	snprintf(code_text, sizeof(code_text), "%d", code);
	if (smfi_setreply(ctx, code_text, (char *)(uintptr_t)xcode,
		double_percents(text, words)) != MI_SUCCESS)
		log_line(LOG_WARNING, "libmilter refused the reply %d %s", code,
		    xcode);
}

static sfsistat
status_of(const struct verdict *v)
{
	switch (v->action) {
	case VERDICT_NONE:
	case VERDICT_QUARANTINE:
		return SMFIS_CONTINUE;
	case VERDICT_ACCEPT:
		return SMFIS_ACCEPT;
	case VERDICT_REJECT:
		return SMFIS_REJECT;
	case VERDICT_DISCARD:
		return SMFIS_DISCARD;
	case VERDICT_TEMPFAIL:
	case VERDICT_ERROR:
		break;
	}
	return SMFIS_TEMPFAIL;
}

/*
 * The same before MAIL, when there is no message to discard.  words:
 * smfi_setreply is allowed, which it is not at connect: there the MTA would
 * refuse the client with a text of its own.  So the chain keeps the verdict,
 * and it is returned at the next step that allows it.
 */
static sfsistat
status_before_mail(const struct verdict *v, bool words)
{
	if (v->action == VERDICT_DISCARD ||
	    (!words && v->action != VERDICT_ACCEPT))
		return SMFIS_CONTINUE;
	return status_of(v);
}

/*
 * Reply to the MTA, unless it was negotiated that it does not wait for this
 * callback (then the chain keeps the verdict for the next one).  A reply that
 * ends the message ends it for libmilter too: no abort follows.
 */
static sfsistat
reply(SMFICTX *ctx, struct connection *c, unsigned long quiet, struct verdict v)
{
	sfsistat st = status_of(&v);

	if (c->quiet & quiet)
		return SMFIS_NOREPLY;
	if (st == SMFIS_CONTINUE)
		return st;
	set_reply(ctx, &v);
	chain_end(c->s, &v);
	return st;
}

static sfsistat
on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *addr)
{
	struct connection *c = enter_command(ctx);
	struct host client = host_of((const struct sockaddr *)addr);
	struct verdict v;

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	v = chain_connect(c->s, name, &client);
	if (c->quiet & SMFIP_NR_CONN)
		return leave(c, SMFIS_NOREPLY);
	return leave(c, status_before_mail(&v, false));
}

static sfsistat
on_helo(SMFICTX *ctx, char *helo)
{
	struct connection *c = enter_command(ctx);
	struct verdict v;

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	v = chain_helo(c->s, helo);
	if (status_before_mail(&v, true) == SMFIS_CONTINUE)
		v = verdict_none;
	return leave(c, reply(ctx, c, SMFIP_NR_HELO, v));
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct connection *c = enter_command(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	return leave(c,
	    reply(ctx, c, SMFIP_NR_MAIL,
		chain_mail(c->s, argv[0], (const char *const *)argv + 1)));
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **argv)
{
	struct connection *c = enter_command(ctx);
	struct verdict v;

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	v = chain_rcpt(c->s, argv[0]);
	if (c->quiet & SMFIP_NR_RCPT)
		return leave(c, SMFIS_NOREPLY);
	if (v.action == VERDICT_DISCARD)
		return leave(c, reply(ctx, c, 0, v));
	if (!verdict_refuses(&v))
		return leave(c, SMFIS_CONTINUE);
	set_reply(ctx, &v);
	return leave(c, status_of(&v));
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct connection *c = enter_command(ctx);
	char *spaced = NULL;

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	if (!c->leading_space) {
		/* The MTA has removed the space that nearly always stands
		 * here. */
		if (asprintf(&spaced, " %s", value) < 0)
			spaced = NULL;
		value = spaced;
	}
	chain_header(c->s, name, strlen(name), value,
	    value == NULL ? 0 : strlen(value));
	free(spaced);
	return leave(
	    c, c->quiet & SMFIP_NR_HDR ? SMFIS_NOREPLY : SMFIS_CONTINUE);
}

static sfsistat
on_eoh(SMFICTX *ctx)
{
	struct connection *c = enter_command(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	return leave(c, reply(ctx, c, SMFIP_NR_EOH, chain_eoh(c->s)));
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
	struct connection *c = enter_command(ctx);

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	chain_body(c->s, data, len); /* the chain keeps the verdict */
	return leave(
	    c, c->quiet & SMFIP_NR_BODY ? SMFIS_NOREPLY : SMFIS_CONTINUE);
}

static int
apply_edit(SMFICTX *ctx, const struct connection *c, const struct edit *e)
{
	char *name = (char *)(uintptr_t)e->name, *value = NULL;
	int rc;

	if (e->value != NULL &&
	    asprintf(&value, "%s%s", c->leading_space ? " " : "", e->value) < 0)
		return MI_FAILURE;
	switch (e->op) {
	case EDIT_INSERT:
		rc = smfi_insheader(ctx, 0, name, value);
		break;
	case EDIT_ADD:
		rc = smfi_addheader(ctx, name, value);
		break;
	case EDIT_CHANGE:
	case EDIT_DELETE:
		rc = smfi_chgheader(ctx, name, (int)e->index, value);
		break;
	default:
		rc = MI_FAILURE;
	}
	free(value);
	return rc;
}

/* Without progress, the MTA would take a filter that waits for one that
 * hangs. */
static void
on_progress(void *ctx)
{
	(void)smfi_progress(ctx);
}

/* Walk at the end of the message, the one step at which libmilter allows
 * progress. */
static struct verdict
walk_end(SMFICTX *ctx, struct session *s)
{
	struct verdict v;

	s->wait.progress = on_progress;
	s->wait.progress_arg = ctx;
	v = chain_eom(s);
	s->wait.progress = NULL;
	return v;
}

/* Carry out the edits and the verdict. */
static struct verdict
act(SMFICTX *ctx, struct connection *c, struct verdict v)
{
	const struct ctx about = session_ctx(c->s);
	char reason[VERDICT_TEXT_SIZE];

	for (const struct edit *e = c->s->msg->edits.first; e != NULL;
	     e = e->next) {
		if (apply_edit(ctx, c, e) != MI_SUCCESS) {
			log_about(&about, LOG_ERR,
			    "the MTA does not accept the edit: %s %s",
			    edit_word(e->op), e->name);
			return verdict_make(VERDICT_TEMPFAIL, NULL);
		}
	}
	if (v.action == VERDICT_QUARANTINE &&
	    smfi_quarantine(ctx,
		verdict_text(v.text == NULL ? "held" : v.text, reason)) !=
		MI_SUCCESS) {
		log_about(
		    &about, LOG_ERR, "the MTA does not accept a quarantine");
		return verdict_make(VERDICT_TEMPFAIL, NULL);
	}
	return v;
}

static sfsistat
on_eom(SMFICTX *ctx)
{
	struct connection *c = enter_command(ctx);
	struct verdict v;
	sfsistat st;

	if (c == NULL)
		return SMFIS_TEMPFAIL;
	v = walk_end(ctx, c->s);
	if (c->s->msg == NULL)
		return leave(c, SMFIS_TEMPFAIL);
	if (!verdict_decides(&v))
		v = act(ctx, c, v);
	set_reply(ctx, &v);
	chain_end(c->s, &v);
	st = status_of(&v);
	/* For the MTA both mean the same; OpenDKIM returns SMFIS_ACCEPT. */
	return leave(c, st == SMFIS_CONTINUE ? SMFIS_ACCEPT : st);
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	struct connection *c = enter(ctx);

	if (c != NULL)
		chain_end(c->s, NULL);
	return leave(c, SMFIS_CONTINUE);
}

/* May be called without any callback before it. */
static sfsistat
on_close(SMFICTX *ctx)
{
	struct connection *c = enter(ctx);

	if (c != NULL) {
		smfi_setpriv(ctx, NULL);
		chain_end(c->s, NULL);
		count(c);
		list_remove(c); /* it stays busy, so that nobody else closes
		    it */
		chain_close(c->s);
		free(c);
	}
	return SMFIS_CONTINUE;
}

static unsigned long
wanted_actions(const struct snapshot *snap)
{
	unsigned edits = chain_edits(snap);
	unsigned long want = 0;

	if (edits & (EDIT_BIT(EDIT_INSERT) | EDIT_BIT(EDIT_ADD)))
		want |= SMFIF_ADDHDRS;
	if (edits & (EDIT_BIT(EDIT_CHANGE) | EDIT_BIT(EDIT_DELETE)))
		want |= SMFIF_CHGHDRS;
	if (chain_needs(snap) & NEED_QUARANTINE)
		want |= SMFIF_QUARANTINE;
	return want;
}

/* Steps that the MTA may leave out, and those for whose reply it need not wait.
 * Envelope and body are always needed, because size and recipients are logged
 * and counted. */
static unsigned long
wanted_steps(const struct snapshot *snap)
{
	unsigned answers = chain_answers(snap);
	unsigned long want = SMFIP_NODATA | SMFIP_NOUNKNOWN | SMFIP_NR_HDR |
	    SMFIP_NR_BODY;

	if (!(answers & HOOK_BIT(HOOK_CONNECT)))
		want |= SMFIP_NR_CONN;
	if (!(answers & HOOK_BIT(HOOK_HELO)))
		want |= SMFIP_NR_HELO;
	if (!(answers & HOOK_BIT(HOOK_MAIL)))
		want |= SMFIP_NR_MAIL;
	if (!(answers & HOOK_BIT(HOOK_RCPT)))
		want |= SMFIP_NR_RCPT;
	if (!(answers & HOOK_BIT(HOOK_EOH)))
		want |= SMFIP_NR_EOH;
	if (chain_needs(snap) & NEED_EXACT_HEADERS)
		want |= SMFIP_HDR_LEADSPC;
	return want;
}

/* Request the macros that the stages read, for the step at which they need
 * them. */
static void
request_macros(SMFICTX *ctx, const struct snapshot *snap)
{
	static const struct {
		int step;
		const char *names;
		bool more; /* also those that the configuration names */
	} lists[] = {
	    {SMFIM_CONNECT, "j {daemon_name} {client_addr} {client_name}", true},
	    {SMFIM_ENVFROM, "i {auth_type} {auth_authen} {daemon_name}", true},
	    {SMFIM_ENVRCPT, "i", false},
	    {SMFIM_EOH, "i", false},
	    {SMFIM_EOM, "i", false},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		struct buf names = BUF_INIT;
		int rc;

		buf_str(&names, lists[i].names);
		if (lists[i].more)
			chain_macros(snap, &names);
		rc = smfi_setsymlist(ctx, lists[i].step,
		    (char *)(uintptr_t)buf_text(&names));
		buf_fini(&names);
		if (rc != MI_SUCCESS)
			return; /* then the MTA's own list has to suffice */
	}
}

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1,
    unsigned long f2, unsigned long f3, unsigned long *pf0,
    unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	struct connection *c = connection_new(ctx);
	unsigned long want;

	(void)f2, (void)f3;
	*pf2 = *pf3 = 0;
	if (c == NULL)
		return SMFIS_REJECT;
	want = wanted_actions(c->s->snap);
	if (want & ~f0)
		log_line(LOG_WARNING,
		    "the MTA does not offer every action that is configured "
		    "(0x%lx of 0x%lx)",
		    want & f0, want);
	*pf0 = (want & f0) | (f0 & SMFIF_SETSYMLIST);
	*pf1 = wanted_steps(c->s->snap) & f1;
	c->quiet = *pf1;
	c->leading_space = (*pf1 & SMFIP_HDR_LEADSPC) != 0;
	if (f0 & SMFIF_SETSYMLIST)
		request_macros(ctx, c->s->snap);
	return SMFIS_CONTINUE;
}

static struct smfiDesc
describe(void)
{
	return (struct smfiDesc){
	    .xxfi_name = (char *)(uintptr_t) "postern",
	    .xxfi_version = SMFI_VERSION,
	    .xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE |
		SMFIF_SETSYMLIST,
	    .xxfi_connect = on_connect,
	    .xxfi_helo = on_helo,
	    .xxfi_envfrom = on_mail,
	    .xxfi_envrcpt = on_rcpt,
	    .xxfi_header = on_header,
	    .xxfi_eoh = on_eoh,
	    .xxfi_body = on_body,
	    .xxfi_eom = on_eom,
	    .xxfi_abort = on_abort,
	    .xxfi_close = on_close,
	    .xxfi_negotiate = on_negotiate,
	};
}

int
callbacks_open(const char *socket, int debug)
{
	smfi_setdbg(debug);
	smfi_settimeout(QUIET_MAX);
	smfi_setbacklog(BACKLOG);
	if (smfi_setconn((char *)(uintptr_t)socket) != MI_SUCCESS ||
	    smfi_register(describe()) != MI_SUCCESS ||
	    smfi_opensocket(1) != MI_SUCCESS)
		return ERR_SYSTEM;
	return 0;
}

int
callbacks_run(void)
{
	return smfi_main() == MI_SUCCESS ? 0 : ERR_SYSTEM;
}

int
callbacks_closing(void)
{
	atomic_store(&filter.closing, true);
	return atomic_load(&filter.messages);
}

int
callbacks_shut(void)
{
	int busy = 0;

	atomic_store(&filter.closing, true);
	atomic_store(&filter.shut, true);
	pthread_mutex_lock(&filter.lock);
	for (struct connection *c = filter.first; c != NULL; c = c->next) {
		if (atomic_load(&c->busy)) {
			busy++;
		} else if (c->s != NULL) {
			chain_close(c->s);
			c->s = NULL;
		}
	}
	pthread_mutex_unlock(&filter.lock);
	return busy;
}
