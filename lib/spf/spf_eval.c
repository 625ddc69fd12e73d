/*
 * The evaluation, by libspf2.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The library reads records that are written here: `v=spf1 ?include:t3.x -all`.
 * They name no name: t3.x is a token, and when the library asks the DNS for
 * it, the hooks below look up what the term behind it asks for.  So macros and
 * limits stay here, where they count for the whole check, and nothing that
 * others wrote gets into the library.  What differs from the record as
 * published:
 *
 * - ip4 and ip6 terms that don't match are left out, and what follows an all or
 *   one that matches too: the library cuts long records.
 * - A prefix of 0 is not understood: the client's own address is the answer.
 * - ptr is written as exists.
 * - A last exists, which never matches, stands before the term that matches in
 *   any case, or the redirect: when it is asked, nothing before it matched.
 * - An error ends the evaluation by a failed look-up; which error it was, the
 *   check knows (spf_end).
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <spf2/spf.h>

#include "lib/base/buf.h"
#include "lib/spf/spf_impl.h"

/* 11 terms a record, of 11 records, and the names of as many mx. */
#define TOKENS_MAX 512
#define TOKENS_FIRST 16 /* what nearly every record needs */

struct token {
	struct spf_level *level;
	const struct spf_term *term; /* NULL: the end of the record */
	const char *name; /* of an mx; NULL: the term itself */
};

struct eval {
	struct spf_check *check;
	SPF_server_t *server;
	SPF_request_t *request;
	SPF_response_t *response;
	SPF_record_t *record;
	struct token *tokens; /* in the arena; moves as it grows */
	size_t count, room;
};

/*
 * The library's way to say that something is quite wrong is a handler that must
 * not return, and then abort().  Leave it by the way we came; its memory is
 * lost, the process isn't.
 */
static _Thread_local jmp_buf *rescue;

static __attribute__((noreturn)) void
on_error(const char *file, int line, const char *text)
{
	(void)file, (void)line, (void)text;
	if (rescue != NULL)
		longjmp(*rescue, 1);
	abort();
}

static void
silence(void)
{
	SPF_error_handler = on_error;
	SPF_warning_handler = NULL;
	SPF_info_handler = NULL;
	SPF_debug_handler = NULL;
}

/* Room for one more token.  What was there stays readable where it was. */
static bool
grow(struct eval *e)
{
	size_t room = e->room == 0 ? TOKENS_FIRST : e->room * 2;
	struct token *tokens;

	if (e->count < e->room)
		return true;
	if (e->room == TOKENS_MAX)
		return spf_end(e->check, SPF_PERMERROR, "too many names");
	tokens = arena_alloc(e->check->spf->arena, room * sizeof(*tokens));
	if (tokens == NULL)
		return !(e->check->spf->failed = true);
	if (e->count > 0)
		memcpy(tokens, e->tokens, e->count * sizeof(*tokens));
	e->tokens = tokens;
	e->room = room;
	return true;
}

/* "tN.x" of a new token, added to b. */
static void
add_token(struct eval *e, struct buf *b, const char *before,
    struct spf_level *l, const struct spf_term *t, const char *name)
{
	if (!grow(e))
		return;
	e->tokens[e->count] =
	    (struct token){.level = l, .term = t, .name = name};
	buf_printf(b, "%st%zu.x", before, e->count++);
}

static struct token *
find_token(struct eval *e, const char *name)
{
	unsigned long n = name[0] == 't' ? strtoul(name + 1, NULL, 10)
					 : TOKENS_MAX;

	return n < e->count ? &e->tokens[n] : NULL;
}

static void
add_let(struct eval *e, struct buf *b, const struct spf_term *t)
{
	bool v4 = e->check->spf->v4;
	char text[INET6_ADDRSTRLEN];
	int prefix = v4 ? t->prefix4 : t->prefix6;

	buf_char(b, t->qualifier);
	if (t->kind == SPF_ALL || prefix == 0) {
		buf_str(b, "all");
		return;
	}
	inet_ntop(v4 ? AF_INET : AF_INET6, t->addr, text, sizeof(text));
	buf_printf(b, "ip%d:%s/%d", v4 ? 4 : 6, text, prefix);
}

static void
add_term(struct eval *e, struct buf *b, struct spf_level *l,
    const struct spf_term *t)
{
	static const char *const words[] = {[SPF_INCLUDE] = "include:",
	    [SPF_A] = "a:",
	    [SPF_MX] = "mx:",
	    [SPF_PTR] = "exists:",
	    [SPF_EXISTS] = "exists:"};
	bool v4 = e->check->spf->v4;
	int prefix = v4 ? t->prefix4 : t->prefix6;

	buf_char(b, t->qualifier);
	add_token(e, b, words[t->kind], l, t, NULL);
	if ((t->kind == SPF_A || t->kind == SPF_MX) && prefix != 0)
		buf_printf(b, v4 ? "/%d" : "//%d", prefix);
	buf_char(b, ' ');
}

