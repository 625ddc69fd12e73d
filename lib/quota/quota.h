/*
 * How much every account has sent: a table in a file that several processes map
 * and count in at once, or one in memory.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The rule: in no window of a limit's length is an account granted more than
 * that limit, with any number of processes and threads, whichever of them is
 * killed.  A refusal means that what was committed or is reserved within the
 * window, or at most a 24th of it before, reaches the limit.  The same is true
 * of a sum, which is an account too: that of a domain's accounts, or of all
 * accounts.
 *
 * What a killed process had reserved and not committed stays counted until it
 * has left the window (at most 25/24 of its length later), or until a reset.
 * With the calls below that is, for each message that was under way: the
 * message, its recipients so far, and from the end of data on its octets.  It
 * is never more than the limit, and nothing is granted beyond the limit.  A
 * move to another file while messages are under way may cost the same.
 *
 * The life of a message:
 *
 *	struct quota_use use = {0};    what the table keeps of the message
 *
 *	MAIL          quota_would: locked? does SIZE= fit?
 *	RCPT          quota_reserve(..., {messages 1, recipients 1}, &use)
 *	RCPT          quota_reserve(..., {recipients 1}, &use)
 *	end of data   quota_reserve(..., {bytes 20480}, &use)
 *	accepted      quota_commit(&use): the event's time is now; may refuse
 *	finish        quota_release(&use), always: the uncommitted goes back
 *
 * A table serves every thread of the process, but not a forked child: open it
 * after the fork.  At a reload open it again and close the old one when its
 * last user is gone; both count in the same file meanwhile.  Every function but
 * quota_open and quota_close may be called by any thread at any time; one
 * quota_use belongs to one thread at a time.
 *
 * The engine reads its own clock (the boot clock, so that steps of the wall
 * clock change nothing); times it reports are seconds from now.
 */
#ifndef LIB_QUOTA_QUOTA_H
#define LIB_QUOTA_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct errmsg;
struct quota;

enum quota_kind {
	QUOTA_MESSAGES,
	QUOTA_RECIPIENTS,
	QUOTA_BYTES,
	QUOTA_KINDS
};

#define QUOTA_ACCOUNT_MAX 255 /* octets of an account's name */
#define QUOTA_LIMITS_MAX 8 /* limits of one account */
#define QUOTA_SUMS_MAX 2   /* sums that an account counts in */
#define QUOTA_RINGS_MAX 16 /* windows in which an account can be counted, of all
			    * configurations in use together */
#define QUOTA_WINDOW_MAX (53U * 7 * 86400) /* seconds */
#define QUOTA_LIMIT_MAX ((UINT64_C(1) << 40) - 1)
#define QUOTA_ACCOUNTS_MAX (1U << 26)
#define QUOTA_NEVER UINT64_MAX /* a retry_s: this does not fit, ever */

/* The word of the configuration and of JSON: "messages", "recipients",
 * "bytes". */
const char *quota_kind_name(enum quota_kind kind);

struct quota_limit {
	enum quota_kind kind;
	uint32_t window_s; /* 1 .. QUOTA_WINDOW_MAX */
	uint64_t limit;    /* 0 .. QUOTA_LIMIT_MAX */
};

/* The limits that hold for an account, in order of kind and window, and its
 * sums.  {0} is empty: everything is granted and nothing is counted. */
struct quota_set {
	struct quota_limit limit[QUOTA_LIMITS_MAX];
	unsigned count;
	/* Anybody can make up names of such accounts.  They get half of the
	 * table at most, so that they can't crowd out the others. */
	bool minor;
	/* The sums: accounts in which all of its mail is counted too, such as
	 * a domain's or the whole server's.  All of them grant, or nothing is
	 * counted in any.  Their sets have no sums.  Borrowed with the set. */
	unsigned sums;
	struct quota_sum {
		const char *account;
		const struct quota_set *set;
	} sum[QUOTA_SUMS_MAX];
};

/* Add a limit; of two with the same kind and window the smaller one stays.
 * ERR_LIMIT: out of range, or one too many. */
int quota_set_add(struct quota_set *set, const struct quota_limit *limit);

/* How much of each kind; all others are 0: {.of[QUOTA_RECIPIENTS] = 1}. */
struct quota_amount {
	uint64_t of[QUOTA_KINDS];
};

/* --- the table -------------------------------------------------------- */

enum quota_mode {
	QUOTA_CREATE, /* the daemon: makes, mends and resizes the file */
	QUOTA_WRITE,  /* resets and locks what is there; never creates it */
	QUOTA_READ,   /* looks only; needs no right to write */
};

