/*
 * Commands that mend what is closed to us, in the words of a message.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A person copies them into a root shell, so none may harm: what a process of
 * root's reads stays root's, a home stays closed, nobody loses a right that he
 * has, no file is written over.  Where the place itself is wrong, the command
 * makes a right one, and words behind it say to name that.
 */
#ifndef LIB_CURE_H
#define LIB_CURE_H

#include <stdbool.h>
#include <sys/types.h>

struct buf;
struct errmsg;
struct stat;

/* In front of it: a message that has it needs no other. */
#define CURE_WORDS "mend it with: "

/* What a file is to us. */
enum cure_kind {
	CURE_READ,   /* configuration or table: others may read it, and write */
	CURE_SECRET, /* a key: for us alone */
};

/* A path as a shell takes it, and a terminal too. */
void cure_path(struct buf *b, const char *path);
/* Does it lie in the home of somebody else than uid, or is it one? */
bool cure_in_home(const char *path, uid_t uid);
/* "COMMAND", and words behind it, for who has uid and gid: to read a file that
 * is closed to them, or to enter a directory. */
void cure_file(struct buf *b, const char *path, enum cure_kind kind, uid_t uid,
    gid_t gid);
void cure_enter(struct buf *b, const char *directory, const char *path,
    enum cure_kind kind, uid_t uid, gid_t gid);
/* To have the file in a place of its own. */
void cure_move(struct buf *b, const char *path, enum cure_kind kind, uid_t uid,
    gid_t gid);
/* To have a directory that belongs to user and group. */
void cure_directory(struct buf *b, const char *directory, const char *user,
    const char *group, mode_t mode);
/* The mistake that everyone may write to a file; `name` is for the message.
 * ERR_CONFIG. */
int cure_writable(const char *name, const char *path, const struct stat *st,
    struct errmsg *msg_r);
/* To have for us alone a file that we write. */
void cure_own(struct buf *b, const char *path, uid_t uid, gid_t gid);
/* To have our own file there: its directory, or itself. */
void cure_state(struct buf *b, const char *path, uid_t uid, gid_t gid);

#endif