/* The record in the form the library gets.  One term more than may be asked is
 * enough: asking it is an error. */
static void
write_record(struct eval *e, struct spf_level *l, struct buf *b)
{
	const struct spf_record *r = l->record;
	unsigned asked = 0;

	buf_str(b, "v=spf1 ");
	for (size_t i = 0; i < r->count && asked <= SPF_TERMS_MAX; i++) {
		if (&r->terms[i] == l->let)
			break;
		if (r->terms[i].kind == SPF_IP4 || r->terms[i].kind == SPF_IP6)
			continue;
		add_term(e, b, l, &r->terms[i]);
		asked++;
	}
	add_token(e, b, "?exists:", l, NULL, NULL);
	buf_char(b, ' ');
	if (l->let != NULL)
		add_let(e, b, l->let);
	else if (r->redirect != NULL)
		add_token(e, b, "redirect=", l, r->redirect, NULL);
}

static SPF_errcode_t
compile(struct eval *e, struct spf_level *l, SPF_record_t **record_r)
{
	struct buf b = BUF_INIT;
	SPF_errcode_t rc = SPF_E_NO_MEMORY;

	write_record(e, l, &b);
	if (!b.failed && !e->check->spf->failed && !e->check->decided)
		rc = SPF_record_compile(
		    e->server, e->response, record_r, buf_text(&b));
	e->check->spf->failed |= b.failed;
	buf_fini(&b);
	return rc;
}

/* Another term that asks the DNS (section 4.6.4).  False: no more. */
static bool
count_term(struct eval *e, struct token *t)
{
	t->level->last = t->term;
	return ++e->check->terms <= SPF_TERMS_MAX || spf_end_terms(e->check);
}

/* The library comes to an include or a redirect. */
static SPF_errcode_t
get_spf(SPF_server_t *server, SPF_request_t *request, SPF_response_t *response,
    SPF_record_t **record_r)
{
	struct eval *e = server->resolver->hook;
	struct token *t = find_token(e, request->cur_dom);
	struct spf_check *c = e->check;
	struct spf_level *l;
	const char *name;
	bool redirect;

	if (t == NULL || c->decided || c->spf->failed || !count_term(e, t))
		return SPF_E_DNS_ERROR;
	if (spf_level_mute(c, t->term)) /* it neither matches nor leads on */
		return SPF_record_compile(
		    server, response, record_r, "v=spf1 ?all");
	redirect = t->term->kind == SPF_REDIRECT;
	name = spf_level_name(c, t->level, t->term);
	l = name == NULL ? NULL : spf_level_load(c, name);
	if (l == NULL) {
		spf_end(c, SPF_PERMERROR, "%s: no record there", t->term->text);
		return SPF_E_DNS_ERROR;
	}
	l->grants =
	    t->level->grants && (redirect || t->term->qualifier == '+');
	*(redirect ? &t->level->redirected : &t->level->included) = l;
	spf_level_ahead(c, t->level);
	return compile(e, l, record_r);
}

static SPF_errcode_t
get_exp(SPF_server_t *server, const char *domain, char **buf, size_t *len)
{
	(void)server, (void)domain, (void)buf, (void)len;
	return SPF_E_DNS_ERROR;
}

/* An answer for the library with room for count records of len octets. */
static SPF_dns_rr_t *
make_rr(SPF_dns_server_t *dns, const char *name, ns_type type, int status,
    size_t count, size_t len)
{
	SPF_dns_rr_t *rr = SPF_dns_rr_new_init(dns, name, type, 0, status);

	for (size_t i = 0; rr != NULL && i < count; i++) {
		if (SPF_dns_rr_buf_realloc(rr, (int)i, len) != SPF_E_SUCCESS) {
			SPF_dns_rr_free(rr);
			return NULL;
		}
		rr->num_rr++;
	}
	return rr;
}

/* The look-up of an address, an exists or an mx as the check sees it: false
 * when it ended the check.  Without records *answer_r is NULL. */
