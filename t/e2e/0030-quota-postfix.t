#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# Behind a real Postfix every account is held to its quota. What is refused
# hears when to try again; what is refused or given up is not counted; neither
# a signal, a reload, a restart, a kill nor trouble with the table loses a mail
# or grants more than the limit. Local mail and the server's own bounces over a
# limit are held, once; however many senders a local program makes up, logins
# have room to be counted.

import os
import re
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import PATIENCE, Postern, Postfix, RigError, Sink, diag, is_, like, \
    need_root, new_dir, ok, plan, wait_until
import quota
from quota import MESSAGE, conf, fresh, reset, send, used


def command_line(mta, sink, postern):
    """What posternctl says for people, and when there is nothing to say."""
    reset(postern)
    send(mta)
    done = postern.ctl('quota', 'list')
    like(done.stdout, r'(?m)^ACCOUNT +STATE .* USED/LIMIT$',
         'quota list: a heading')
    like(done.stdout, r'(?m)^bob +- +33% .* messages/1h 1/3 +messages/1d 1/50 ',
         'quota list: the numbers')
    done = postern.ctl('quota', 'show', 'nobody')
    is_((done.returncode, done.stdout), (1, ''), 'show: an unknown account')
    like(done.stderr, r'nobody: no such account', 'show: says so')
    is_(postern.ctl('quota', 'show', 'BOB').returncode, 0,
        'show: names match without case')
    for args, why in (
            (('frobnicate',), r'frobnicate: no such command'),
            (('lock',), r'lock: expected an account'),
            (('list', 'bob'), r'bob: more than is expected'),
            (('lock', '@example.org'), r"a domain can't be locked"),
            (('list', '--sort', 'size'), r'--sort: expected account, used, ')):
        done = postern.ctl('quota', *args)
        is_(done.returncode, 64, 'usage: 64: %s' % ' '.join(args))
        like(done.stderr, why, 'usage: the cause: %s' % ' '.join(args))
    done = postern.ctl('quota', 'lock', 'newcomer')
    like(done.stderr, r'newcomer: locked, though no mail',
         'lock: an account that is not known yet')
    done = postern.ctl('quota', 'lock', 'newcomer')
    is_((done.returncode, done.stderr), (0, ''), 'lock: once more')
    postern.ctl('quota', 'unlock', 'newcomer')
    before = used(postern)
    done = postern.ctl('check', '--auth', 'bob', '--from', 'bob@example.org',
                       *['--rcpt=r@example.net'] * 9, input=MESSAGE)
    like(done.stdout, r'"verdict":"accept"', 'check: some recipients fit')
    is_(used(postern), before, 'check: counts nothing')


def sendmail(mta, count, sender='ann@example.org', rcpts='eve@example.net',
             message=MESSAGE):
    for _ in range(count):
        mta.sendmail(sender, rcpts, message)


def arrived(sink, count):
    """Whether so many arrive, and for a while no more."""
    got = len(sink.wait_for(count))
    return got if got < count else len(sink.wait_for(count + 1, timeout=3))


def held_count(mta):
    """How much mail is in the hold queue."""
    listing = mta.command('postqueue', '-p').stdout.decode()
    return len(re.findall(r'(?m)^\w+! ', listing))


def becomes(true):
    """Whether it becomes true before patience ends."""
    try:
        wait_until(true, PATIENCE, 'it')
    except RigError as error:
        diag(error)
    return true()


