/*
 * Mapped files that others can cut off: a fault in one of them is survived.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Whoever touches a mapped page that the file no longer has gets SIGBUS, and by
 * default dies.  A program that has called mapguard_install puts zeros in the
 * place of such a page, where the mapping was registered, and goes on; whoever
 * owns the mapping finds that out with mapguard_hit, and renews what he keeps
 * there.  A fault anywhere else ends the program as it would have.
 *
 * SIGBUS reaches only a thread that has it open: threads are made with
 * mapguard_other_signals blocked, never with all.
 */
#ifndef LIB_BASE_MAPGUARD_H
#define LIB_BASE_MAPGUARD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct mapguard;

/* Catch SIGBUS, for the whole process: for a program's main, once, before there
 * are threads.  0 or ERR_SYSTEM. */
int mapguard_install(void);

/* Register a shared mapping of fd (borrowed until the removal; -1: a file that
 * is closed already) from its offset 0.  NULL: no memory. */
struct mapguard *mapguard_add(void *at, size_t size, int fd);
/* Before it is unmapped.  NULL is fine. */
void mapguard_remove(struct mapguard *g);
/* Has a page been replaced?  Of NULL: no. */
bool mapguard_hit(const struct mapguard *g);

/* Is that address in a mapping that is registered? */
bool mapguard_holds(const void *at);

/* All signals but those that a fault raises. */
void mapguard_other_signals(sigset_t *set);

#endif
