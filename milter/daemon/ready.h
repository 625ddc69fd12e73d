/*
 * Reports that the daemon serves, or why not, to whoever waits for it: the
 * shell that started it (Background), the service manager, the supervising
 * parent.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_READY_H
#define MILTER_DAEMON_READY_H

/*
 * Background: go on in a child without a terminal.  Only the child returns: the
 * first process waits until ready_report is called, and ends with that status.
 * EX_OK, or EX_OSERR when there is no child.
 */
int ready_background(void);
/* In the child of a supervising parent: report to this pipe only. */
void ready_to(int fd);
/* To be called once: EX_OK when we serve, or the exit status.  In the
 * background it also closes standard input, output and error. */
void ready_report(int status);

#endif
