/*
 * Rules in SpamAssassin's language (Mail::SpamAssassin::Conf(3), 4.0.1): read,
 * compiled once, and run over messages.  SPDX-License-Identifier: BSD-2-Clause
 *
 * rules_new reads files into one object that never changes again and may be
 * used by any number of threads.  rules_run scores one message.  What the
 * header says is decoded lazily, at most once a message; so are the path that
 * it took (relays.h) and the text of its body (lib/text/mime.h), and only when
 * a rule asks for them.
 *
 * What other checks found out are facts.  A meta rule may use them by name, and
 * `score NAME` without a rule of that name gives the fact another score.
 *
 * Patterns are Perl's, matched as octets by PCRE2.  One that can't be had, for
 * whatever cause, costs its rule.  A pattern that runs into its match
 * limit does not hit, is named in the result, and the rest goes on.
 */
#ifndef LIB_RULES_RULES_H
#define LIB_RULES_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct arena;
struct hdr_list;
struct pslist;
struct relay_here;
struct rules;

#define RULES_FILE_MAX (8 * 1024 * 1024) /* octets of one rule file */
#define RULES_FILES_MAX 1000             /* files, included ones counted */
#define RULES_INCLUDE_DEPTH 20
#define RULES_COUNT_MAX 50000            /* names of rules */
#define RULES_MISTAKES_MAX 1000          /* that are kept; more are counted */
#define RULES_HITS_MAX 1000              /* of one `tflags multiple` rule */
#define RULES_VALUE_MAX 8192 /* octets of a field that are looked at, and ... */
#define RULES_HEADER_MAX 65536 /* ... of all of them for ALL, as SpamAssassin */

/* -- reading -- */

enum rules_severity {
	RULES_NOTICE, /* read and not used, and why */
	RULES_WARNING, /* probably not what was meant */
	RULES_ERROR,  /* not understood; of a pattern: by Perl neither */
};

/* One thing to say about a file, with the cure in its words. */
struct rules_mistake {
	enum rules_severity severity;
	const char *file; /* as named, or as found in a directory */
	unsigned line;    /* from 1; 0: the file as a whole */
	const char *rule; /* the one that never hits because of it; NULL: an
			     error makes the file unfit for use */
	bool dangling;    /* a name that no rule has: files that are written for
			     more plugins have many */
	const char *text;
	const char *closed; /* the file, where it is that one is closed to this
			       process; NULL: it is not */
	size_t source; /* of the paths that were given, which led to the file */
};

struct rules_setup {
	int score_set; /* 0 or 1 (no DNS lists, or with), and 2, 3 likewise with
	                  Bayes: which of four scores counts */
	const char *const *facts; /* names of facts that may be there,
				     NULL-ended, NAME* for all that begin so;
				     NULL: anything may */
	const char *source; /* rules_new_text: stands for the file's name */
};

/*
 * Read files, and the *.cf files of directories in name order (NULL-ended).
 * *rules_r is the caller's (rules_free) unless ERR_NOMEM comes back, so that
 * the mistakes can be read; 0 when each RULES_ERROR among them costs no more
 * than its rule, otherwise ERR_CONFIG.
 */
int rules_new(const char *const *paths, const struct rules_setup *setup,
    struct rules **rules_r);
/* The same from memory; `include` is a mistake there. */
int rules_new_text(const char *text, size_t len,
    const struct rules_setup *setup, struct rules **rules_r);
void rules_free(struct rules *r);

/* Does a rule that runs look at the body? */
bool rules_want_body(const struct rules *r);

/* Mistake i, in the order met; NULL: no more.  Of those that are not kept
 * their number is the last; an error is always among those kept. */
const struct rules_mistake *rules_mistake(const struct rules *r, size_t i);
/* How many warnings and errors there are, kept or not: of names that no rule
 * has, or else of all other kinds. */