static bool
ask(struct eval *e, const struct token *t, const char *name, enum dns_type type,
    const struct dns_answer **answer_r)
{
	struct spf_check *c = e->check;
	const struct dns_answer *a = spf_answer(c->spf, name, type);

	*answer_r = NULL;
	if (a == NULL)
		return false;
	switch (a->status) {
	case DNS_OK:
		*answer_r = a;
		return true;
	case DNS_TEMPFAIL:
	case DNS_TIMEOUT:
		return spf_end(c, SPF_TEMPERROR, "%s: %s", t->term->text,
		    a->status == DNS_TIMEOUT ? "timeout" : "no answer");
	case DNS_BADNAME:
		return true;
	default:
		break;
	}
	/* Only what terms ask for is counted, not each name of an mx. */
	if (t->name == NULL && ++c->voids > SPF_VOID_MAX)
		return spf_end(c, SPF_PERMERROR,
		    "more than %d look-ups without an answer", SPF_VOID_MAX);
	return true;
}

/* Addresses for a, exists, and the names of an mx. */
static SPF_dns_rr_t *
give_addresses(struct eval *e, SPF_dns_server_t *dns, const struct token *t,
    const char *token, const struct dns_answer *a, enum dns_type type)
{
	const struct spf *s = e->check->spf;
	int prefix = s->v4 ? t->term->prefix4 : t->term->prefix6;
	bool any = t->term->kind == SPF_EXISTS || prefix == 0;
	size_t count = any ? 1 : a->count, len = type == DNS_A ? 4 : 16;
	SPF_dns_rr_t *rr = make_rr(dns, token, type == DNS_A ? ns_t_a
							   : ns_t_aaaa,
	    NETDB_SUCCESS, count, sizeof(SPF_dns_rr_data_t));

	for (size_t i = 0; rr != NULL && i < count; i++) {
		if (any)
			memcpy(rr->rr[i], s->ip, len);
		else if (a->records[i].len == len)
			memcpy(rr->rr[i], a->records[i].data, len);
	}
	return rr;
}

/* Tokens for the names of an mx; their addresses are asked for at once. */
static SPF_dns_rr_t *
give_mx(struct eval *e, SPF_dns_server_t *dns, const struct token *of,
    const char *token, const struct dns_answer *a)
{
	struct spf_check *c = e->check;
	struct spf *s = c->spf;
	struct token mx = *of;
	SPF_dns_rr_t *rr;
	size_t n = 0;

	if (a->count > SPF_MX_MAX) {
		spf_end(c, SPF_PERMERROR, "%s: more than %d names",
		    of->term->text, SPF_MX_MAX);
		return NULL;
	}
	rr = make_rr(dns, token, ns_t_mx, NETDB_SUCCESS, a->count, 16);
	for (size_t i = 0; rr != NULL && i < a->count; i++) {
		const struct dns_record *r = &a->records[i];
		struct buf b = BUF_INIT;

		mx.name = r->len < 2 ? NULL
				     : arena_memdup(s->arena, r->data + 2,
					   r->len - 2);
		if (mx.name == NULL || *mx.name == '\0')
			continue; /* RFC 7505 */
		spf_ask(s, mx.name, spf_ask_family(s));
		add_token(e, &b, "", mx.level, mx.term, mx.name);
		if (b.len > 0 && b.len < 16)
			memcpy(rr->rr[n++]->mx, b.data, b.len + 1);
		buf_fini(&b);
	}
	if (rr != NULL)
		rr->num_rr = (int)n;
	return rr;
}

/* Section 5.5: does a name of the client lead back to it and stand below the
 * target? */
static bool
match_ptr(struct eval *e, const char *target)
{
	struct spf_check *c = e->check;
	struct spf *s = c->spf;

	if (!spf_ask_names(s) && ++c->voids > SPF_VOID_MAX)
		return spf_end(c, SPF_PERMERROR,
		    "more than %d look-ups without an answer", SPF_VOID_MAX);
	for (size_t i = 0; i < s->name_count; i++) {
		if (spf_name_below(s->names[i], target))
			return true;
	}
	return false;
}

/* NULL: nothing there, or the check was ended. */
static SPF_dns_rr_t *
look_up_term(struct eval *e, SPF_dns_server_t *dns, struct token *t,
    const char *token)
{
	struct spf_check *c = e->check;
	const struct dns_answer *a;
	enum dns_type type = spf_ask_family(c->spf);
	const char *name = t->name;

	if (name == NULL) {
		if (!count_term(e, t) ||
		    (name = spf_level_name(c, t->level, t->term)) == NULL)
			return NULL;
		if (t->term->kind == SPF_PTR)
			return match_ptr(e, name)
			    ? make_rr(dns, token, ns_t_a, NETDB_SUCCESS, 1,
				  sizeof(SPF_dns_rr_data_t))
			    : NULL;
		if (t->term->kind == SPF_EXISTS)
			type = DNS_A;
		if (t->term->kind == SPF_MX)
			type = DNS_MX;
	}
	if (!ask(e, t, name, type, &a) || a == NULL)
		return NULL;
	if (type == DNS_MX)
		return give_mx(e, dns, t, token, a);
	return give_addresses(e, dns, t, token, a, type);
}