/* The two clocks, in nanoseconds, and what tells one boot from another.  For
 * tests; everyone else leaves it out. */
struct quota_clock {
	uint64_t (*boottime)(void *ctx); /* never backwards within a boot */
	uint64_t (*wall)(void *ctx);     /* since the epoch; may step */
	void (*boot_id)(void *ctx, unsigned char id_r[16]);
	void *ctx;
};

struct quota_options {
	enum quota_mode mode;
	uint32_t accounts; /* room for so many; QUOTA_CREATE only */
	unsigned limits;   /* the most limits that an account has, 1 .. 8;
			    * QUOTA_CREATE only.  A file with more stays. */
	const struct quota_clock *clock; /* NULL: the real ones */
};

/* What opening or checking found and did; for the log. */
enum quota_event {
	QUOTA_OPENED,    /* the file was there and good */
	QUOTA_CREATED,   /* there was none */
	QUOTA_RENEWED,   /* what was there is no table of ours, or a torn one:
			  * it is now called bad_path, counts start from zero */
	QUOTA_MIGRATED,  /* counts were moved to a file of another size */
	QUOTA_TOO_SMALL, /* the file keeps its size: more accounts are in use
			  * than were asked for, or the disk is full */
	QUOTA_RESTORED,  /* quota_check: the file was gone or another stood in
			  * its place: counts were moved to a new one, or joined
			  * with the other */
	QUOTA_FOLLOWED,  /* quota_check: another process moved the table; now
			  * this one counts there too */
};

struct quota_report {
	enum quota_event event;
	char bad_path[4096]; /* QUOTA_RENEWED: the new name; otherwise "" */
	char words[256];     /* what happened, in English, without the path;
			      * QUOTA_RENEWED says why */
	uint32_t accounts;   /* room in the file as it is now */
};

/*
 * Open the table at path.  The file is 0600 and belongs to whoever runs this;
 * it is allocated in full, so that a full disk is found here and not while mail
 * flows.  report_r may be NULL.  0, and *q_r is the caller's to close; or
 * ERR_NOTFOUND  no file there (QUOTA_WRITE, QUOTA_READ),
 * ERR_FORMAT    it is foreign or torn (the same two modes), or a later
 *               program's (in all modes; it is not touched),
 * ERR_SYSTEM    a call failed, errno is set; where the disk is full, msg_r is
 *               ERRMSG_NO_ROOM: fewer accounts may fit,
 * ERR_CONFIG    options out of range; owner or mode make the file unsafe,
 * ERR_NOMEM.
 * Each has its cause and cure in msg_r, which may be NULL.
 */
int quota_open(struct quota **q_r, const char *path,
    const struct quota_options *opt, struct quota_report *report_r,
    struct errmsg *msg_r);
/* Would QUOTA_CREATE open it, as far as can be seen?  Makes and changes nothing
 * that stays.  0 or as quota_open.  *foreign_r: what is wrong with what is
 * there, which would be set aside (QUOTA_RENEWED); NULL: nothing. */
int quota_try(const char *path, const struct quota_options *opt,
    const char **foreign_r, struct errmsg *msg_r);
/*
 * The same interface on a table in memory, which nobody else sees and which
 * goes with quota_close: for simulations and tests, mostly with a clock of
 * their own.  The mode is QUOTA_CREATE.  0, ERR_CONFIG, ERR_NOMEM, ERR_SYSTEM.
 */
int quota_open_memory(struct quota **q_r, const struct quota_options *opt,
    struct errmsg *msg_r);
/* Nobody may be using it.  Counts stay in the file.  NULL is fine. */
void quota_close(struct quota *q);

/*
 * Has somebody removed, replaced or resized the file?  To be called now and
 * then (every few seconds, at a reload) by the daemon: until then it goes on
 * counting in the removed file.  Counts are moved to a new file under the old
 * name, or joined with those of a file that has the name.  Also notes the time
 * of day in the table, for after a reboot.  QUOTA_OPENED in *report_r: nothing
 * happened.  A file that is cut off or damaged while it is in use is renamed as
 * at the start, and all that can still be read of it goes into a new one.
 * 0, or an error as of quota_open: the old file stays in use.  In the modes
 * QUOTA_WRITE and QUOTA_READ it follows a table that was moved, no more;
 * ERR_FORMAT: it was cut off or damaged, so what was read of it may be wrong.
 */
int quota_check(struct quota *q, struct quota_report *report_r,
    struct errmsg *msg_r);

/* Is quota_check to be called at once?  It is if part of the mapped file is
 * gone, or a repair is still to be reported.  Costs next to nothing. */