def local_mail(mta, sink, postern):
    fresh(mta, sink, postern)
    sendmail(mta, 5)
    is_(arrived(sink, 3), 3, 'sendmail(1): three go out, two do not')
    is_(used(postern, 'sender:ann@example.org'), (3, 3),
        'sendmail(1): counted by its sender')
    is_(held_count(mta), 2, 'sendmail(1): they are held in the queue')
    is_(len(mta.log_lines(r'cleanup\[.*milter-hold: END-OF-MESSAGE')), 2,
        'sendmail(1): the MTA logs it once for each')
    # Each further mail makes Postfix look for files that it could not pass on.
    sendmail(mta, 8, sender='cat@example.org')
    is_(arrived(sink, 6), 6,
        'sendmail(1): other mail passes meanwhile, up to its own limit')
    is_(held_count(mta), 7, 'sendmail(1): what is over that is held too')
    is_(os.listdir(os.path.join(mta.queue, 'maildrop')), [],
        'sendmail(1): no file is left to be tried for ever')
    is_((len(postern.log_lines(r'quota: sender:ann@example.org: limit')),
         len(postern.log_lines(r'quota: sender:cat@example.org: limit'))),
        (2, 5), 'sendmail(1): one line of log for each mail')
    is_(mta.log_lines(r'cleanup\[.*reject:|4\.3\.5'), [],
        'sendmail(1): nothing is refused')
    mta.command('postsuper', '-H', 'ALL', 'hold')
    mta.command('postqueue', '-f')
    is_(len(sink.wait_for(13)), 13,
        'sendmail(1): and goes out when it is released')
    fresh(mta, sink, postern)
    postern.ctl('quota', 'lock', 'sender:ann@example.org')
    sendmail(mta, 1)
    ok(becomes(lambda: held_count(mta) == 1),
       'sendmail(1): mail of a locked sender is held')
    mta.command('postsuper', '-d', 'ALL', 'hold')
    postern.ctl('quota', 'unlock', 'sender:ann@example.org')
    fresh(mta, sink, postern)
    script = 'X-PHP-Originating-Script: 33:Form.php\n' + MESSAGE
    sendmail(mta, 2, message=script)
    is_(arrived(sink, 2), 2, 'a script: goes out')
    is_((used(postern, 'script:33:form.php'),
         used(postern, 'sender:ann@example.org')), ((2, 2), (0, 0)),
        'a script: counted by its own name')


CROWD = '''
QuotaAction    550
Quota "sender:<>" { Messages = {2/hour} }
'''


def made_up_senders(mta, sink, postern):
    """Ten of them: four have a place, six share sender:*."""
    for i in range(10):
        sendmail(mta, 1, sender='s%d@example.org' % i)
    is_(arrived(sink, 4 + 3), 4 + 3,
        'made-up senders: those over half of the table share one limit')
    is_(held_count(mta), 3, 'made-up senders: what is over it is held')
    names = sorted(quota.listed(postern))
    is_((names[0], len(names)), ('sender:*', 5),
        'made-up senders: quota list shows what they share')
    is_(used(postern, 'sender:*'), (3, 3), 'made-up senders: its numbers')
    like(postern.ctl('quota', 'show', 'sender:*').stdout,
         r'(?m)^sender:\* +- +100% .* messages/1h 3/3 until ',
         'made-up senders: quota show, too')
    ok(postern.log_lines(r'quota: .*senders and scripts fill their half'),
       'made-up senders: the log says so')
    is_([send(mta, user=user).accepted for user in ('bob', 'eve')],
        [True, True], 'made-up senders: logins have room')
    is_((used(postern), used(postern, 'eve')), ((1, 1), (1, 1)),
        'made-up senders: and are counted, each by its own name')
    mta.command('postsuper', '-d', 'ALL', 'hold')


def bounces(mta, sink, postern):
    """The server's own, which it shows to the filter."""
    fresh(mta, sink, postern)
    for i in range(4):
        sendmail(mta, 1, sender='s%d@example.org' % i,
                 rcpts='nobody@bad.example')
    ok(becomes(lambda: held_count(mta) == 2),
       'bounces: are held over the limit of sender:<>, not refused')
    is_([mail.sender for mail in sink.wait_for(2)], ['', ''],
        'bounces: go out up to it')
    is_(used(postern, 'sender:<>'), (2, 2), 'bounces: the numbers')
    mta.command('postsuper', '-d', 'ALL', 'hold')


def crowded():
    text = conf().replace('1000\n', '8\n') + CROWD
    with Sink() as sink, Postern(text) as postern, \
            Postfix(sink, milter=postern, non_smtpd_milter=postern,
                    users=quota.USERS, settings={
                        'internal_mail_filter_classes': 'bounce',
                        'transport_maps': 'inline:{bad.example=error:'
                                          '5.1.1}'}) as mta:
        made_up_senders(mta, sink, postern)
        bounces(mta, sink, postern)