/* The library asks for a token.  NULL would end the process. */
static SPF_dns_rr_t *
look_up(SPF_dns_server_t *dns, const char *token, ns_type type, int cache)
{
	struct eval *e = dns->hook;
	struct token *t = find_token(e, token);
	SPF_dns_rr_t *rr = NULL;
	bool failed;

	(void)cache;
	if (!e->check->decided && !e->check->spf->failed && t != NULL) {
		if (t->term == NULL)
			t->level->last = t->level->let;
		else
			rr = look_up_term(e, dns, t, token);
	}
	failed = e->check->decided || e->check->spf->failed;
	if (rr != NULL && (failed || rr->num_rr == 0)) {
		SPF_dns_rr_free(rr);
		rr = NULL;
	}
	if (rr == NULL)
		rr = make_rr(
		    dns, token, type, failed ? TRY_AGAIN : NO_DATA, 0, 0);
	if (rr == NULL)
		on_error(__FILE__, __LINE__, "no memory");
	return rr;
}

static bool
prepare(struct eval *e)
{
	const struct spf *s = e->check->spf;
	struct in6_addr v6;
	struct in_addr v4;

	e->request = SPF_request_new(e->server);
	if (e->request == NULL)
		return false;
	memcpy(&v4, s->ip, sizeof(v4));
	memcpy(&v6, s->ip, sizeof(v6));
	if ((s->v4 ? SPF_request_set_ipv4(e->request, v4)
		   : SPF_request_set_ipv6(e->request, v6)) != SPF_E_SUCCESS ||
	    SPF_server_set_rec_dom(e->server, "r.x") != SPF_E_SUCCESS ||
	    SPF_server_set_max_dns_mech(e->server, 1000) != SPF_E_SUCCESS ||
	    SPF_request_set_helo_dom(e->request, "h.x") != SPF_E_SUCCESS ||
	    SPF_request_set_env_from(e->request, "s@s.x") != 0)
		return false;
	e->request->cur_dom = "d.x";
	e->response = SPF_response_new(e->request);
	return e->response != NULL;
}

static bool
take_result(SPF_result_t result, enum spf_outcome *outcome_r)
{
	switch (result) {
	case SPF_RESULT_NEUTRAL:
		*outcome_r = SPF_NEUTRAL;
		return true;
	case SPF_RESULT_PASS:
		*outcome_r = SPF_PASS;
		return true;
	case SPF_RESULT_FAIL:
		*outcome_r = SPF_FAIL;
		return true;
	case SPF_RESULT_SOFTFAIL:
		*outcome_r = SPF_SOFTFAIL;
		return true;
	default:
		return false;
	}
}

/* Without memory there is no result; a temperror would be one. */
static void
interpret(struct eval *e)
{
	struct spf_check *c = e->check;
	SPF_errcode_t rc = compile(e, c->top, &e->record);

	if (rc == SPF_E_SUCCESS) {
		e->response->spf_record_exp = e->record; /* not NULL */
		rc = SPF_record_interpret(
		    e->record, e->request, e->response, 0);
	}
	c->spf->failed |= rc == SPF_E_NO_MEMORY;
	if (!c->decided &&
	    (e->record == NULL ||
		!take_result(SPF_response_result(e->response),
		    &c->result->result)))
		spf_end(c, SPF_TEMPERROR, "the SPF library failed");
}

/* Everything between the library's first call and its last.  It gives up when it
 * gets no memory, and nothing else makes it. */
static void
run(struct eval *e, SPF_dns_server_t *dns)
{
	struct spf_check *c = e->check;
	jmp_buf here;

	rescue = &here;
	if (setjmp(here) != 0) {
		rescue = NULL;
		c->spf->failed = true;
		return;
	}
	e->server = SPF_server_new_dns(dns, 0);
	if (e->server == NULL)
		c->spf->failed = true;
	else if (!prepare(e))
		c->spf->failed = true;
	else
		interpret(e);
	if (e->record != NULL)
		SPF_record_free(e->record);
	if (e->response != NULL)
		SPF_response_free(e->response);
	if (e->request != NULL)
		SPF_request_free(e->request);
	rescue = NULL;
}

void
spf_eval(struct spf_check *c)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	SPF_dns_server_t dns = {.lookup = look_up,
	    .get_spf = get_spf,
	    .get_exp = get_exp,
	    .name = "postern"};
	struct eval e = {.check = c};

	pthread_once(&once, silence);
	dns.hook = &e;
	run(&e, &dns);
	if (e.server != NULL)
		SPF_server_free(e.server);
}