bool quota_needs_check(const struct quota *q);

struct quota_info {
	uint32_t accounts;      /* room */
	uint32_t accounts_used; /* slots taken; idle ones are reused when
				 * full */
	uint32_t minors;        /* of them, those of the minor kind */
	unsigned limits;        /* rings in a slot */
	uint64_t bytes;         /* of the file */
	uint64_t resets;        /* of the whole table so far */
};

void quota_info(struct quota *q, struct quota_info *info_r);

/* --- counting --------------------------------------------------------- */

/* The outcomes of quota_reserve and quota_commit; failures are negative. */
enum {
	QUOTA_GRANTED = 0,
	QUOTA_REFUSED = 1, /* a limit is reached */
	QUOTA_LOCKED = 2,  /* the account is locked, or a sum of it */
	/*
	 * A store on another host has not replied: it may have counted or not.
	 * A table that is mapped or in memory never returns this.  The use has
	 * the amount, so that a release takes it back there too.  The local
	 * table, called next with the same limits, decides on the mail.
	 */
	QUOTA_UNCERTAIN = 3,
};

/* Which limit refuses, and until when. */
struct quota_refusal {
	unsigned level; /* whose limit or lock: 0 the account's, n that of the
			 * set's sum n - 1 */
	struct quota_limit limit; /* the one that refuses longest.  This and
				   * the rest are 0 with QUOTA_LOCKED */
	uint64_t used;            /* of it, without the amount refused */
	uint64_t retry_s; /* seconds from now until it fits if nobody else
			   * sends, rounded up, at least 1; or QUOTA_NEVER */
};

/*
 * What one message has reserved: {0} at its beginning, then the table's.
 * Holds no resource: a copy that is dropped costs the allowance until the
 * window has passed, nothing else.
 */
#define QUOTA_USE_OWN (8 + (1 + QUOTA_SUMS_MAX) * 440)
struct quota_use {
	/* For the caller to read. */
	const char *account; /* as in the first reserve; NULL: none yet */
	struct quota_amount amount; /* reserved so far */
	bool committed;
	/* Where the table has counted it. */
	_Alignas(uint64_t) unsigned char own[QUOTA_USE_OWN];
};

/*
 * Reserve more for a message.  The account (NUL-terminated, 1 to
 * QUOTA_ACCOUNT_MAX octets) and set must be those of earlier calls with the
 * same use; both are borrowed until the use is released.  The set may be NULL
 * or empty.  All of it is granted, or nothing changes and *refusal_r (may be
 * NULL) has the reason.  An amount larger than a limit is refused without being
 * added for even a moment.  An error counts nothing, and the caller decides:
 * ERR_FULL    the account, or a sum of it, is new and the table has neither a
 *             free nor an idle slot for it, or none for the minor kind; the
 *             result of that search is kept for a second, or for 32 times as
 *             long as it took, and needs no lock meanwhile.  Or the account has
 *             counts in so many other windows that there is no room for the
 *             set's until the next quota_check,
 * ERR_LIMIT   a name is too long, an amount too large, or a set has more limits
 *             than the table was opened for,
 * ERR_SYSTEM  locking the file failed.
 */
int quota_reserve(struct quota *q, const char *account,
    const struct quota_set *set, const struct quota_amount *amount,
    struct quota_use *use, struct quota_refusal *refusal_r);

/* Give part back (no more than is reserved): a recipient that another check
 * refused.  Not after the commit. */
void quota_give_back(struct quota *q, struct quota_use *use,
    const struct quota_amount *amount);

/*
 * Count the message as accepted now.  To be called as late as possible, just
 * before the reply.  If time has passed since the reservation, that is made
 * anew as of now, and it may be refused or fail (ERR_FULL, ERR_SYSTEM); then
 * all of it has gone back.  A lock set since the reservation refuses too.
 */
int quota_commit(struct quota *q, struct quota_use *use,
    struct quota_refusal *refusal_r);

/*
 * Count a committed message as of now: for a caller that learns the moment of
 * the reply and wants windows measured from there.  Never refuses.  Without a
 * commit it does nothing.  Windows have a margin of 1/110 of their length: a
 * reply that is no further from its commit needs no settling.
 */
void quota_settle(struct quota *q, struct quota_use *use);

/* A committed message was refused after all: all of it goes back, and use is
 * {0} again. */
void quota_cancel(struct quota *q, struct quota_use *use);

/* The message is over: what is not committed goes back, and use is {0} again.
 * May be called at any time, twice too. */
void quota_release(struct quota *q, struct quota_use *use);

/* --- looking ---------------------------------------------------------- */