def held(mta, sink, postern):
    """QuotaAction hold: taken, not sent on, not counted."""
    fresh(mta, sink, postern)
    postern.configure(conf() + 'QuotaAction hold\n')
    reloads = len(postern.log_lines(r': reloaded$'))
    postern.reload()
    postern.wait_log(r': reloaded$', reloads + 1)
    is_([send(mta).accepted for _ in range(4)], [True] * 4,
        'hold: all mail is taken')
    is_(arrived(sink, 3), 3, 'hold: what is over the limit is not sent on')
    like(mta.command('postqueue', '-p').stdout.decode(), r'(?m)^\w+! ',
         'hold: but held')
    is_(used(postern), (3, 3), 'hold: and not counted')
    mta.command('postsuper', '-d', 'ALL', 'hold')
    postern.configure(conf())
    postern.reload()
    postern.wait_log(r': reloaded$', reloads + 2)


def removed(mta, sink, postern):
    fresh(mta, sink, postern)
    is_([send(mta).accepted for _ in range(2)], [True, True],
        'before the table is removed')
    os.unlink(os.path.join(postern.dir, 'quota'))
    # A daemon that gets mail looks after its table every few seconds.
    done = postern.ctl('quota', 'list', '--json')
    is_((done.returncode, done.stdout), (0, ''), 'no table: nothing to list')
    like(done.stderr, r'/quota: there is no table yet', 'no table: is said')
    for status, *args in ((0, 'reset'), (1, 'reset', 'bob'), (1, 'show', 'bob'),
                          (1, 'lock', 'bob'), (1, 'unlock', 'bob')):
        done = postern.ctl('quota', *args)
        is_((done.returncode, 'there is no table yet' in done.stderr),
            (status, True), 'no table: %s' % ' '.join(args))
    ok(not os.path.exists(os.path.join(postern.dir, 'quota')),
       'no table: posternctl makes none')
    sents = []

    def restored():
        sents.append(send(mta))
        return os.path.exists(os.path.join(postern.dir, 'quota'))
    try:
        wait_until(restored, PATIENCE, 'the table')
    except RigError as error:
        diag(error)
    is_(sum(sent.accepted for sent in sents), 1,
        'a removed table: not one mail more than the limit')
    is_(len(sink.wait_for(3)), 3, 'a removed table: no mail is lost')
    is_(used(postern), (3, 3), 'a removed table: comes back with its counts')
    ok(postern.log_lines(r'quota: .*/quota: '), 'a removed table: is logged',
       postern.log())


def mounted(size):
    """A small file system, or None where none can be mounted."""
    path = new_dir('small')
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%d' % size,
                           'postern-test', path], capture_output=True)
    return path if done.returncode == 0 else None


def full_disk(sink):
    """Found out at the start or at a reload, never while mail flows."""
    small = mounted(1 << 20)
    if small is None:
        for name in ('start', 'words', 'reload', 'goes on', 'counts'):
            ok(True, 'a full disk: %s # SKIP no mount here' % name)
        return
    try:
        text = conf().replace('@DIR@/quota', small + '/quota')
        _full_disk(sink, text)
    finally:
        subprocess.run(['umount', '-l', small])


def _full_disk(sink, text):
    big = text.replace('1000\n', '100000\n')
    postern = Postern(big, start=False)
    try:
        postern.run()
        failed = False
    except RigError:
        failed = True
    ok(failed, 'a full disk: no start with a table that does not fit')
    like(postern.log(), r'QuotaTable: .*\d+.*QuotaAccounts',
         'a full disk: says how many octets, and what to do')
    postern.stop()
    with Postern(text.replace('1000\n', '100\n')) as small, \
            Postfix(sink, milter=small, users=quota.USERS) as mta:
        send(mta)
        small.configure(big)
        small.reload()
        ok(small.wait_log(r'keeps room for 100 accounts.*No space left'),
           'a full disk: after such a reload the table is as it was')
        is_([send(mta).accepted for _ in range(3)], [True, True, False],
            'a full disk: mail flows on')
        is_(used(small), (3, 3), 'a full disk: counting goes on')


def main():
    need_root()
    plan(quota.CHECKS + 66)
    with Sink() as sink, Postern(conf()) as postern, \
            Postfix(sink, milter=postern, non_smtpd_milter=postern,
                    users=quota.USERS) as mta:
        for step in (quota.until_refused, quota.reset_by_signal,
                     quota.partly_refused, quota.given_back, quota.locked,
                     quota.reset_by_name, quota.parallel, quota.too_big,
                     command_line, local_mail, held, removed, quota.reloaded,
                     quota.restarted):
            step(mta, sink, postern)
    is_(postern.status, 0, 'postern ended well')
    crowded()
    with Sink() as sink:
        full_disk(sink)


main()
