/*
 * May this client send for this domain?  SPF, RFC 7208.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Two identities are judged in one go: MAIL FROM (that of postmaster@HELO
 * where the sender is null) and HELO.  spf_start begins to ask, spf_finish
 * collects and decides; between them the message may arrive.  Every name and
 * type is asked once.
 */
#ifndef LIB_SPF_SPF_H
#define LIB_SPF_SPF_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lib/base/host.h"

struct arena;
struct dns;
struct wait;

/* RFC 7208 section 2.6 */
enum spf_outcome {
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR,
};

enum spf_scope {
	SPF_MFROM,
	SPF_HELO,
};

/* Lives in the arena.  Strings from records are printable ASCII; domain may
 * hold whatever the client said. */
struct spf_result {
	enum spf_outcome result;
	enum spf_scope scope;
	const char *domain;      /* the one judged, U-labels of MAIL FROM as
	    A-labels; "" when there was none */
	const char *mechanism;   /* the term that matched, as it stands in the
	    record of the domain, or of the one it redirects to; NULL: none */
	const char *inner;       /* where that is an include: the term that
	    matched at its end; NULL otherwise */
	const char *explanation; /* the domain's, for a fail; NULL: none */
	const char *reason;      /* what was wrong, for temperror and
	    permerror; NULL otherwise */

	/* What a pass is worth. */
	bool plus_all;      /* it lets the whole world in */
	uint64_t addresses; /* how many addresses the pass terms that were read
	    name, as far as that can be counted: IPv4 addresses, or for an IPv6
	    client networks of /56; UINT64_MAX: all there are, or no telling */
};

struct spf_request {
	struct host client;
	const char *helo;   /* may be NULL */
	const char *sender; /* without <>; "" is the null sender */
	const char *host;   /* the receiver's name, for %{r}; may be NULL */
	time_t now;         /* for %{t} */
};

struct spf; /* a check under way */

/* What the request points to must live as long as the check.  NULL: no
 * memory.  Never waits. */
struct spf *spf_start(const struct dns *dns, struct arena *arena,
    const struct spf_request *request);
/* Decide, waiting for answers.
 * *helo_r is *mfrom_r where the sender is null.  0, or ERR_NOMEM. */
int spf_finish(struct spf *spf, struct wait *w,
    const struct spf_result **mfrom_r, const struct spf_result **helo_r);
/* Let go of the look-ups; results stay.  NULL is fine. */
void spf_drop(struct spf *spf);

/* The RFC's word: "none" "neutral" "pass" "fail" "softfail" "temperror"
 * "permerror"; and "mfrom" or "helo". */
const char *spf_outcome_text(enum spf_outcome outcome);
const char *spf_scope_text(enum spf_scope scope);

#endif