struct quota_usage {
	struct quota_limit limit;
	uint64_t used;    /* committed or reserved within the window */
	uint64_t retry_s; /* 0: one more fits now; otherwise seconds from now,
			   * rounded up, or QUOTA_NEVER (a limit of 0) */
};

struct quota_state {
	bool known;  /* the table has the account */
	bool locked;
	unsigned count; /* of usage: one for each limit of the set, in order */
	struct quota_usage usage[QUOTA_LIMITS_MAX];
};

/*
 * What quota_reserve would return for so much more now, changing nothing and
 * taking no lock.  q NULL means a table in which nothing was counted.  An
 * account that the table does not have has used nothing; quota_has_room finds
 * whether there is room for it.  QUOTA_GRANTED, QUOTA_REFUSED, QUOTA_LOCKED, or
 * ERR_LIMIT: the name is too long.
 */
int quota_would(struct quota *q, const char *account,
    const struct quota_set *set, const struct quota_amount *amount,
    struct quota_refusal *refusal_r);

/*
 * Has the table the account, or a place for it, so that quota_reserve would not
 * return ERR_FULL?  True of this moment only.  Changes nothing and takes no
 * lock.  May look at the whole table: not for a caller that serves mail.
 */
bool quota_has_room(struct quota *q, const char *account,
    const struct quota_set *set);

/* What an account has used of a set, changing nothing.  A limit that it was
 * never counted against is reported from the other windows of its kind.  An
 * unknown account has used nothing.  0, or ERR_LIMIT: the name is too long. */
int quota_peek(struct quota *q, const char *account,
    const struct quota_set *set, struct quota_state *state_r);

/* One account of the table.  Names of more than QUOTA_NAME_KEPT octets are kept
 * cut off, with the key's first half in hex behind a tilde in place of the
 * rest: good to look at, not to look up.  May hold any octet but NUL. */
#define QUOTA_NAME_KEPT 96
struct quota_entry {
	char account[QUOTA_NAME_KEPT + 20];
	bool whole;  /* the name is not cut off */
	bool locked;
	uint64_t id[2]; /* the table's own name for it */
};

/* Walk through all accounts: *cursor is 0 at first, false is returned after the
 * last.  An account that comes or goes meanwhile may be missed. */
bool quota_next(struct quota *q, uint32_t *cursor, struct quota_entry *entry_r);
/* quota_peek for an entry, whatever its name's length. */
void quota_peek_entry(struct quota *q, const struct quota_entry *entry,
    const struct quota_set *set, struct quota_state *state_r);

/* --- administration --------------------------------------------------- */

/* Everybody's counts start from zero, at once, in all processes; locks stay.
 * What is reserved and not yet committed is counted again, all of it, when the
 * message reserves more or is committed; that may be refused then. */
int quota_reset_all(struct quota *q);
/* The same for one account.  ERR_NOTFOUND: the table does not have it. */
int quota_reset(struct quota *q, const char *account);
/* Lock or unlock; an account to be locked need not be known.  ERR_FULL,
 * ERR_NOTFOUND (unlocking one that is not there), ERR_LIMIT, ERR_SYSTEM.  In
 * QUOTA_READ mode these three are ERR_SYSTEM with EROFS. */
int quota_lock(struct quota *q, const char *account, bool locked);

/*
 * Rename the account `from` to `to`, with its lock and its counts.  If there is
 * a `to` already, the two are joined: it is locked if one of the two was, and
 * what each has used adds up, as of now.  A message under way goes on in the
 * account in which it has reserved, whatever the name.  The exception: where
 * two are joined, what it had reserved stays counted, and it begins anew under
 * the old name.  If this is killed, at any point, no count is lost;
 * when it is done again, it may count some twice.  0, and *joined_r (may be
 * NULL): there was one; ERR_NOTFOUND: no `from`; ERR_FULL, ERR_LIMIT,
 * ERR_SYSTEM.
 */
int quota_rename(
    struct quota *q, const char *from, const char *to, bool *joined_r);

/* Notes of a caller in the table: at its next start they show by which
 * configuration accounts were named.  Only a hash of the words is kept. */
enum quota_note {
	QUOTA_NOTE_REALM, /* the realm that was added to logins */
	QUOTA_NOTE_NAMES, /* all that names depend on */
	QUOTA_NOTES
};

/* Are these the words that were noted last?  1, 0, or ERR_NOTFOUND: none
 * were. */
int quota_noted(struct quota *q, enum quota_note note, const char *words);
/* 0 or ERR_SYSTEM. */
int quota_note(struct quota *q, enum quota_note note, const char *words);

#endif
