/*
 * What is decided, deferred and told.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/disposition.h"

#include <stdio.h>
#include <string.h>

#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

/* spf is due at MAIL, helo at RCPT, dkim at the end. */
#define CONF                                                                   \
	"RefuseAt spf=mail,helo=rcpt,blocklist=connect\n"                      \
	"On-DNSError tempfail\nOn-InternalError reject\n"

struct scene {
	struct snapshot *snap;
	struct session *s;
	struct message *m;
};

static void
begin(struct scene *x)
{
	x->snap = walk_load(CONF);
	x->s = chain_open(x->snap, NULL, NULL);
	assert_non_null(x->s);
	chain_connect(x->s, "mx.example.net", NULL);
	chain_mail(x->s, "<a@example.net>", NULL);
	x->m = x->s->msg;
}

static void
end(struct scene *x)
{
	chain_close(x->s);
	snapshot_unref(x->snap);
}

static struct ctx
ctx_of(const struct scene *x, const char *stage)
{
	size_t i = 0;

	while (stages[i] != NULL && strcmp(stages[i]->name, stage) != 0)
		i++;
	assert_non_null(stages[i]);
	return (struct ctx){
	    .s = x->s, .m = x->m, .stage = stages[i]->name, .index = i};
}

static struct verdict
take(const struct scene *x, const char *stage, struct verdict v, bool may_defer)
{
	const struct ctx ctx = ctx_of(x, stage);

	return disposition_take(&ctx, v, may_defer);
}

/* Who refuses, or holds, in that phase; "": nobody. */
static const char *
due(const struct scene *x, enum phase phase, const struct rcpt *r)
{
	const struct ctx ctx = ctx_of(x, "refuse");
	struct verdict v = disposition_due(&ctx, phase, r);

	return v.action == VERDICT_NONE ? "" : v.by;
}

/* What checks return, by the first letter of the action, and who is due. */
static const struct {
	const char *what, *returned[3];
	const char *mail, *rcpt, *at_end;
} deferrals[] = {
    {"nothing", {NULL}, "", "", ""},
    {"its phase", {"helo r"}, "", "helo", "helo"},
    {"a drop", {"helo d"}, "", "helo", "helo"},
    {"the earliest, come last", {"dkim r", "helo r", "spf r"}, "spf", "spf",
	"spf"},
    {"the earliest, come first", {"spf r", "helo r", "dkim r"}, "spf", "spf",
	"spf"},
    {"the first of one phase", {"dkim r", "dmarc r"}, "", "", "dkim"},
    {"a quarantine at the end", {"spf q"}, "", "", "spf"},
    {"the first quarantine", {"spf q", "dkim q"}, "", "", "spf"},
    {"a refusal behind it", {"spf q", "dkim r"}, "", "", "dkim"},
    {"a refusal before it", {"dkim r", "spf q"}, "", "", "dkim"},
    {"what On-DNSError makes", {"spf e"}, "spf", "spf", "spf"},
};

static struct verdict
verdict_of(const char *returned)
{
	switch (strchr(returned, ' ')[1]) {
	case 'r':
		return verdict_make(VERDICT_REJECT, NULL);
	case 'd':
		return verdict_make(VERDICT_DISCARD, NULL);
	case 'q':
		return verdict_make(VERDICT_QUARANTINE, NULL);
	default:
		return verdict_error(VERDICT_E_DNS, "no answer");
	}
}

static void
defers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(deferrals) / sizeof(*deferrals); i++) {
		struct scene x;

		begin(&x);
		for (size_t j = 0; j < 3 && deferrals[i].returned[j]; j++) {
			const char *r = deferrals[i].returned[j];
			char stage[20];

			snprintf(stage, sizeof(stage), "%.*s",
			    (int)strcspn(r, " "), r);
			assert_int_equal(
			    take(&x, stage, verdict_of(r), true).action,
			    VERDICT_NONE);
		}
		if (strcmp(due(&x, PHASE_MAIL, NULL), deferrals[i].mail) != 0 ||
		    strcmp(due(&x, PHASE_RCPT, NULL), deferrals[i].rcpt) != 0 ||
		    strcmp(due(&x, PHASE_END, NULL), deferrals[i].at_end) != 0)
			fail_msg("%s", deferrals[i].what);
		assert_int_equal(
		    x.m->disposition.decided.action, VERDICT_NONE);
		end(&x);
	}
}

static void
decides_at_once(void **state)
{
	struct scene x;
	struct verdict v;

	(void)state;
	begin(&x);
	v = take(&x, "quota", verdict_make(VERDICT_REJECT, NULL), false);
	assert_int_equal(v.action, VERDICT_REJECT);
	assert_string_equal(v.by, "quota");
	/* What is broken here does not wait. */
	v = take(&x, "spf", verdict_error(VERDICT_E_INTERNAL, "x"), true);
	assert_int_equal(v.action, VERDICT_REJECT);
	assert_string_equal(v.why, "x");
	assert_string_equal(due(&x, PHASE_END, NULL), "");
	end(&x);
}

