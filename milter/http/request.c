/* SPDX-License-Identifier: BSD-2-Clause */
#include "request.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define FORM "application/x-www-form-urlencoded"

/* -- routes -- */

static const struct {
	const char *path;
	enum route route;
	bool get, post;
} routes[] = {
    {"/", ROUTE_HOME, true, false},
    {"/message", ROUTE_MESSAGE, true, false},
    {"/account", ROUTE_ACCOUNT, true, true},
    {"/find", ROUTE_FIND, true, false},
    {"/metrics", ROUTE_METRICS, true, false},
    {"/health", ROUTE_HEALTH, true, false},
    {"/style.css", ROUTE_STYLE, true, false},
    {"/live.js", ROUTE_SCRIPT, true, false},
    {"/icon.svg", ROUTE_ICON, true, false},
    {"/login", ROUTE_LOGIN, true, true},
    {"/logout", ROUTE_LOGOUT, false, true},
};

#define ROUTES (sizeof(routes) / sizeof(*routes))

/* The row of the path; ROUTES: there is none. */
static size_t
find_row(const char *target)
{
	size_t len = strcspn(target, "?"), i = 0;

	while (i < ROUTES && (strlen(routes[i].path) != len ||
				 memcmp(routes[i].path, target, len) != 0))
		i++;
	return i;
}

enum route
request_route(const char *target)
{
	size_t i = find_row(target);

	return i == ROUTES ? ROUTE_NONE : routes[i].route;
}

/* -- arguments -- */

