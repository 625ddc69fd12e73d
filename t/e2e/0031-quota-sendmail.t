#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Behind a real Sendmail, too, every account is held to its quota; local mail,
# which comes by SMTP from 127.0.0.1, waits and goes out later.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
from rig import Postern, Sendmail, Sink, is_, need_root, ok, plan
import quota
from quota import MESSAGE, conf, reset, used


def local_mail(mta, sink, postern):
    quota.fresh(mta, sink, postern)
    for _ in range(4):
        mta.sendmail('ann@example.org', 'eve@example.net', MESSAGE)
    is_(len(sink.wait_for(3)), 3, 'sendmail(1): three go out')
    is_(len(sink.wait_for(4, timeout=3)), 3, 'sendmail(1): the fourth waits')
    ok(postern.wait_log(r'quota: sender:ann@example.org: limit'),
       'sendmail(1): the refusal is logged')
    reset(postern)
    mta.command('-Ac', '-q', config=mta.submit_config)
    is_(len(sink.wait_for(4, timeout=240)), 4,
        'sendmail(1): and goes out once there is room')
    is_(used(postern, 'sender:ann@example.org'), (1, 1),
        'sendmail(1): counted by its sender')


def main():
    need_root()
    plan(quota.CHECKS + 6)
    with Sink() as sink, Postern(conf()) as postern, \
            Sendmail(sink, milter=postern, users=quota.USERS) as mta:
        for step in (quota.until_refused, quota.reset_by_signal,
                     quota.partly_refused, quota.given_back, quota.locked,
                     quota.reset_by_name, quota.parallel, quota.too_big,
                     local_mail, quota.reloaded, quota.restarted):
            step(mta, sink, postern)
    is_(postern.status, 0, 'postern ended well')


main()
