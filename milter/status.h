/*
 * What only the running daemon knows, as a file in StateDirectory for posternctl
 * status.  SPDX-License-Identifier: BSD-2-Clause
 *
 * It is one JSON object, replaced as a whole:
 *
 *	pid, start, boot   which process it is: `start` is its start time as
 *	                   /proc has it, `boot` the id of the boot; null where
 *	                   they can't be read
 *	written            CLOCK_MONOTONIC, milliseconds
 *	since              when it began to serve, seconds since the epoch
 *	version, config    config: the file, or null
 *	problems           fatal, what, text, cure of each (problems.h)
 *	off                what and why of each stage that takes no part
 *	gauges             a number, or an object of numbers by their label
 */
#ifndef MILTER_STATUS_H
#define MILTER_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct buf;
struct errmsg;
struct problems;

#define STATUS_EVERY_MS 10000 /* it is written anew at least so often */
#define STATUS_FILE "status"
#define STATUS_SIZE_MAX (1 << 20) /* octets of the file */

/* Which process this is. */
struct status_process {
	pid_t pid;
	char start[32]; /* "": not known */
	char boot[64];  /* "": not known */
};

/* False: there is no such process. */
bool status_process(pid_t pid, struct status_process *process_r);

/* The daemon begins to serve.  config, or NULL, must last. */
void status_begin(const char *config, time_t now);
time_t status_since(void);

/* Append the object.  now_ms: as clock_ms(). */
void status_text(struct buf *to, const struct problems *p, int64_t now_ms);
/* Replace the file at path.  0, or ERR_SYSTEM and *msg_r. */
int status_write(const char *path, const struct buf *text, struct errmsg *msg_r);

#endif
