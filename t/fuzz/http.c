/* Whatever is asked: it is refused or answered, never without a status and never
 * to somebody without the token; what is read of it has no NUL.  The input is
 * lines: method, target, Host, Authorization, Cookie, Origin, Content-Type,
 * Content-Length, and the rest is a body.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "milter/http/request.h"
#include "milter/http/site.h"
#include "milter/http/token.h"

#define TOKEN "fuzz-token-0123456789"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/postern-fuzz-XXXXXX";

static void
remove_token(void)
{
	unlink(path);
}

/* Once. */
static void
make_token(void)
{
	static bool made;
	int fd;

	if (made)
		return;
	made = true;
	fd = mkstemp(path);
	if (fd < 0 || write(fd, TOKEN, strlen(TOKEN)) < 0)
		abort();
	close(fd);
	atexit(remove_token);
}

/* The next line, NULL if it is empty. */
static const char *
line(char **at)
{
	char *begin = *at, *end = strchr(begin, '\n');

	if (end == NULL) {
		*at = begin + strlen(begin);
	} else {
		*end = '\0';
		*at = end + 1;
	}
	return *begin == '\0' ? NULL : begin;
}

static void
check_admitted(const struct request *r, enum route route)
{
	bool open = route == ROUTE_HEALTH || route == ROUTE_STYLE ||
	    route == ROUTE_ICON || route == ROUTE_LOGIN;

	if (route == ROUTE_NONE || r->twice)
		abort();
	if (strcmp(r->method, "POST") == 0 &&
	    (r->origin == NULL || strncasecmp(r->origin, "http://", 7) != 0 ||
		strcasecmp(r->origin + 7, r->host) != 0))
		abort();
	if (!open && (r->authorization == NULL ||
			 strstr(r->authorization, TOKEN) == NULL))
		abort(); /* nobody guesses the MAC of a cookie */
}

static void
ask(const struct request *r, const char *body, size_t len)
{
	const struct request_self self = {
	    .local = true, .host = "127.0.0.1"};
	struct site *s = site_new(&self, path);
	struct answer a = ANSWER_INIT;
	enum route route;

	if (s == NULL)
		return;
	if (site_admits(s, r, &route, &a)) {
		check_admitted(r, route);
		site_answer(s, r, route, body, len, &a);
	}
	if (a.status < 200 || a.status > 503 || a.type == NULL ||
	    strpbrk(a.cookie, "\r\n") != NULL ||
	    (a.location.len > 0 && strpbrk(a.location.data, "\r\n") != NULL))
		abort();
	answer_fini(&a);
	site_free(s);
}

static void
read_parts(const struct request *r, const char *body, size_t len)
{
	struct token t = {.text = TOKEN};
	struct arena a;

	arena_init(&a);
	if (token_is(&t, request_bearer(r)) &&
	    strstr(r->authorization, t.text) == NULL)
		abort();
	if (token_cookie_ok(
		&t, 1800000000, request_cookie(&a, r->cookie, "postern")))
		abort(); /* the key of the MAC is not in the corpus */
	(void)request_arg(&a, r->target, "name");
	(void)request_arg(&a, r->target, "at");
	(void)request_field(&a, body, len, "account");
	(void)request_field(&a, body, len, "token");
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *at = text;
	struct request r = {0};

	make_token();
	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	r.method = line(&at);
	r.target = line(&at);
	r.host = line(&at);
	r.authorization = line(&at);
	r.cookie = line(&at);
	r.origin = line(&at);
	r.content_type = line(&at);
	r.length = line(&at);
	if (r.method == NULL)
		r.method = "GET";
	if (r.target == NULL)
		r.target = "/";
	r.http10 = size % 2 == 1;
	ask(&r, at, strlen(at));
	read_parts(&r, at, strlen(at));
	free(text);
	return 0;
}
