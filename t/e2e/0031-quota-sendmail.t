#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Behind a real Sendmail, too, every account is held to its quota; local mail,
# which comes by SMTP from 127.0.0.1, is held, once.

import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Postern, Sendmail, Sink, is_, like, need_root, plan
import quota
from quota import MESSAGE, conf, used


def quarantined(mta):
    names = os.listdir(os.path.join(mta.dir, 'queue'))
    return len([name for name in names if name.startswith('hf')])


def local_mail(mta, sink, postern):
    quota.fresh(mta, sink, postern)
    for _ in range(4):
        mta.sendmail('ann@example.org', 'eve@example.net', MESSAGE)
    is_(len(sink.wait_for(3)), 3, 'sendmail(1): three go out')
    is_(len(sink.wait_for(4, timeout=3)), 3, 'sendmail(1): the fourth does not')
    is_(quarantined(mta), 1, 'sendmail(1): it is held in the queue')
    like(mta.command('-bp', '-qQ').stdout.decode(),
         r'(?s)sender:ann@example.org has reached its limit of 3 messages',
         'sendmail(1): mailq -qQ says why')
    is_(os.listdir(os.path.join(mta.dir, 'clientqueue')), [],
        'sendmail(1): nothing is left to be tried again')
    is_(len(postern.log_lines(r'quota: sender:ann@example.org: limit')), 1,
        'sendmail(1): the log has one line')
    is_(used(postern, 'sender:ann@example.org'), (3, 3),
        'sendmail(1): counted by its sender')
    mta.command('-qQ', '-qInobody', '-Q')
    is_(quarantined(mta), 1, 'sendmail(1): one may be released alone')
    mta.command('-qQ', '-qI' + mta.queued()[0], '-Q')
    mta.command('-q')
    is_(len(sink.wait_for(4)), 4, 'sendmail(1): and goes out when released')


def main():
    need_root()
    plan(quota.CHECKS + 10)
    with Sink() as sink, Postern(conf()) as postern, \
            Sendmail(sink, milter=postern, users=quota.USERS) as mta:
        for step in (quota.until_refused, quota.reset_by_signal,
                     quota.partly_refused, quota.given_back, quota.locked,
                     quota.reset_by_name, quota.parallel, quota.too_big,
                     local_mail, quota.reloaded, quota.restarted):
            step(mta, sink, postern)
    is_(postern.status, 0, 'postern ended well')


main()
