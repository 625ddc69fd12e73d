/*
 * Lists of hosts.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "peerlist.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/conf/dataset.h"

#define NAME_MAX_LEN 255 /* RFC 1035 2.3.4 */
#define V4_BITS 96 /* of ::ffff:0:0, which stands before an IPv4 address */

struct net {
	struct in6_addr addr; /* IPv4 as mapped */
	int bits;	      /* of 128 */
	bool negated;
	const char *key, *value; /* as the set has them */
};

struct peerlist {
	const struct dataset *set;
	bool (*is_peer)(const char *key); /* NULL: all are */
	struct net *nets; /* by by_net, each prefix once */
	size_t nnets;
	size_t room;
	char **warnings;
	size_t nwarnings;
};

/* -- addresses -- */

static void
map_v4(const void *v4, struct in6_addr *addr_r)
{
	memset(addr_r, 0, sizeof(*addr_r));
	addr_r->s6_addr[10] = addr_r->s6_addr[11] = 0xff;
	memcpy(&addr_r->s6_addr[12], v4, 4);
}

static void
mask(struct in6_addr *addr, int bits)
{
	for (int i = 0; i < 16; i++, bits -= 8) {
		if (bits <= 0)
			addr->s6_addr[i] = 0;
		else if (bits < 8)
			addr->s6_addr[i] &= (uint8_t)(0xff00 >> bits);
	}
}

/* -- entries -- */

/* `address`, `[address]`, `address/bits` or `[address]/bits`.  1: it is one;
 * 0: it is none; -1: it is one that nothing can match, and why. */
static int
parse_net(const char *s, struct net *net_r, const char **why_r)
{
	char buf[INET6_ADDRSTRLEN + 2];
	bool bracket = *s == '[';
	size_t len = strcspn(s, "/");
	const char *slash = s[len] == '/' ? s + len : NULL;
	struct in6_addr masked;
	struct in_addr v4;
	int offset = 0;
	long bits;
	char *end;

	if (len >= sizeof(buf) || (bracket && s[len - 1] != ']'))
		return 0;
	memcpy(buf, s + bracket, len - 2 * bracket);
	buf[len - 2 * bracket] = '\0';
	if (inet_pton(AF_INET, buf, &v4) == 1) {
		map_v4(&v4, &net_r->addr);
		offset = V4_BITS;
	} else if (inet_pton(AF_INET6, buf, &net_r->addr) != 1) {
		return 0;
	}
	net_r->bits = 128;
	if (slash == NULL)
		return 1;
	bits = strtol(slash + 1, &end, 10);
	*why_r = "expected a prefix length behind the /";
	if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits < 0 ||
	    bits > 128 - offset)
		return -1;
	net_r->bits = (int)bits + offset;
	masked = net_r->addr;
	mask(&masked, net_r->bits);
	*why_r = "bits are set behind the prefix, write the network's first "
		 "address";
	return memcmp(&masked, &net_r->addr, sizeof(masked)) == 0 ? 1 : -1;
}

static int
add_warning(struct peerlist *list, const struct dataset_entry *e,
    const char *why, const char *then)
{
	const char *name = dataset_name(list->set);
	char **grown =
	    reallocarray(list->warnings, list->nwarnings + 1, sizeof(*grown));
	int n;

	if (grown == NULL)
		return ERR_NOMEM;
	list->warnings = grown;
	if (e->line > 0)
		n = asprintf(&list->warnings[list->nwarnings],
		    "%s:%d: %s: %s%s", name, e->line, e->key, why, then);
	else
		n = asprintf(&list->warnings[list->nwarnings], "%s: %s%s",
		    e->key, why, then);
	if (n < 0)
		return ERR_NOMEM;
	list->nwarnings++;
	return 0;
}

static int
warn(struct peerlist *list, const struct dataset_entry *e, const char *why)
{
	return add_warning(list, e, why, "; the entry matches nothing");
}

