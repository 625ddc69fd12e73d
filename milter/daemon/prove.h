/*
 * Tests whether libmilter calls our accept and mi_rd_cmd.  A build of libmilter
 * may be linked so that it does not.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_PROVE_H
#define MILTER_DAEMON_PROVE_H

struct privileges;

enum prove_result {
	PROVE_BOTH,
	PROVE_ACCEPT, /* only accept */
	PROVE_READER, /* only mi_rd_cmd */
	PROVE_NEITHER,
	PROVE_UNKNOWN, /* the test failed */
};

/*
 * Let libmilter serve a connection on a loopback port that the system chooses,
 * in a child process with the rights of p.  To be called before there are
 * threads, and before libmilter listens in this process, since it has only one
 * listener.
 */
enum prove_result prove_calls(const struct privileges *p);

#endif
