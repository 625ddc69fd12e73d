/*
 * The configuration of habits and alerts.  SPDX-License-Identifier:
 * BSD-2-Clause
 */
#ifndef MILTER_HABIT_CONF_H
#define MILTER_HABIT_CONF_H

#include "lib/conf/conf.h"
#include "lib/habit/habit.h"

struct dataset;
struct errmsg;

extern const struct conf_table habit_conf_options;

struct habit_conf {
	struct habit_options options; /* key 0.  ctx is the canaries */
	struct dataset *canaries;     /* NULL: none */
};

/* Decode c.  0, or a negative ERR_ and *msg_r.  Call habit_conf_fini in either
 * case. */
int habit_conf_init(
    struct habit_conf *h, const struct conf *c, struct errmsg *msg_r);
void habit_conf_fini(struct habit_conf *h);

#endif