static int
add_net(struct peerlist *list, const struct net *net)
{
	if (list->nnets == list->room) {
		size_t want = list->room == 0 ? 16 : 2 * list->room;
		struct net *grown =
		    reallocarray(list->nets, want, sizeof(*grown));

		if (grown == NULL)
			return ERR_NOMEM;
		list->nets = grown;
		list->room = want;
	}
	list->nets[list->nnets++] = *net;
	return 0;
}

/* What is meant is written without it, but in a refile. */
static int
warn_star(
    struct peerlist *list, const struct dataset_entry *e, const char *text)
{
	struct errmsg why;

	if (strcmp(text, "*") == 0)
		errmsg_set(&why, "a * stands for nothing here: expected "
		    "0.0.0.0/0 and ::/0 for all addresses");
	else if ((text[1] == '.' || text[1] == '@') && *text == '*')
		errmsg_set(&why, "a * stands for nothing here: expected %s for "
		    "all below it, or a pattern in a set refile:PATH",
		    text + 1);
	else
		errmsg_set(&why, "a * stands for nothing here: expected "
		    ".example.com for the hosts below it, a network such as "
		    "192.0.2.0/24, or a pattern in a set refile:PATH");
	return warn(list, e, why.text);
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Why it is the name of no host, and of no domain with its dot; NULL: it may
 * be.  Names in UTF-8 are not judged. */
static const char *
name_fault(const char *text)
{
	size_t len = strlen(text), last;

	if (strchr(text, '/') != NULL)
		return "expected a name, address or network";
	if (strchr(text, '@') != NULL)
		return "expected a host or .domain, without an @";
	if (strchr(text, ':') != NULL)
		return "expected a name, address or network, without a port or "
		       "anything else behind a colon";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x80 &&
		    strchr(LETTERS DIGITS "-_.", text[i]) == NULL)
			return "expected a name, address or network, without "
			       "quotes or other signs";
	}
	last = len - (len > 0 && text[len - 1] == '.');
	while (last > 0 && text[last - 1] != '.')
		last--;
	/* No domain at the top is a number. */
	if (strspn(text + last, DIGITS ".") == strlen(text + last))
		return "expected a whole address such as 192.0.2.1, or a "
		       "network such as 192.0.2.0/24";
	if (text[len - 1] == '.' || strstr(text, "..") != NULL)
		return "expected a name without a dot at its end, or two in a "
		       "row";
	return NULL;
}

/* A word in a list may be a file whose path was forgotten. */
static bool
looks_like_file(const struct dataset_entry *e, const char *text)
{
	return e->line == 0 && strchr(text, '.') == NULL &&
	    strcasecmp(text, "localhost") != 0;
}

static int
judge_name(
    struct peerlist *list, const struct dataset_entry *e, const char *text)
{
	const char *fault;

	/* Several that lack their commas: that is told of all lists. */
	if (e->line == 0 && strpbrk(text, " \t") != NULL)
		return 0;
	if (strchr(text, '*') != NULL && strchr(text, '/') == NULL)
		return warn_star(list, e, text);
	fault = name_fault(text);
	if (fault != NULL)
		return warn(list, e, fault);
	return looks_like_file(e, text)
	    ? add_warning(list, e, "taken for the whole name of a host: "
		  "expected /PATH if a file is meant, or a name with its "
		  "domain", "")
	    : 0;
}

static int
add_entry(const struct dataset_entry *e, void *arg)
{
	struct peerlist *list = arg;
	struct net net = {.negated = e->key[0] == '!',
	    .key = e->key,
	    .value = e->value};
	const char *text = e->key + net.negated, *why;

	if (list->is_peer != NULL && !list->is_peer(e->key))
		return strchr(text, '*') == NULL ? 0 : warn_star(list, e, text);
	switch (parse_net(text, &net, &why)) {
	case 1:
		return add_net(list, &net);
	case -1:
		return warn(list, e, why);
	}
	/* A name; it is found in the set itself. */
	return judge_name(list, e, text);
}

/* Of a set that is asked by key: what no key can be. */
static int
check_entry(const struct dataset_entry *e, void *arg)
{
	struct net net;
	const char *why;

	return parse_net(e->key + (e->key[0] == '!'), &net, &why) < 0
	    ? warn(arg, e, why)
	    : 0;
}

