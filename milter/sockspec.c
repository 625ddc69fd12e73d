/* SPDX-License-Identifier: BSD-2-Clause */
#include "sockspec.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"

/* libmilter takes one octet less than the kernel does. */
#define PATH_OCTETS (sizeof(((struct sockaddr_un *)0)->sun_path) - 2)
#define FORMS "local:PATH, inet:PORT@HOST or inet6:PORT@HOST"

/* The path of a socket as it may stand in Postfix's smtpd_milters, where it is
 * relative to queue_directory. */
static int
reject_relative(const char *path, struct errmsg *msg_r)
{
	if (!isalnum((unsigned char)path[0]) ||
	    strpbrk(path, "\"' \t:") != NULL)
		return errmsg_set(msg_r,
		    "expected a path that begins with /, not %s", path);
	return errmsg_set(msg_r,
	    "expected a path that begins with /, not %s; in Postfix's "
	    "smtpd_milters such a path begins at its queue_directory: "
	    "local:/var/spool/postfix/%s",
	    path, path);
}

static int
parse_local(const char *path, struct sockspec *spec, struct errmsg *msg_r)
{
	size_t len = strlen(path);

	if (len == 0)
		return errmsg_set(msg_r, "expected a path after local:");
	if (path[0] != '/' && strncmp(path, "./", 2) != 0)
		return reject_relative(path, msg_r);
	if (len > PATH_OCTETS)
		return errmsg_set(msg_r,
		    "the path has %zu octets and a socket's name at most %zu: "
		    "choose a shorter one, or inet:PORT@HOST",
		    len, PATH_OCTETS);
	spec->family = spec->local.sun_family = AF_UNIX;
	memcpy(spec->local.sun_path, path, len + 1);
	return 0;
}

static int
check_port(const char *port, struct errmsg *msg_r)
{
	size_t len = strlen(port), digits = strspn(port, "0123456789");

	if (len > 0 && digits == len) {
		if (len <= 5 && atoi(port) >= 1 && atoi(port) <= 65535)
			return 0;
		return errmsg_set(msg_r, "expected a port from 1 to 65535");
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)port[i]) && port[i] != '-')
			return errmsg_set(msg_r, "expected " FORMS);
	}
	if (len == 0)
		return errmsg_set(msg_r, "expected a port: " FORMS);
	return 0; /* the name of a port; it is looked up when the socket is
	    opened */
}

/* libmilter takes an address in brackets only if it is of that family. */
static int
check_host(int family, const char *host, struct errmsg *msg_r)
{
	unsigned char addr[sizeof(struct in6_addr)];
	char literal[INET6_ADDRSTRLEN];
	size_t len = strlen(host);

	if (len == 0)
		return errmsg_set(msg_r, "expected a host after the @");
	if (family == AF_INET && host[0] != '[' && strchr(host, ':') != NULL)
		return errmsg_set(
		    msg_r, "expected inet6: before an IPv6 address");
	if (host[0] != '[')
		return 0;
	snprintf(literal, sizeof(literal), "%.*s", (int)(len - 2), host + 1);
	if (len < 3 || host[len - 1] != ']' ||
	    inet_pton(family, literal, addr) != 1)
		return errmsg_set(msg_r, "expected an %s address in [ ]",
		    family == AF_INET ? "IPv4" : "IPv6");
	return 0;
}

static int
parse_inet(int family, const char *text, struct sockspec *spec,
    struct errmsg *msg_r)
{
	const char *at = strchr(text, '@');
	size_t len = at != NULL ? (size_t)(at - text) : strlen(text);
	int rc;

	if (at == NULL && strchr(text, ':') != NULL)
		return errmsg_set(msg_r,
		    "expected " FORMS "; host and port stand in another order "
		    "than in Postfix's smtpd_milters");
	if (len >= sizeof(spec->port) ||
	    (at != NULL && strlen(at + 1) >= sizeof(spec->host)))
		return errmsg_set(msg_r, "expected " FORMS);
	spec->family = family;
	memcpy(spec->port, text, len);
	rc = check_port(spec->port, msg_r);
	if (rc != 0 || at == NULL)
		return rc;
	memcpy(spec->host, at + 1, strlen(at + 1) + 1);
	return check_host(family, spec->host, msg_r);
}

int
sockspec_parse(
    const char *text, struct sockspec *spec_r, struct errmsg *msg_r)
{
	static const struct {
		const char *word;
		int family;
	} types[] = {{"local:", AF_UNIX}, {"unix:", AF_UNIX},
	    {"inet:", AF_INET}, {"inet6:", AF_INET6}};

	memset(spec_r, 0, sizeof(*spec_r));
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		size_t len = strlen(types[i].word);

		if (strncasecmp(text, types[i].word, len) != 0)
			continue;
		if (types[i].family == AF_UNIX)
			return parse_local(text + len, spec_r, msg_r);
		return parse_inet(types[i].family, text + len, spec_r, msg_r);
	}
	if (strchr(text, '/') == NULL)
		return errmsg_set(msg_r, "expected " FORMS);
	return parse_local(text, spec_r, msg_r);
}

int
sockspec_parse_row(const char *text, void *spec_r, struct errmsg *msg_r)
{
	return sockspec_parse(text, spec_r, msg_r);
}

char *
sockspec_text(const struct sockspec *spec)
{
	char *text = NULL;
	int n;

	if (spec->family == AF_UNIX)
		n = asprintf(&text, "local:%s", spec->local.sun_path);
	else
		n = asprintf(&text, "%s:%s%s%s",
		    spec->family == AF_INET ? "inet" : "inet6", spec->port,
		    spec->host[0] != '\0' ? "@" : "", spec->host);
	return n < 0 ? NULL : text;
}
