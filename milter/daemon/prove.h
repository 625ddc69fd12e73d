/*
 * Does libmilter call our accept and mi_rd_cmd?  Another build of it may have
 * its calls bound within itself.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_PROVE_H
#define MILTER_DAEMON_PROVE_H

struct privileges;

enum prove_result {
	PROVE_BOTH,
	PROVE_ACCEPT, /* only accept */
	PROVE_READER, /* only mi_rd_cmd */
	PROVE_NEITHER,
	PROVE_UNKNOWN, /* it could not be tried */
};

/*
 * Have libmilter serve a connection on a loopback port that the system chooses,
 * in a child process with the rights of p.  Before any thread, and before
 * libmilter listens here: it has one listener in a process.
 */
enum prove_result prove_calls(const struct privileges *p);

#endif