/* The longest prefix first. */
static int
by_prefix(const void *a, const void *b)
{
	const struct net *na = a, *nb = b;

	if (na->bits != nb->bits)
		return nb->bits - na->bits;
	return memcmp(&na->addr, &nb->addr, sizeof(na->addr));
}

/* Of the same prefix "not" comes first, as OpenDKIM asks for it first. */
static int
by_net(const void *a, const void *b)
{
	const struct net *na = a, *nb = b;
	int order = by_prefix(a, b);

	return order != 0 ? order : nb->negated - na->negated;
}

static void
sort_nets(struct peerlist *list)
{
	size_t n = 0;

	if (list->nnets > 0)
		qsort(list->nets, list->nnets, sizeof(*list->nets), by_net);
	for (size_t i = 0; i < list->nnets; i++) {
		if (n == 0 ||
		    by_prefix(&list->nets[n - 1], &list->nets[i]) != 0)
			list->nets[n++] = list->nets[i];
	}
	list->nnets = n;
}

static bool
asks_by_key(const struct dataset *set)
{
	return dataset_is_live(set) || dataset_has_patterns(set);
}

int
peerlist_new_of(const struct dataset *set, bool (*is_peer)(const char *key),
    struct peerlist **list_r, struct errmsg *msg_r)
{
	struct peerlist *list = calloc(1, sizeof(*list));
	int rc = ERR_NOMEM;

	if (list != NULL) {
		list->set = set;
		list->is_peer = is_peer;
		rc = 0;
		if (!asks_by_key(set))
			rc = dataset_walk(set, add_entry, list);
		else if (!dataset_is_live(set))
			rc = dataset_walk(set, check_entry, list);
	}
	if (rc != 0) {
		errmsg_set(msg_r, "%s: %s", dataset_name(set), err_text(rc));
		peerlist_free(list);
		return rc;
	}
	sort_nets(list);
	*list_r = list;
	return 0;
}

int
peerlist_new(
    const struct dataset *set, struct peerlist **list_r, struct errmsg *msg_r)
{
	return peerlist_new_of(set, NULL, list_r, msg_r);
}

void
peerlist_free(struct peerlist *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->nwarnings; i++)
		free(list->warnings[i]);
	free(list->warnings);
	free(list->nets);
	free(list);
}

const char *
peerlist_warning(const struct peerlist *list, size_t i)
{
	return i < list->nwarnings ? list->warnings[i] : NULL;
}

/* -- matching -- */

enum answer { YES, NO, UNKNOWN };

/* dataset_get; but a pattern without a prefix is about addresses: 192.0.2.* is
 * not to take 192.0.2.0/23 for one.  And what says "not" is no name with a !
 * at its beginning. */
static int
get(const struct dataset *set, const char *key, bool negated, bool is_net,
    struct dataset_entry *entry_r)
{
	size_t from = 0;

	for (;;) {
		int rc = dataset_get_from(set, key, from, entry_r);

		if (rc != 0 ||
		    ((!is_net || strchr(entry_r->key, '/') != NULL) &&
			(negated || entry_r->key[0] != '!')))
			return rc;
		from = entry_r->index + 1;
		dataset_entry_fini(entry_r);
	}
}

/* Look for a key as it is and negated.  bits < 0: it has no prefix.  With YES
 * comes the entry, here and below. */
static enum answer
ask_key(const struct dataset *set, const char *text, bool brackets, int bits,
    struct dataset_entry *entry_r)
{
	const char *open = brackets ? "[" : "", *close = brackets ? "]" : "";
	char key[NAME_MAX_LEN + 16];
	struct dataset_entry e;
	bool negated;

