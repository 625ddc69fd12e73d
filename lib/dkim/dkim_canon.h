/*
 * The two canonical forms of RFC 6376 section 3.4.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DKIM_DKIM_CANON_H
#define LIB_DKIM_DKIM_CANON_H

enum dkim_canon {
	DKIM_SIMPLE,
	DKIM_RELAXED,
};

/* For a set of them. */
#define DKIM_CANON_BIT(canon) (1u << (canon))

#endif
