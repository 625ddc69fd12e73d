/*
 * posternctl key check: is what the DNS publishes the key that signs?
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CTL_KEY_CHECK_H
#define MILTER_CTL_KEY_CHECK_H

#include <stdbool.h>

struct conf;
struct errmsg;
struct resolver;
struct signing;

/* Keys and a resolver, and no more of the configuration.  All zero at first. */
struct key_check {
	const struct conf *conf;
	struct signing *signing; /* NULL: no key is configured */
	struct resolver *resolver;
};

/* 0 or a negative ERR_ and *msg_r, or mistakes in the conf's list; the conf
 * must stay until key_check_close. */
int key_check_load(
    struct key_check *k, struct conf *conf, struct errmsg *msg_r);
/* Compare what the DNS publishes with the keys that the configuration has for a
 * domain, with that selector or (NULL) all.  An exit code. */
int key_check_run(const struct key_check *k, const char *domain,
    const char *selector, bool json);
void key_check_close(struct key_check *k);

#endif