	if (bits < 0)
		snprintf(key, sizeof(key), "!%s%s%s", open, text, close);
	else
		snprintf(
		    key, sizeof(key), "!%s%s%s/%d", open, text, close, bits);
	if (get(set, key, true, bits >= 0, &e) == 0) {
		/* In a refile, `*` matches this too, and means no "not". */
		negated = e.key[0] == '!';
		dataset_entry_fini(&e);
		if (negated)
			return NO;
	}
	if (get(set, key + 1, false, bits >= 0, entry_r) != 0)
		return UNKNOWN;
	return YES;
}

/* The name, then each domain above it. */
static enum answer
ask_name(const struct dataset *set, const char *name,
    struct dataset_entry *entry_r)
{
	enum answer answer = UNKNOWN;
	char buf[NAME_MAX_LEN + 1];
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_MAX_LEN)
		return UNKNOWN;
	memcpy(buf, name, len);
	buf[len] = '\0';
	for (const char *s = buf; s != NULL && answer == UNKNOWN;
	     s = strchr(s + 1, '.'))
		answer = ask_key(set, s, false, -1, entry_r);
	return answer;
}

/* An address or network, without brackets and with.  bits as of ask_key. */
static enum answer
ask_addr_key(const struct dataset *set, const struct in6_addr *addr, bool v4,
    int bits, struct dataset_entry *entry_r)
{
	char text[INET6_ADDRSTRLEN];
	enum answer answer;

	if (v4)
		inet_ntop(AF_INET, &addr->s6_addr[12], text, sizeof(text));
	else
		inet_ntop(AF_INET6, addr, text, sizeof(text));
	if (v4 && bits >= 0)
		bits -= V4_BITS;
	answer = ask_key(set, text, false, bits, entry_r);
	return answer != UNKNOWN ? answer
				 : ask_key(set, text, true, bits, entry_r);
}

static enum answer
ask_addr_by_key(const struct dataset *set, struct in6_addr addr, bool v4,
    struct dataset_entry *entry_r)
{
	enum answer answer = ask_addr_key(set, &addr, v4, -1, entry_r);

	for (int bits = 128; bits >= (v4 ? V4_BITS : 0) && answer == UNKNOWN;
	     bits--) {
		mask(&addr, bits);
		answer = ask_addr_key(set, &addr, v4, bits, entry_r);
	}
	return answer;
}

/* One binary search for each length of prefix that the list has. */
static enum answer
ask_addr(const struct peerlist *list, struct in6_addr addr, bool v4,
    struct dataset_entry *entry_r)
{
	size_t i = 0, n;

	for (; i < list->nnets; i += n) {
		struct net key = {.bits = list->nets[i].bits};
		const struct net *found;

		/* ::/0 does not speak of IPv4. */
		if (v4 && key.bits < V4_BITS)
			return UNKNOWN;
		for (n = 1;
		     i + n < list->nnets && list->nets[i + n].bits == key.bits;
		     n++)
			;
		mask(&addr, key.bits);
		key.addr = addr;
		found =
		    bsearch(&key, &list->nets[i], n, sizeof(key), by_prefix);
		if (found == NULL)
			continue;
		*entry_r = (struct dataset_entry){
		    .key = found->key, .value = found->value};
		return found->negated ? NO : YES;
	}
	return UNKNOWN;
}

bool
peerlist_find(const struct peerlist *list, const char *name,
    const struct host *host, struct dataset_entry *entry_r)
{
	enum answer answer = UNKNOWN;
	struct in6_addr addr;
	bool v4;

	/* Without a name MTAs give the address in brackets. */
	if (name != NULL && name[0] != '[')
		answer = ask_name(list->set, name, entry_r);
	if (answer == UNKNOWN && host != NULL && host->family != HOST_NONE) {
		memcpy(&addr, host->octets, sizeof(addr));
		v4 = host->family == HOST_IP4;
		answer = asks_by_key(list->set)
			     ? ask_addr_by_key(list->set, addr, v4, entry_r)
			     : ask_addr(list, addr, v4, entry_r);
	}
	return answer == YES;
}

bool
peerlist_match(
    const struct peerlist *list, const char *name, const struct host *host)
{
	struct dataset_entry e;

	if (!peerlist_find(list, name, host, &e))
		return false;
	dataset_entry_fini(&e);
	return true;
}
