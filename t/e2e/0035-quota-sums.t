#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Behind a real Postfix a domain, and the whole server, are held to a limit over
# all of their accounts: the reply and the log name the one that is reached,
# nothing of a refused mail is counted anywhere, posternctl shows, resets and
# locks sums as accounts, and a reload brings others.

import json
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Postern, Postfix, Sink, is_, like, need_root, ok, plan
import quota
from quota import MESSAGE, limit_of, listed, refusal, send

USERS = dict.fromkeys(['ann', 'bob', 'cy@example.net'], 'secret')
CONF = '''
Mode           s
QuotaTable     @DIR@/quota
QuotaAccounts  1000
QuotaRealm     example.org
Quota default { Messages = {2/hour} Recipients = {9/hour} }
QuotaTotal "@example.org" { Messages = {%d/hour} }
QuotaTotal "*" { Messages = {3/hour} Recipients = {50/day} }
'''


def used(postern):
    """Messages of ann, bob, cy, their domain and the server."""
    return [limit_of(postern, account, 'messages')['used'] for account in (
        'ann@example.org', 'bob@example.org', 'cy@example.net', '@example.org',
        '*')]


def take(postern, text):
    """Another configuration is in force."""
    reloads = len(postern.log_lines(r': reloaded$'))
    postern.configure(text)
    postern.reload()
    postern.wait_log(r': reloaded$', reloads + 1)


def domain(mta, postern):
    is_([send(mta, user=user).accepted for user in ('ann', 'bob')], [True] * 2,
        'a domain: two accounts send')
    sent = send(mta, user='ann')
    like(str(refusal(sent)), r'450 4\.7\.1 @example\.org has reached its limit '
         r'of 2 messages in 1 hour; try again after ',
         'a domain: the third mail is over its sum')
    is_(used(postern), [1, 1, 0, 2, 2], 'a domain: it is counted nowhere')
    ok(postern.log_lines(r'ann@example\.org: limit of 2 messages in 1 hour for '
                         r'all of @example\.org'), 'a domain: the log says so',
       postern.log())
    is_(postern.summaries(2)[-2]['quota'],
        'messages/1h:1/2,recipients/1h:1/9,@example.org:messages/1h:2/2,'
        '*:messages/1h:2/3,*:recipients/1d:2/50', 'a domain: quota= of bob')
    # Of the table only: check does not count.
    done = postern.ctl('check', '--auth', 'bob', '--from', 'bob@example.org',
                       '--rcpt=r@example.net', input=MESSAGE)
    verdict = json.loads(done.stdout)
    is_((verdict['verdict'], verdict['decided_by']), ('tempfail', 'quota'),
        'posternctl check: would be refused')
    like(verdict['reply'], r'@example\.org has reached', 'by the sum')


def server(mta, postern):
    ok(send(mta, user='cy@example.net').accepted, 'the server: has room')
    like(str(refusal(send(mta, user='cy@example.net'))),
         r'This server has reached its limit of 3 messages in 1 hour',
         'the server: until its sum is reached')
    is_(used(postern), [1, 1, 1, 2, 3], 'the server: counted nowhere')
    like(postern.ctl('quota', 'list').stdout,
         r'(?m)^@example\.org +- +100% .* messages/1h 2/2 until ',
         'quota list: sums are accounts')
    is_(listed(postern, 'show', '@Example.ORG.')['@example.org']['limits'][0]
        ['limit'], 2, 'quota show: of a domain')


def resets(mta, postern):
    is_(postern.ctl('quota', 'reset', '*').returncode, 0, 'reset: the server')
    is_(used(postern), [1, 1, 1, 2, 0], 'reset: one sum alone')
    quota.reset(postern)
    is_(used(postern), [0] * 5, 'USR2: all of them')
    ok(send(mta, user='ann').accepted, 'USR2: all begin anew')


def reloads(mta, postern):
    take(postern, CONF % 1)
    like(str(refusal(send(mta, user='bob'))), r'@example\.org has reached its '
         r'limit of 1 message ', 'a reload: with less')
    take(postern, CONF % 5)
    ok(send(mta, user='bob').accepted, 'a reload: with more')
    is_(used(postern), [1, 1, 0, 2, 2], 'a reload: counts stay')


def locks(mta, postern):
    is_(postern.ctl('quota', 'lock', '@example.org').returncode, 0, 'lock')
    like(str(refusal(send(mta, user='bob'))), r'@example\.org is locked',
         'lock: of all accounts of a domain')
    ok(send(mta, user='cy@example.net').accepted, 'lock: and no other')
    is_(postern.ctl('quota', 'unlock', '@example.org').returncode, 0, 'unlock')
    done = postern.ctl('quota', 'lock', '@example.net')
    is_(done.returncode, 64, 'lock: no sum, no lock')
    like(done.stderr, r"can't be locked unless a QuotaTotal", 'lock: why')


def main():
    need_root()
    plan(26)
    with Sink() as sink, Postern(CONF % 2) as postern, \
            Postfix(sink, milter=postern, users=USERS) as mta:
        for step in (domain, server, resets, reloads, locks):
            step(mta, postern)
    is_(postern.status, 0, 'postern ended well')


main()
