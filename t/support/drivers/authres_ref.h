/*
 * Two other readers of Authentication-Results, for tests: one that takes
 * nothing but RFC 8601's grammar, and one that takes whatever it can get.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_DRIVERS_AUTHRES_REF_H
#define T_SUPPORT_DRIVERS_AUTHRES_REF_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

#define AUTHRES_REF_MAX 100 /* results; more is a mistake */

struct authres_ref {
	const char *id;
	size_t count;
	struct authres_ref_result {
		const char *method, *result;
		/* smtp.mailfrom, header.from; NULL: not there */
		const char *mailfrom, *from;
	} list[AUTHRES_REF_MAX];
};

/* Read a field that keeps to section 2.2; strings are in the arena, without
 * their quotes.  false: it does not. */
bool authres_ref_read(
    struct arena *a, const char *value, struct authres_ref *r_r);

/*
 * Might somebody take the field for one of that id?  The first word, after
 * comments and whatever can't stand in a word, is compared, or what begins in
 * quotes there; comments are read with backslashes that mean something, and
 * with such that don't.
 */
bool authres_ref_claims(const char *value, size_t len, const char *id);

#endif