static int
hex(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Decode as forms are encoded; NULL: no memory, or it can't be decoded. */
static const char *
decode(struct arena *a, const char *text, size_t len)
{
	char *out = len > REQUEST_ARG_MAX ? NULL : arena_memdup(a, text, len);
	size_t n = 0;

	for (size_t i = 0; out != NULL && i < len; i++) {
		char c = text[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (i + 2 >= len || hex(text[i + 1]) < 0 ||
			    hex(text[i + 2]) < 0)
				return NULL;
			c = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		}
		if (c == '\0')
			return NULL;
		out[n++] = c;
	}
	if (out != NULL)
		out[n] = '\0';
	return out;
}

const char *
request_field(struct arena *a, const char *body, size_t len, const char *name)
{
	const char *found = NULL, *end = body + len, *next;
	size_t found_len = 0, name_len = strlen(name);

	for (const char *at = body; at < end; at = next + 1) {
		next = memchr(at, '&', (size_t)(end - at));
		if (next == NULL)
			next = end;
		if ((size_t)(next - at) <= name_len || at[name_len] != '=' ||
		    memcmp(at, name, name_len) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = at + name_len + 1;
		found_len = (size_t)(next - found);
	}
	return found == NULL ? NULL : decode(a, found, found_len);
}

const char *
request_arg(struct arena *a, const char *target, const char *name)
{
	const char *query = strchr(target, '?');

	return query == NULL
	    ? NULL
	    : request_field(a, query + 1, strlen(query + 1), name);
}

/* -- headers -- */

/* The name in a Host, its port left out, in lower case.  False: that is no
 * Host. */
static bool
host_name(const char *host, char name_r[64])
{
	const char *colon, *end = NULL;
	size_t len;

	if (host[0] == '[' && (end = strchr(host, ']')) == NULL)
		return false;
	colon = strchr(end == NULL ? host : end, ':');
	if (end != NULL && end[1] != '\0' && end[1] != ':')
		return false;
	len = colon == NULL ? strlen(host) : (size_t)(colon - host);
	if (len == 0 || len >= 64)
		return false;
	if (colon != NULL &&
	    (colon[1] == '\0' || strlen(colon + 1) > 5 ||
		colon[1 + strspn(colon + 1, "0123456789")] != '\0'))
		return false;
	for (size_t i = 0; i < len; i++)
		name_r[i] = (char)tolower((unsigned char)host[i]);
	name_r[len] = '\0';
	return true;
}

/* No name of the DNS, which somebody else could point at this machine. */
static bool
is_address(const char *name)
{
	unsigned char octets[sizeof(struct in6_addr)];
	size_t len = strlen(name);
	char six[64];

	if (name[0] != '[')
		return inet_pton(AF_INET, name, octets) == 1;
	memcpy(six, name + 1, len - 1);
	six[len - 2] = '\0';
	return inet_pton(AF_INET6, six, octets) == 1;
}

bool
request_host_ok(const char *host, const struct request_self *self)
{
	static const char *const loopback[] = {
	    "localhost", "127.0.0.1", "[::1]"};
	char name[64];

	if (!host_name(host, name))
		return false;
	for (size_t i = 0; i < sizeof(loopback) / sizeof(*loopback); i++) {
		if (strcmp(name, loopback[i]) == 0)
			return true;
	}
	if (self->any && is_address(name))
		return true;
	return self->host[0] != '\0' && strcasecmp(name, self->host) == 0;
}

bool
request_origin_ok(const char *origin, const char *host)
{
	static const char scheme[] = "http://";

	return strncasecmp(origin, scheme, sizeof(scheme) - 1) == 0 &&
	    strcasecmp(origin + sizeof(scheme) - 1, host) == 0;
}

const char *
request_bearer(const struct request *r)
{
	const char *text = r->authorization;

	if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0)
		return NULL;
	text += 7;
	return text + strspn(text, " ");
}

const char *
request_cookie(struct arena *a, const char *cookies, const char *name)
{
	const char *found = NULL, *at = cookies;
	size_t found_len = 0, name_len = strlen(name);

	while (at != NULL && *at != '\0') {
		size_t len;

		at += strspn(at, "; \t");
		len = strcspn(at, ";");
		if (len > name_len && at[name_len] == '=' &&
		    memcmp(at, name, name_len) == 0) {
			if (found != NULL)
				return NULL;
			found = at + name_len + 1;
			found_len = len - name_len - 1;
		}
		at += len;
	}
	if (found == NULL || found_len > REQUEST_ARG_MAX)
		return NULL;
	return arena_memdup(a, found, found_len);
}

/* -- the whole -- */

static bool
is_form(const char *type)
{
	size_t len = sizeof(FORM) - 1;

	return type != NULL && strncasecmp(type, FORM, len) == 0 &&
	    (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

/* 0, or what is wrong with how it was sent. */
static unsigned
judge_form(const struct request *r, bool post)
{
	const char *length = r->length;
	bool body = r->transfer ||
	    (length != NULL && length[strspn(length, "0")] != '\0');

	if (r->twice || (r->transfer && length != NULL))
		return 400;
	if (length != NULL && length[strspn(length, "0123456789")] != '\0')
		return 400;
	if (!post)
		return body ? 400 : 0;
	if (r->transfer)
		return 411;
	if (length != NULL && strlen(length) > 6)
		return 413;
	return is_form(r->content_type) ? 0 : 415;
}

static unsigned
judge_host(const struct request *r, const struct request_self *self)
{
	if (r->host == NULL)
		return r->http10 ? 0 : 400;
	return request_host_ok(r->host, self) ? 0 : 403;
}

unsigned
request_judge(const struct request *r, const struct request_self *self,
    enum route *route_r)
{
	bool post = strcmp(r->method, "POST") == 0;
	bool get = strcmp(r->method, "GET") == 0 ||
	    strcmp(r->method, "HEAD") == 0;
	size_t row = find_row(r->target);
	unsigned status = judge_host(r, self);

	*route_r = row == ROUTES ? ROUTE_NONE : routes[row].route;
	if (status != 0)
		return status;
	if (!post && !get)
		return 405;
	if (row == ROUTES)
		return 404;
	if (!(post ? routes[row].post : routes[row].get))
		return 405;
	status = judge_form(r, post);
	if (status != 0 || !post)
		return status;
	/* A page of somebody else can send a form to us, with our cookie. */
	if (r->host == NULL || r->origin == NULL ||
	    !request_origin_ok(r->origin, r->host))
		return 403;
	return 0;
}
