/* SPDX-License-Identifier: BSD-2-Clause */
#include "site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "assets.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/jsontext.h"
#include "lib/conf/conf.h"
#include "milter/log.h"
#include "milter/metrics.h"
#include "milter/problems.h"
#include "milter/snapshot.h"
#include "milter/stage/quota_change.h"
#include "milter/stage/quota_conf.h"
#include "now.h"
#include "page.h"
#include "token.h"

#define COOKIE "postern"
#define FRESH_MS 1000 /* how old a copy may be that is sent again */

/* What was sent last.  However many ask, it is made once a second. */
struct copy {
	struct buf text;
	unsigned status;
	int64_t made; /* clock_ms; 0: not yet */
};

struct site {
	struct request_self self;
	char *token_path; /* NULL: none is asked for */
	struct token token;
	struct now now;
	struct copy home, metrics, health;
	struct log_seldom wrong, unreadable;
};

struct site *
site_new(const struct request_self *self, const char *token_path)
{
	struct site *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->self = *self;
	if (token_path != NULL &&
	    (s->token_path = strdup(token_path)) == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void
site_free(struct site *s)
{
	if (s == NULL)
		return;
	now_fini(&s->now);
	buf_fini(&s->home.text);
	buf_fini(&s->metrics.text);
	buf_fini(&s->health.text);
	explicit_bzero(&s->token, sizeof(s->token));
	free(s->token_path);
	free(s);
}

void
answer_fini(struct answer *a)
{
	html_fini(&a->body);
	buf_fini(&a->location);
}

/* -- refusals -- */

void
site_refuse(struct answer *a, unsigned status)
{
	static const struct {
		unsigned status;
		const char *title, *words;
	} all[] = {
	    {400, "That request can't be read",
		"It was not sent as a browser sends it."},
	    {403, "Refused",
		"It was sent from a page of another site, or to a name that "
		"is not this page's: use localhost or 127.0.0.1."},
	    {404, "There is nothing here", "Perhaps the decision ring does "
		"not have it any more."},
	    {405, "That can't be done here", "The page is read with GET."},
	    {409, "It was not done", "The log says why."},
	    {411, "That request can't be read", "Its length is missing."},
	    {413, "That request can't be read", "It is too long."},
	    {415, "That request can't be read", "It is no form."},
	    {503, "Not now", "The token can't be read: the log says why."},
	};
	const char *title = "Something went wrong", *words = "See the log.";

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (all[i].status == status) {
			title = all[i].title;
			words = all[i].words;
		}
	}
	a->status = status;
	page_words(&a->body, title, words);
}

/* -- the token -- */

/* Is it the token, or a cookie that was given for it? */
static bool
may_enter(struct site *s, const struct request *r)
{
	struct arena a;
	bool may;

	if (token_is(&s->token, request_bearer(r)))
		return true;
	arena_init(&a);
	may = token_cookie_ok(
	    &s->token, time(NULL), request_cookie(&a, r->cookie, COOKIE));
	arena_fini(&a);
	return may;
}

static bool
read_token(struct site *s)
{
	struct errmsg msg = {.text = ""};

	if (token_read(&s->token, s->token_path, &msg) == 0)
		return true;
	log_seldom(&s->unreadable, LOG_ERR, "http: HttpToken: %s", msg.text);
	return false;
}

static bool
is_open_to_all(enum route route)
{
	return route == ROUTE_HEALTH || route == ROUTE_STYLE ||
	    route == ROUTE_ICON || route == ROUTE_LOGIN;
}

bool
site_admits(struct site *s, const struct request *r, enum route *route_r,
    struct answer *a)
{
	unsigned status = request_judge(r, &s->self, route_r);

	if (status == 0 && s->token_path != NULL &&
	    !is_open_to_all(*route_r)) {
		if (!read_token(s))
			status = 503;
		else if (!may_enter(s, r))
			status = 401;
	}
	if (status == 0)
		return true;
	if (status == 401) {
		a->status = status;
		page_login(&a->body, false);
	} else {
		site_refuse(a, status);
	}
	return false;
}

static void
go_to(struct answer *a, const char *path)
{
	a->status = 303;
	a->type = ANSWER_TEXT;
	buf_str(&a->location, path);
}

static void
login(struct site *s, const char *body, size_t len, struct answer *a)
{
	char cookie[TOKEN_COOKIE_SIZE];
	struct arena arena;
	bool right;

	if (s->token_path == NULL) {
		go_to(a, "/");
		return;
	}
	if (!read_token(s)) {
		site_refuse(a, 503);
		return;
	}
	arena_init(&arena);
	right = token_is(
	    &s->token, request_field(&arena, body, len, "token"));
	arena_fini(&arena);
	if (!right) {
		log_seldom(&s->wrong, LOG_WARNING,
		    "http: somebody gave another token than that of %s",
		    s->token_path);
		a->status = 403;
		page_login(&a->body, true);
		return;
	}
	token_cookie(&s->token, time(NULL), cookie);
	snprintf(a->cookie, sizeof(a->cookie),
	    COOKIE "=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict",
	    cookie, TOKEN_COOKIE_S);
	go_to(a, "/");
}

static void
logout(struct answer *a)
{
	snprintf(a->cookie, sizeof(a->cookie),
	    COOKIE "=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
	go_to(a, "/");
}

/* -- changes -- */

static bool
parse_change(const char *word, enum quota_change *what_r)
{
	static const struct {
		const char *word;
		enum quota_change what;
	} all[] = {{"lock", QUOTA_CHANGE_LOCK},
	    {"unlock", QUOTA_CHANGE_UNLOCK}, {"reset", QUOTA_CHANGE_RESET}};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (word != NULL && strcmp(word, all[i].word) == 0) {
			*what_r = all[i].what;
			return true;
		}
	}
	return false;
}

static void
log_change(const char *account, enum quota_change what)
{
	struct buf b = BUF_INIT;

	quota_change_line(&b, account, what);
	buf_str(&b, "the page");
	log_line(LOG_INFO, "%s", b.failed ? err_text(ERR_NOMEM) : buf_text(&b));
	buf_fini(&b);
}

/* 0 or a negative ERR_, and *msg_r. */
static int
make_change(const struct conf *c, const char *account, enum quota_change what,
    struct errmsg *msg_r)
{
	const struct quota_options opt = {.mode = QUOTA_WRITE};
	const char *path = conf_str(c, "QuotaTable");
	struct quota *table;
	int rc = quota_open(&table, path, &opt, NULL, msg_r);

	if (rc != 0)
		return rc;
	rc = quota_change(table, account, what);
	if (rc != 0)
		errmsg_set(msg_r, "%s: %s", path,
		    rc == ERR_SYSTEM ? strerror(errno) : err_text(rc));
	quota_close(table);
	return rc;
}

static void
change(struct site *s, const char *name, enum quota_change what,
    struct arena *arena, struct answer *a)
{
	const struct conf *c = s->now.snap->conf;
	const char *account = quota_conf_account(c, arena, name);
	struct errmsg msg = {.text = ""};

	if (account == NULL || !quota_change_fits(c, account, what)) {
		site_refuse(a, 409);
		return;
	}
	if (make_change(c, account, what, &msg) != 0) {
		log_line(LOG_ERR, "http: %s", msg.text);
		site_refuse(a, 409);
		return;
	}
	log_change(account, what);
	s->home.made = 0;
	a->status = 303;
	html_url(&a->location, "/account", "name", account);
}

/* The form of an account's page. */
static void
account_form(struct site *s, const char *body, size_t len, struct answer *a)
{
	enum quota_change what;
	struct arena arena;
	const char *name;

	arena_init(&arena);
	name = request_field(&arena, body, len, "account");
	if (name == NULL || name[0] == '\0' ||
	    !parse_change(request_field(&arena, body, len, "do"), &what) ||
	    s->now.snap == NULL)
		site_refuse(a, 400);
	else
		change(s, name, what, &arena, a);
	arena_fini(&arena);
}

/* -- pages -- */

static void
make_home(struct site *s, struct copy *c)
{
	struct html h = HTML_INIT;

	page_home(&h, &s->now);
	c->text = h.out;
}

static void
make_metrics(struct site *s, struct copy *c)
{
	(void)s;
	metrics_text(&c->text);
}

static void
make_health(struct site *s, struct copy *c)
{
	struct problems p = PROBLEMS_INIT;
	size_t n = 0;

	(void)s;
	problems_collect(&p);
	for (size_t i = 0; i < p.count; i++)
		n += p.list[i].fatal;
	c->status = n == 0 ? 200 : 503;
	buf_printf(&c->text, "{\"status\":\"%s\",\"reasons\":[",
	    n == 0 ? "ok" : "fail");
	for (size_t i = 0, k = 0; i < p.count; i++) {
		struct buf words = BUF_INIT;

		if (!p.list[i].fatal)
			continue;
		buf_printf(&words, "%s: %s", p.list[i].what, p.list[i].text);
		buf_str(&c->text, k++ > 0 ? "," : "");
		jsontext_add(&c->text, words.data, words.len);
		buf_fini(&words);
	}
	buf_str(&c->text, "]}\n");
	problems_fini(&p);
}

static void
send_copy(struct site *s, struct copy *c,
    void (*make)(struct site *s, struct copy *c), struct answer *a)
{
	int64_t now = clock_ms();

	if (c->made == 0 || now - c->made >= FRESH_MS) {
		buf_fini(&c->text);
		c->text = (struct buf)BUF_INIT;
		c->status = 200;
		make(s, c);
		c->made = now;
	}
	a->status = c->status;
	buf_add(&a->body.out, c->text.data, c->text.len);
	a->body.out.failed = a->body.out.failed || c->text.failed;
}

static void
send_asset(const struct asset *asset, const char *type, struct answer *a)
{
	a->type = type;
	buf_add(&a->body.out, asset->bytes, asset->len);
}

static void
send_message(struct site *s, const char *at, struct answer *a)
{
	unsigned long long place;
	char *end;

	errno = 0;
	place = at == NULL ? 0 : strtoull(at, &end, 10);
	if (at == NULL || at[0] < '0' || at[0] > '9' || *end != '\0' ||
	    errno != 0 || !page_message(&a->body, &s->now, place))
		site_refuse(a, 404);
}

static void
send_account(struct site *s, const char *name, struct answer *a)
{
	if (name == NULL || name[0] == '\0')
		site_refuse(a, 404);
	else if (!page_account(&a->body, &s->now, name))
		a->status = 404;
}

static void
send_found(struct site *s, const char *text, struct answer *a)
{
	if (text == NULL || text[0] == '\0')
		go_to(a, "/");
	else
		page_find(&a->body, &s->now, text);
}

static void
send_page(struct site *s, const struct request *r, enum route route,
    struct answer *a)
{
	struct arena arena;

	arena_init(&arena);
	if (route == ROUTE_MESSAGE)
		send_message(s, request_arg(&arena, r->target, "at"), a);
	else if (route == ROUTE_ACCOUNT)
		send_account(s, request_arg(&arena, r->target, "name"), a);
	else if (route == ROUTE_FIND)
		send_found(s, request_arg(&arena, r->target, "q"), a);
	else if (route == ROUTE_LOGIN)
		page_login(&a->body, false);
	else
		send_copy(s, &s->home, make_home, a);
	arena_fini(&arena);
}

static void
send_form(struct site *s, enum route route, const char *body, size_t len,
    struct answer *a)
{
	if (route == ROUTE_LOGIN)
		login(s, body, len, a);
	else if (route == ROUTE_LOGOUT)
		logout(a);
	else
		account_form(s, body, len, a);
}

void
site_answer(struct site *s, const struct request *r, enum route route,
    const char *body, size_t len, struct answer *a)
{
	bool needs = route != ROUTE_STYLE && route != ROUTE_SCRIPT &&
	    route != ROUTE_ICON && route != ROUTE_HEALTH &&
	    route != ROUTE_METRICS && route != ROUTE_LOGIN &&
	    route != ROUTE_LOGOUT;

	if (needs)
		now_begin(&s->now);
	if (strcmp(r->method, "POST") == 0) {
		send_form(s, route, body, len, a);
	} else if (route == ROUTE_STYLE) {
		send_asset(&asset_style_css, "text/css; charset=utf-8", a);
	} else if (route == ROUTE_SCRIPT) {
		send_asset(
		    &asset_live_js, "text/javascript; charset=utf-8", a);
	} else if (route == ROUTE_ICON) {
		send_asset(&asset_icon_svg, "image/svg+xml", a);
	} else if (route == ROUTE_METRICS) {
		a->type = METRICS_CONTENT_TYPE;
		send_copy(s, &s->metrics, make_metrics, a);
	} else if (route == ROUTE_HEALTH) {
		a->type = "application/json";
		send_copy(s, &s->health, make_health, a);
	} else {
		send_page(s, r, route, a);
	}
	if (needs)
		now_end(&s->now);
	if (a->body.out.failed || a->location.failed) {
		answer_fini(a);
		*a = (struct answer)ANSWER_INIT;
		a->status = 500;
		a->type = ANSWER_TEXT;
	}
}
