/*
 * Commands that mend what is closed to us, in the words of a message.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A person copies them into a root shell, so none may harm: what a process of
 * root's reads stays root's, a home stays closed, nobody loses a right that he
 * has, no file is written over, and none that is closed to us is opened or
 * copied but keys and what stands in our own directories.  Where the place
 * itself is wrong, the command makes a right one, and words behind it say to
 * name that.
 */
#ifndef LIB_BASE_CURE_H
#define LIB_BASE_CURE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct buf;
struct errmsg;
struct stat;

/* In front of it. */
#define CURE_WORDS "mend it with: "

/* What a file is to us. */
enum cure_kind {
	CURE_READ,   /* a table or rules: others may read it, and write */
	CURE_CONF,   /* the configuration, which root has read as such */
	CURE_SECRET, /* a key: for us alone */
};

/* A file, and who is to read it. */
struct cure_reader {
	const char *named; /* its path as it was given */
	const char *path;  /* where that leads */
	enum cure_kind kind;
	uid_t uid;
	gid_t gid;
};

/* A path, or a name, as a shell takes it, and a terminal too. */
void cure_path(struct buf *b, const char *path);
/* Instead of what stands behind `from`, if a message has no room for it: that
 * there is a command, and none that is cut. */
void cure_fit(struct buf *b, size_t from);
/* Does it lie in the home of somebody else than uid, or is it one? */
bool cure_in_home(const char *path, uid_t uid);
/* Does it stand where files are for us alone, and nobody else has a secret? */
bool cure_is_ours(const char *path);
/* An absolute path without links and dots, as far as it is there.  False: it
 * can't be told. */
bool cure_lead(const char *path, char real_r[PATH_MAX]);
/* May a directory of that name be made for uid, or be given to it?  It is not
 * there, or it is uid's, or empty; and nobody else can come in between. */
bool cure_may_take(const char *dir, uid_t uid);
/* CURE_WORDS, "COMMAND", and words behind it: to read a file that is closed, or
 * to enter a directory.  What may be another's secret is asked about instead,
 * without a command. */
void cure_file(struct buf *b, const char *path, const struct cure_reader *r);
void cure_enter(
    struct buf *b, const char *directory, const struct cure_reader *r);
/* "COMMAND", and words behind it: to have the file in a place of its own. */
void cure_move(struct buf *b, const struct cure_reader *r);
/* CURE_WORDS, "COMMAND": to write to a lock file, which may not be there.
 * Nothing, where a command could do harm. */
void cure_lock(struct buf *b, const char *path, uid_t uid, gid_t gid);
/* CURE_WORDS, "COMMAND": of a file, or the directory it is in, that an
 * attribute keeps from being changed, whatever the modes say.  False, and
 * nothing: there is none. */
bool cure_fixed(struct buf *b, const char *path);
/* Has that open file such an attribute? */
bool cure_is_fixed(int fd);
/* To have a directory that belongs to user and group. */
void cure_directory(struct buf *b, const char *directory, const char *user,
    const char *group, mode_t mode);
/* The directory that a file is in. */
void cure_parent(const char *path, char dir_r[PATH_MAX]);
/* The mistake that everyone may write to a file; `name` is for the message.
 * ERR_CONFIG. */
int cure_writable(const char *name, const char *path, const struct stat *st,
    struct errmsg *msg_r);
/* To have our own file there, for us alone: its directory, or itself.  Of the
 * user's own group, where it has one. */
void cure_state(struct buf *b, const char *path, uid_t uid, gid_t gid);

#endif
