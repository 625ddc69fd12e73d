/*
 * Who waits to hear that the daemon serves: the shell that started it
 * (Background), the service manager, the supervising parent.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_READY_H
#define MILTER_DAEMON_READY_H

/*
 * Background: go on in a child without a terminal.  The first process waits
 * until ready_say was called and ends with that status, so only the child
 * returns.  EX_OK, or EX_OSERR when there is no child.
 */
int ready_background(void);
/* From now on the status goes to this pipe only, not to those above (in the
 * child of a supervising parent). */
void ready_to(int fd);
/* Once: EX_OK when we serve, else why not.  In the background, standard input,
 * output and error are let go of with it. */
void ready_say(int status);

#endif
