# SPDX-License-Identifier: BSD-2-Clause
"""What holds for quotas behind every MTA, for the scripts in t/e2e."""

import json
import os
import threading
import time

from rig import PATIENCE, Client, RigError, diag, is_, like, ok, wait_until

USERS = {'bob': 'secret', 'eve': 'secret'}

CONF = '''
Mode           s
QuotaTable     @DIR@/quota
QuotaAccounts  1000
Quota default {
    Messages   = {3/hour, 50/day}
    Recipients = {5/hour}
    Bytes      = {%s/hour}
}
'''

MESSAGE = '''\
From: Bob <bob@example.org>
To: eve@example.net
Subject: counted
Date: Sat, 21 Nov 2026 12:00:00 +0000
Message-ID: <counted@example.org>

Hello.
'''

CHECKS = 37     # made by the functions below


def conf(messages='3', size='1M'):
    return CONF.replace('{3/hour', '{%s/hour' % messages) % size


def send(mta, rcpts='eve@example.net', user='bob', message=MESSAGE, params=''):
    with Client(mta.submission_port, login=(user, 'secret')) as client:
        return client.send('bob@example.org', rcpts, message, params)


def listed(postern, *args):
    """posternctl quota list --json as {account: object}."""
    done = postern.ctl('quota', *(args or ('list',)), '--json')
    if done.returncode:
        raise RigError('posternctl: %d %s' % (done.returncode, done.stderr))
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    return {one['account']: one for one in objects}


def limit_of(postern, account, kind, window=3600):
    """One limit of an account, as posternctl prints it."""
    for one in listed(postern).get(account, {'limits': []})['limits']:
        if one['kind'] == kind and one['window_s'] == window:
            return one
    return {'used': 0, 'limit': None, 'retry_at': None}


def used(postern, account='bob'):
    """(messages, recipients) in the last hour."""
    return (limit_of(postern, account, 'messages')['used'],
            limit_of(postern, account, 'recipients')['used'])


def reset(postern):
    """SIGUSR2, and wait until it was heard: counts may be 0 before that, and
    then it would take away what comes next."""
    heard = len(postern.log_lines('quotas reset$'))
    postern.reset_quotas()
    postern.wait_log('quotas reset$', heard + 1)


def fresh(mta, sink, postern):
    """Nothing counted, nothing on its way, nothing arrived."""
    reset(postern)
    try:
        wait_until(lambda: not mta.queued(), PATIENCE, 'an empty queue')
    except RigError as error:
        diag(error)
    sink.clear()


def refusal(sent):
    """The first reply that refused something, or None."""
    for reply in [sent.mail] + sent.rcpts + [sent.data]:
        if reply is not None and not reply.ok:
            return reply
    return None


def until_refused(mta, sink, postern):
    sents = [send(mta) for _ in range(4)]
    is_([sent.accepted for sent in sents], [True, True, True, False],
        'a login sends what its limit allows, and no more')
    reply = sents[3].rcpts[0]
    is_(reply.code, 450, 'refused: 450')
    like(reply.text, r'^4\.7\.1 ', 'refused: with the enhanced code')
    like(reply.text, r'3 messages', 'refused: names the limit')
    like(reply.text, r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ.* 6\d minutes',
         'refused: says when to try again')
    is_(len(sink.wait_for(3)), 3, 'what was accepted is delivered')
    account = listed(postern)['bob']
    is_([account['locked'], len(account['limits'])], [False, 4],
        'quota list --json: the account')
    for limit in account['limits']:
        limit['retry_at'] = limit['retry_at'] and \
            0 < limit['retry_at'] - time.time() < 3800
    is_([one for one in account['limits'] if one['kind'] != 'bytes'], [
        {'kind': 'messages', 'window_s': 3600, 'limit': 3, 'used': 3,
         'retry_at': True},
        {'kind': 'messages', 'window_s': 86400, 'limit': 50, 'used': 3,
         'retry_at': None},
        {'kind': 'recipients', 'window_s': 3600, 'limit': 5, 'used': 3,
         'retry_at': None}], 'quota list --json: the numbers')
    line = postern.wait_log(r'quota: bob: .*limit')
    ok(line, 'the refusal is logged', postern.log())
    like(postern.summaries(4)[0].get('quota', ''),
         r'^messages/1h:1/3,messages/1d:1/50,recipients/1h:1/5,bytes/1h:',
         'the summary line has the quota')


