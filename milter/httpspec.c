/* SPDX-License-Identifier: BSD-2-Clause */
#include "httpspec.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/conf/conf.h"

/* Descriptors for the ring, the history, the table of quotas and the token; the
 * listener and the library's own. */
#define OTHERS 8
#define FORMS                                                                  \
	"expected ADDRESS:PORT (127.0.0.1:8893, [::1]:8893), or the path of "  \
	"a local socket"

static int
parse_local(const char *path, struct httpspec *spec, struct errmsg *msg_r)
{
	size_t len = strlen(path);

	if (len >= sizeof(spec->address.local.sun_path))
		return errmsg_set(msg_r,
		    "the path has %zu octets and a socket's name at most %zu",
		    len, sizeof(spec->address.local.sun_path) - 1);
	spec->family = spec->address.local.sun_family = AF_UNIX;
	memcpy(spec->address.local.sun_path, path, len + 1);
	spec->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
	    1);
	spec->loopback = true;
	return 0;
}

/* 0: it is none. */
static unsigned
parse_port(const char *text)
{
	size_t len = strlen(text);
	unsigned long port;

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
		return 0;
	port = strtoul(text, NULL, 10);
	return port > 65535 ? 0 : (unsigned)port;
}

static bool
set_address(
    const char *address, bool six, unsigned port, struct httpspec *spec)
{
	struct sockaddr_in6 *in6 = (void *)&spec->address.inet;
	struct sockaddr_in *in = (void *)&spec->address.inet;
	int rc;

	spec->family = six ? AF_INET6 : AF_INET;
	spec->address.any.sa_family = (sa_family_t)spec->family;
	if (six) {
		rc = inet_pton(AF_INET6, address, &in6->sin6_addr);
		in6->sin6_port = htons((uint16_t)port);
		spec->all = IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
		spec->len = sizeof(*in6);
	} else {
		rc = inet_pton(AF_INET, address, &in->sin_addr);
		in->sin_port = htons((uint16_t)port);
		spec->all = in->sin_addr.s_addr == htonl(INADDR_ANY);
		spec->len = sizeof(*in);
	}
	return rc == 1;
}

static int
parse_inet(const char *text, struct httpspec *spec, struct errmsg *msg_r)
{
	const char *colon = strrchr(text, ':');
	bool six = text[0] == '[';
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);
	char address[INET6_ADDRSTRLEN];
	struct host host;
	unsigned port = colon == NULL ? 0 : parse_port(colon + 1);

	if (port == 0 || len < 3 || len - (six ? 2 : 0) >= sizeof(address) ||
	    (six && text[len - 1] != ']'))
		return errmsg_set(msg_r, FORMS ", not %s", text);
	snprintf(address, sizeof(address), "%.*s", (int)(len - (six ? 2 : 0)),
	    text + six);
	if (strcasecmp(address, "localhost") == 0)
		strcpy(address, "127.0.0.1");
	if (!set_address(address, six, port, spec))
		return errmsg_set(msg_r, FORMS ", not %s", text);
	host = host_of(&spec->address.any);
	spec->loopback = host_is_loopback(&host);
	snprintf(spec->host, sizeof(spec->host), six ? "[%s]" : "%s", address);
	return 0;
}

int
httpspec_parse_row(const char *text, void *spec_r, struct errmsg *msg_r)
{
	struct httpspec *spec = spec_r;

	memset(spec, 0, sizeof(*spec));
	if (strcasecmp(text, "none") == 0)
		return 0;
	if (!POSTERN_HTTP)
		return errmsg_set(msg_r,
		    "this postern was built without libmicrohttpd, and so "
		    "without a page: expected none");
	if (strncasecmp(text, "unix:", 5) == 0 && text[5] == '/')
		text += 5;
	return text[0] == '/' ? parse_local(text, spec, msg_r)
			      : parse_inet(text, spec, msg_r);
}

bool
httpspec_equal(const struct httpspec *a, const struct httpspec *b)
{
	return a->family == b->family && a->len == b->len &&
	    memcmp(&a->address, &b->address, a->len) == 0;
}

unsigned
httpspec_descriptors(const struct conf *c)
{
	const struct httpspec *spec =
	    conf_value(c, "Http", sizeof(*spec));

	return spec == NULL || spec->family == 0
	    ? 0
	    : HTTPSPEC_CONNECTIONS + OTHERS;
}

void
httpspec_warn(const struct conf *c)
{
	const struct httpspec *spec;

	if (!conf_given(c, "Http") || conf_faulty(c, "Http"))
		return;
	spec = conf_value(c, "Http", sizeof(*spec));
	if (spec->family != 0 && !spec->loopback)
		conf_odd(c,
		    "%s: Http: %s can be reached from other machines, and the "
		    "token and all that the page shows go there unencrypted: "
		    "expected 127.0.0.1 or [::1] (from elsewhere: ssh -L)",
		    conf_where(c, "Http"), conf_str(c, "Http"));
}
