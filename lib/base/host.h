/*
 * The address of a host, IPv4 or IPv6.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_BASE_HOST_H
#define LIB_BASE_HOST_H

#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

enum host_family {
	HOST_NONE, /* not known, or a pipe's */
	HOST_IP4,
	HOST_IP6,
};

struct host {
	enum host_family family;
	unsigned char octets[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
};

#define HOST_TEXT_SIZE 46    /* with a NUL */
#define HOST_REVERSE_SIZE 64 /* with a NUL */

/* From 4 and 16 octets.  An IPv4-mapped IPv6 address is the IPv4 one here, and
 * in all that follows. */
struct host host_ip4(const void *octets);
struct host host_ip6(const void *octets);
/* HOST_NONE for NULL, and for what is neither AF_INET nor AF_INET6. */
struct host host_of(const struct sockaddr *sa);
/* False: it is none, and *host_r is HOST_NONE. */
bool host_parse(const char *text, struct host *host_r);

/* As people write it; "" for HOST_NONE.  Returns text. */
const char *host_text(const struct host *h, char text[HOST_TEXT_SIZE]);
/* As names of the DNS have it, `1.2.0.192` or 32 nibbles (RFC 1035 section 3.5,
 * RFC 3596 section 2.5).  False for HOST_NONE. */
bool host_reverse(const struct host *h, char text[HOST_REVERSE_SIZE]);
/* The 4 or 16 octets of its family; *len_r 0 for HOST_NONE. */
const unsigned char *host_octets(const struct host *h, size_t *len_r);

bool host_equal(const struct host *a, const struct host *b);
/* 127.0.0.0/8 and ::1 */
bool host_is_loopback(const struct host *h);
/* An address that others could know something of: not loopback, private (RFC
 * 1918, RFC 4193), shared (RFC 6598), link-local, multicast or none at all. */
bool host_is_public(const struct host *h);

#endif