size_t rules_warnings(const struct rules *r, bool dangling);
/* How many more errors of a file there are than are kept. */
size_t rules_errors_more(const struct rules *r);
/* The word for it: notice, warning, error. */
const char *rules_severity_word(enum rules_severity severity);

/* -- what was read -- */

/* What a file says that is not a rule. */
struct rules_settings {
	double required_score;
	bool required_given;
	const char *subject_tag; /* rewrite_header Subject; NULL: none */
};

const struct rules_settings *rules_settings(const struct rules *r);

/* A rule as it stands, for listing. */
struct rules_info {
	const char *name;
	const char *kind;     /* header, body, meta, eval ... */
	const char *file;
	unsigned line;
	double score;
	const char *describe; /* NULL: nothing is said */
	bool runs;            /* false: its score in this set is 0 */
	uint64_t tried, hits, limited; /* since it was loaded, all threads */
	uint64_t ns, timed;   /* so long took so many of the tries */
};

/* Rule i in the order first named; false: no more. */
bool rules_info(const struct rules *r, size_t i, struct rules_info *info_r);
/* Does a score line give that fact another score?  Then *score_r is it. */
bool rules_rescore(const struct rules *r, const char *fact, double *score_r);

/* -- running -- */

struct rules_text {
	const char *data;
	size_t len;
};

/* What a message consists of. */
struct rules_input {
	struct arena *arena; /* of the message; what is found lives in it */
	const struct hdr_list *headers;
	const char *sender; /* envelope, without <>; NULL: not known, guessed
			       from the header as SpamAssassin does */
	const char *helo, *client_ip, *client_name; /* NULL: not known */
	const char *login;   /* NULL: none */
	const char *const *recipients; /* envelope, NULL-ended; may be NULL */
	const char *const *facts; /* NULL-ended; may be NULL */
	/* Whose signatures are valid; likewise. */
	const char *const *dkim_domains;
	time_t now;
	/* CLOCK_MONOTONIC in nanoseconds; NULL: no deadline, nothing timed. */
	int64_t (*clock)(void);
	bool timed; /* measure each rule */
	int64_t deadline_ns; /* 0: none; later rules do not run */

	/* What the MTA will write above the header (lib/mail/relays.h); NULL:
	 * the first Received field tells of the client. */
	const struct relay_here *here;
	/* NULL: body, rawbody, full and uri rules don't hit. */
	const char *body;
	size_t body_len;
	size_t body_total; /* octets of the body before it was cut */
	const struct pslist *tlds; /* top-level domains, for addresses in text;
	                              may be NULL */
};

struct rules_hit {
	const char *name;     /* the rules' own, lives as long as they do */
	const char *describe; /* likewise; NULL: nothing is said */
	double score; /* all hits of a `tflags multiple` rule together */
	double value;         /* how often, or what a meta came to */
	unsigned times; /* how often its score is in that: 1, or the hits of a
			   `tflags multiple` rule */
	bool sub;             /* a `__` rule: counts for metas only */
	struct rules_text matched; /* what the pattern met first; data NULL: the
	                              rule has no pattern, or it is a `!~` */
	struct rules_hit *next;
};

struct rules_result {
	struct rules_hit *hits; /* in the order of the files */
	double score;           /* the sum, sub-rules and facts not in it */
	const char *const *limited; /* names of rules that ran into a limit,
	                               NULL-ended; NULL: none */
	bool late; /* the deadline passed, not all rules were run; one that was
	              under way then is among the limited */
};

/* 0, or ERR_NOMEM. */
int rules_run(const struct rules *r, const struct rules_input *in,
    struct rules_result *result_r);

/*
 * What a selector (`From:addr`, `ALL`, ...) gives for a message; data NULL:
 * nothing.  For tests and for showing.  0; ERR_SYNTAX: no such selector;
 * ERR_NOMEM.
 */
int rules_select(const struct rules *r, const char *selector,
    const struct rules_input *in, struct rules_text *text_r);

#endif
