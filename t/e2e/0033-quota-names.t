#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Behind a real Postfix an account has one name, however its login is written,
# and realms that do not exist are one account; when QuotaRealm changes, locks
# and counts move where their new name is certain, and are named where not.

import os
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Postern, Postfix, Sink, binary, is_, like, need_root, ok, plan
import quota
from quota import conf, listed, refusal, send, used

REALMS = ['bob@r%d' % i for i in range(5)]
USERS = dict.fromkeys(['bob', 'eve', 'ann@example.com', 'bob@example.org'] +
                      REALMS, 'secret')
OWNERS = '''
SenderLogins        @example.org=bob@Example.ORG.
SenderLoginsAction  refuse
'''


def take(postern, text):
    """Another configuration is in force."""
    reloads = len(postern.log_lines(r': reloaded$'))
    postern.configure(conf() + text)
    postern.reload()
    postern.wait_log(r': reloaded$', reloads + 1)


def warned(postern):
    done = subprocess.run([binary('POSTERN'), '-n', '-x', postern.conf_file],
                          capture_output=True, text=True)
    return [line for line in done.stderr.splitlines()
            if 'QuotaRealms' in line]


def without(mta, postern):
    """As it is without QuotaRealm: two accounts."""
    like(str(warned(postern)), r'conf:\d+: warning: Quota: expected '
         'QuotaRealms too',
         '-n: warns without QuotaRealms')
    for user in ('bob', 'bob@example.org'):
        ok(send(mta, user=user).accepted, 'no QuotaRealm: %s sends' % user)
    is_((used(postern, 'bob'), used(postern, 'bob@example.org')),
        ((1, 1), (1, 1)), 'no QuotaRealm: two accounts')
    is_(postern.ctl('quota', 'lock', 'eve').returncode, 0, 'a lock')


def moved(mta, postern):
    take(postern, 'QuotaRealm Example.org.\nQuotaRealms example.com\n')
    is_(warned(postern), [], '-n: is content with QuotaRealms')
    accounts = listed(postern)
    is_(sorted(accounts), ['bob@example.org', 'eve@example.org'],
        'QuotaRealm: bare names are gone')
    is_(used(postern, 'bob@example.org'), (2, 2), 'QuotaRealm: counts add up')
    is_(accounts['eve@example.org']['locked'], True, 'QuotaRealm: locks stay')
    ok(postern.log_lines(r'bob is bob@example\.org now: what both have sent'),
       'QuotaRealm: the log says so', postern.log())
    like(str(refusal(send(mta, user='eve'))), r'eve@example\.org is locked',
         'QuotaRealm: the lock holds')
    ok(send(mta).accepted, 'QuotaRealm: the third mail')
    like(str(refusal(send(mta, user='bob@example.org'))),
         r'bob@example\.org has reached', 'QuotaRealm: and no fourth')
    for name in ('Bob', ' bob@ ', 'BOB@Example.ORG..'):
        is_(list(listed(postern, 'show', name)), ['bob@example.org'],
            'quota show: %r is one of its names' % name)


def unknown(mta, postern):
    sents = [send(mta, user=user) for user in REALMS]
    is_([sent.accepted for sent in sents], [True] * 3 + [False] * 2,
        'unknown realms: one account')
    is_(used(postern, 'realm:*'), (3, 3), 'unknown realms: its counts')
    is_([name for name in listed(postern) if '@r' in name], [],
        'unknown realms: have none of their own')
    ok(postern.log_lines(r'bob@r0: no realm of QuotaRealms'),
       'unknown realms: the log has the login')
    ok(send(mta, user='ann@example.com').accepted, 'a known one: sends')
    is_(used(postern, 'ann@example.com'), (1, 1), 'a known one: has its own')
    done = postern.ctl('quota', 'lock', 'bob@r0')
    like(done.stderr, r'not in QuotaRealms: .* counted in realm:\*',
         'quota lock: of an unknown realm')
    postern.ctl('quota', 'unlock', 'bob@r0')


def owned(mta, postern):
    """An owner and a login are compared in their one form."""
    take(postern, 'QuotaRealm example.org\nQuotaRealms example.com\n' + OWNERS)
    quota.reset(postern)
    ok(send(mta).accepted, 'SenderLogins: bob is bob@example.org')
    for user, name in (('ann@example.com', 'another login'),
                       ('bob@r0', 'an unknown realm')):
        sent = send(mta, user=user)
        like(str(sent.data), r'^550 .*does not belong',
             'SenderLogins: not %s' % name)


def left(mta, postern):
    postern.stop()
    postern.configure(conf() + 'QuotaRealm example.net\n')
    postern.run()
    ok(postern.wait_log(r'eve@example\.org stays as it is, with its lock: '
                        r'QuotaRealm was example\.org and is example\.net: '
                        r'the login eve is counted as eve@example\.net'),
       'another QuotaRealm: the log names the account and the realm',
       postern.log())
    is_(listed(postern)['eve@example.org']['locked'], True,
        'another QuotaRealm: what is not certain stays')


def main():
    need_root()
    plan(29)
    with Sink() as sink, Postern(conf()) as postern, \
            Postfix(sink, milter=postern, users=USERS) as mta:
        for step in (without, moved, unknown, owned, left):
            step(mta, postern)
    is_(postern.status, 0, 'postern ended well')


main()