static void
holds_unless_decided(void **state)
{
	struct disposition *d;
	struct scene x;

	(void)state;
	begin(&x);
	d = &x.m->disposition;
	take(&x, "quota", verdict_make(VERDICT_QUARANTINE, "1"), false);
	take(&x, "sign", verdict_make(VERDICT_QUARANTINE, "2"), false);
	assert_string_equal(d->decided.text, "1");
	assert_int_equal(disposition_now(d).action, VERDICT_NONE);
	disposition_decide(d, verdict_none);
	assert_int_equal(d->decided.action, VERDICT_QUARANTINE);
	disposition_decide(d, verdict_make(VERDICT_TEMPFAIL, NULL));
	assert_int_equal(disposition_now(d).action, VERDICT_TEMPFAIL);
	take(&x, "quota", verdict_make(VERDICT_QUARANTINE, "3"), false);
	assert_int_equal(d->decided.action, VERDICT_TEMPFAIL);
	end(&x);
}

static struct rcpt *
add_rcpt(const struct scene *x, const char *address)
{
	chain_rcpt(x->s, address);
	return x->m->last_rcpt;
}

static void
exempts(void **state)
{
	struct rcpt *postmaster, *bob;
	struct scene x;

	(void)state;
	begin(&x);
	postmaster = add_rcpt(&x, "<Postmaster@example.org>");
	take(&x, "helo", verdict_make(VERDICT_REJECT, NULL), true);
	assert_string_equal(due(&x, PHASE_RCPT, postmaster), "");
	assert_string_equal(due(&x, PHASE_END, NULL), "");
	assert_non_null(strstr(buf_text(&x.m->notes), " spared=helo/rcpt"));
	bob = add_rcpt(&x, "<bob@example.org>");
	assert_true(bob->refused); /* by the walk */
	assert_string_equal(due(&x, PHASE_END, NULL), "");
	bob->refused = false;
	assert_string_equal(due(&x, PHASE_RCPT, bob), "helo");
	assert_string_equal(due(&x, PHASE_END, NULL), "helo");
	x.m->may_be_allowed = true;
	assert_string_equal(due(&x, PHASE_RCPT, bob), "");
	assert_string_equal(due(&x, PHASE_END, NULL), "helo");
	x.m->allowed = "sender";
	assert_string_equal(due(&x, PHASE_END, NULL), "");
	assert_non_null(strstr(buf_text(&x.m->notes), " spared=helo/sender"));
	end(&x);
}

/* What can't be told to a recipient concerns the message. */
static void
refuses_recipients(void **state)
{
	const struct verdict no = verdict_make(VERDICT_REJECT, "no");
	const struct verdict accept = verdict_make(VERDICT_ACCEPT, NULL);
	struct rcpt *r;
	struct scene x;

	(void)state;
	begin(&x);
	r = add_rcpt(&x, "<bob@example.org>");
	assert_null(disposition_refused(x.m));
	disposition_end_rcpt(x.m, r, &no, true);
	assert_true(r->refused);
	assert_string_equal(disposition_refused(x.m)->text, "no");
	assert_int_equal(x.m->disposition.decided.action, VERDICT_NONE);
	disposition_end_rcpt(x.m, r, &no, false);
	assert_int_equal(x.m->disposition.decided.action, VERDICT_REJECT);
	disposition_end_rcpt(x.m, r, &accept, true);
	assert_false(r->refused);
	assert_int_equal(x.m->disposition.decided.action, VERDICT_ACCEPT);
	end(&x);
}

/* A client is refused before any message, but is not held. */
static void
judges_clients(void **state)
{
	struct scene x;
	struct ctx ctx;

	(void)state;
	begin(&x);
	ctx = ctx_of(&x, "blocklist");
	assert_false(disposition_at_connect(&ctx));
	x.m = ctx.m = NULL;
	assert_true(disposition_at_connect(&ctx));
	take(&x, "blocklist", verdict_make(VERDICT_QUARANTINE, NULL), true);
	assert_string_equal(due(&x, PHASE_CONNECT, NULL), "");
	take(&x, "blocklist", verdict_make(VERDICT_REJECT, NULL), true);
	assert_string_equal(due(&x, PHASE_CONNECT, NULL), "blocklist");
	x.s->allowed = "client";
	assert_string_equal(due(&x, PHASE_CONNECT, NULL), "");
	x.s->internal = true;
	assert_false(disposition_at_connect(&ctx));
	ctx = ctx_of(&x, "spf");
	x.s->internal = false;
	assert_false(disposition_at_connect(&ctx));
	end(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defers),
	    cmocka_unit_test(decides_at_once),
	    cmocka_unit_test(holds_unless_decided),
	    cmocka_unit_test(exempts),
	    cmocka_unit_test(refuses_recipients),
	    cmocka_unit_test(judges_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
