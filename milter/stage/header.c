/*
 * Check the form of an inbound header: fields that are there too often or not
 * at all (RFC 5322 section 3.6), and a From with several authors or none.  Adds
 * symbols; refuses by RequiredHeaders and MultipleFrom.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/mail/hdr.h"
#include "milter/chain.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define XCODE_FORM "5.6.0" /* media error (RFC 3463) */

static const struct conf_option options[] = {
    {.keyword = "RequiredHeaders", .type = CONF_BOOL, .def = "no",
	.summary =
	    "refuse inbound mail whose header fields are not as often there "
	    "as RFC 5322 has it, or whose From names no domain"},
    {.keyword = "MultipleFrom", .type = CONF_WORD, .def = "accept",
	.words = verdict_words,
	.summary =
	    "what to do with inbound mail with more than one From field, or "
	    "with several domains in it"},
};

struct state {
	bool required;            /* RequiredHeaders */
	enum verdict_action many; /* MultipleFrom */
};

static int
header_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	struct state *st;

	(void)old, (void)msg_r;
	if (!snap->verifies)
		return 0;
	*state_r = st = malloc(sizeof(*st));
	if (st == NULL)
		return ERR_NOMEM;
	st->required = conf_bool(snap->conf, "RequiredHeaders");
	st->many = verdict_of_choice(conf_word(snap->conf, "MultipleFrom"));
	return 0;
}

static void
header_unload(void *state)
{
	free(state);
}

/* The names are SpamAssassin's, where it has one. */
static int
symbols(struct message *m)
{
	const struct author *who = &m->author;
	const char *repeated = hdr_repeated(&m->headers);
	int rc = 0;

	if (who->fields == 0)
		rc = message_symbol(m, "MISSING_FROM", 1.0);
	if (rc == 0 && who->fields > 1)
		rc = message_symbol(m, "MULTIPLE_FROM", 2.0);
	if (rc == 0 && (who->state == AUTHOR_UNREADABLE || who->names))
		rc = message_symbol(m, "FROM_INVALID", 2.0);
	if (rc == 0 && repeated != NULL && strcmp(repeated, "From") != 0)
		rc = message_symbol(m, "DUP_SUSP_HDR", 1.0);
	return rc;
}

static struct verdict
header_eoh(const struct ctx *ctx)
{
	struct message *m = ctx->m;

	if (m->direction == DIRECTION_INBOUND && symbols(m) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	return verdict_none;
}

static struct verdict
refuse(struct message *m, enum verdict_action action, const char *keyword,
    const char *text)
{
	struct verdict v = verdict_make(action, text);

	v.why = arena_printf(&m->arena, "of %s: %s", keyword, text);
	if (action == VERDICT_REJECT)
		v.xcode = XCODE_FORM;
	return v;
}

/* Are there authors of more than one domain?  An author without a readable
 * domain counts as one of another domain. */
static bool
has_domains(const struct author *who)
{
	return who->domains_read > 1 ||
	    (who->count > 1 && who->state == AUTHOR_UNREADABLE);
}

/* What is wrong with the form, in words; *fault_r NULL: nothing.  0 or
 * ERR_NOMEM. */
static int
form_fault(struct message *m, const char **fault_r)
{
	const char *repeated = hdr_repeated(&m->headers);
	const char *missing = hdr_missing(&m->headers);

	*fault_r = NULL;
	if (repeated != NULL)
		*fault_r = arena_printf(
		    &m->arena, "There is more than one %s field", repeated);
	else if (missing != NULL)
		*fault_r = arena_printf(
		    &m->arena, "There is no %s field", missing);
	else if (m->author.domains_read == 0)
		*fault_r = "From names nobody's domain";
	else
		return 0;
	return *fault_r == NULL ? ERR_NOMEM : 0;
}

static struct verdict
header_eom(const struct ctx *ctx)
{
	const struct state *st = ctx->state;
	struct message *m = ctx->m;
	const struct author *who = &m->author;
	const char *fault;
	struct verdict v;

	if (m->direction != DIRECTION_INBOUND)
		return verdict_none;
	if (st->required) {
		if (form_fault(m, &fault) != 0)
			return verdict_error(VERDICT_E_INTERNAL, "no memory");
		if (fault != NULL)
			return refuse(
			    m, VERDICT_REJECT, "RequiredHeaders", fault);
	}
	/* Accept means: go on. */
	if (st->many == VERDICT_ACCEPT)
		return verdict_none;
	if (who->fields > 1) {
		v = refuse(m, st->many, "MultipleFrom",
		    "There is more than one From field");
		v.symbol = "MULTIPLE_FROM";
		return v;
	}
	if (has_domains(who))
		return refuse(m, st->many, "MultipleFrom",
		    "From names more than one domain");
	return verdict_none;
}

static const char *const symbol_names[] = {
    "MISSING_FROM", "MULTIPLE_FROM", "FROM_INVALID", "DUP_SUSP_HDR", NULL};

const struct stage stage_header = {
    .name = "header",
    .off = "Mode has no v",
    .symbols = symbol_names,
    .check = true,
    .xcode = XCODE_FORM,
    .needs = NEED_QUARANTINE,
    .options = CONF_TABLE(options),
    .load = header_load,
    .unload = header_unload,
    .eoh = header_eoh,
    .eom = header_eom,
};