def reset_by_signal(mta, sink, postern):
    reset(postern)
    ok(send(mta).accepted, 'after SIGUSR2 the next mail passes')
    is_(used(postern), (1, 1), 'and counting begins anew')


def partly_refused(mta, sink, postern):
    fresh(mta, sink, postern)
    sent = send(mta, ['r%d@example.net' % i for i in range(7)])
    is_([reply.code for reply in sent.rcpts], [250] * 5 + [450] * 2,
        'several recipients: those over the limit are refused')
    ok(sent.accepted, 'several recipients: the mail is accepted', sent)
    is_(sorted(rcpt for mail in sink.wait_for(1) for rcpt in mail.rcpts),
        ['r%d@example.net' % i for i in range(5)],
        'several recipients: the others get it')
    is_(used(postern), (1, 5), 'several recipients: the numbers')


def given_back(mta, sink, postern):
    reset(postern)
    with Client(mta.submission_port, login=('bob', 'secret')) as client:
        client.cmd('MAIL FROM:<bob@example.org>')
        client.cmd('RCPT TO:<eve@example.net>')
        is_(used(postern), (1, 1), 'a recipient is reserved at RCPT')
        client.cmd('RSET')
        client.cmd('MAIL FROM:<bob@example.org>')
        is_(used(postern), (0, 0), 'RSET gives it back')
        client.cmd('RCPT TO:<eve@example.net>')
    try:
        wait_until(lambda: used(postern) == (0, 0), PATIENCE,
                   'given back')
    except RigError:
        pass
    is_(used(postern), (0, 0), 'a lost connection gives it back')


def locked(mta, sink, postern):
    reset(postern)
    is_(postern.ctl('quota', 'lock', 'bob').returncode, 0, 'lock')
    sent = send(mta)
    like(str(refusal(sent)), r'^450 4\.7\.1 .*locked',
         'a locked account is refused')
    ok(send(mta, user='eve').accepted, 'another account is not')
    is_(listed(postern, 'show', 'bob')['bob']['locked'], True,
        'quota show: locked')
    reset(postern)
    ok(not send(mta).accepted, 'a reset leaves the lock')
    is_(postern.ctl('quota', 'unlock', 'bob').returncode, 0, 'unlock')
    ok(send(mta).accepted, 'an unlocked account may send')


def reset_by_name(mta, sink, postern):
    reset(postern)
    for user in ('bob', 'eve'):
        send(mta, user=user)
    is_(postern.ctl('quota', 'reset', 'bob').returncode, 0, 'quota reset')
    is_((used(postern), used(postern, 'eve')), ((0, 0), (1, 1)),
        'quota reset: that account alone')


def parallel(mta, sink, postern):
    """Many connections of one account share its limit."""
    fresh(mta, sink, postern)
    sents = []

    def one():
        sents.append(send(mta))
    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    is_((len(sents), sum(sent.accepted for sent in sents)), (12, 3),
        'parallel connections: no more than the limit')
    is_(used(postern), (3, 3), 'parallel connections: the numbers')


def too_big(mta, sink, postern):
    reset(postern)
    sent = send(mta, params='SIZE=2000000')
    like(str(refusal(sent)), r'^450 4\.7\.1 .*1048576 bytes',
         'SIZE= that cannot fit is refused')
    is_(used(postern), (0, 0), 'and not counted')


def reloaded(mta, sink, postern):
    """Another limit keeps the counts."""
    reset(postern)
    for _ in range(3):
        send(mta)
    postern.configure(conf(messages='4'))
    postern.reload()
    try:
        wait_until(lambda: send(mta).accepted, PATIENCE, 'reload')
    except RigError as error:
        diag(error)
    ok(not send(mta).accepted, 'a reload with another limit keeps the counts')
    is_(limit_of(postern, 'bob', 'messages')['used'], 4,
        'and goes on counting from there')
    postern.configure(conf())
    postern.reload()


def restarted(mta, sink, postern):
    reset(postern)
    for _ in range(3):
        send(mta)
    postern.stop()
    postern.run()
    ok(not send(mta).accepted, 'a restart keeps the counts')
    postern.process.kill()
    postern.stop()
    os.unlink(postern.address)
    postern.run()
    ok(not send(mta).accepted, 'kill -9 keeps the counts')
    is_(used(postern), (3, 3), 'and neither adds to them')
