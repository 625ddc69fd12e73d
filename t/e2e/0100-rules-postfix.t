#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# The same mail inbound and outbound through Postfix, weighed by a rule file:
# marked, held, refused, refused for now, dropped, each direction by thresholds
# of its own; what stands in the queue and in the mailbox, what posternctl says
# of it and how often each rule hit, and that a bad rule file leaves the old one
# in force. Symbols of rules in Refuse, and one that there is not.

import json
import os
import re
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import Client, Postern, Postfix, Sink, is_, like, need_root, ok, plan
import proc

RULES = '''
rewrite_header Subject [SPAM]
header PILLS Subject =~ /cheap pills/i
score  PILLS 4
body   NOW /buy now/i
score  NOW 2
meta   BOTH (PILLS && NOW)
score  BOTH 1
header CLIENT X-Spam-Relays-External =~ /^\\[ ip=192\\.0\\.2\\.1 /
score  CLIENT 0.5
meta   OURS (OUTBOUND && PILLS)
score  OURS 0.3
'''
CONF = ('RuleFile @DIR@/local.cf\nRuleStats @DIR@/stats/rules\n'
        'SPF no\nDMARC no\nIPRev no\nHELO no\n')
HAM = 'From: a@example.com\nSubject: lunch\n\nAt noon?\n'
SPAM = ('From: a@example.com\nX-Spam-Flag: NO\n'
        'Subject: Cheap pills\n\nBuy now!\n')


def main():
    need_root()
    plan(24 + 9 + 2 * 18 + 4 + 5)
    with Sink() as sink, \
            Postern(CONF, files={'local.cf': RULES}) as postern, \
            Postfix(sink, milter=postern, users={'bob': 'secret'}) as mta:
        marked(mta, sink, postern)
        counted(postern)
        held(mta, sink, postern)
        refused(mta, sink, postern)
        outbound(mta, sink, postern)
        for direction in ('in', 'out'):
            handled(mta, sink, postern, direction)
        symbols_refuse(mta, sink, postern)
        checked(postern)
        reloaded(mta, sink, postern)
        lost(mta, sink, postern)
        counted_on(mta, sink, postern)


def configure(postern, more):
    count = len(postern.log_lines('reloaded'))
    postern.configure(CONF + more)
    postern.reload()
    postern.wait_log('reloaded', count + 1)


def send(mta, sink, message, login=None):
    sink.clear()
    with Client(mta.submission_port if login else mta.port,
                login=('bob', 'secret') if login else None,
                xclient=None if login else {
                    'ADDR': '192.0.2.1', 'NAME': 'x.example',
                    'HELO': 'x.example'}) as client:
        return client.send('a@example.com', 'bob@example.org', message)


def one(mail, name):
    values = [re.sub(r'\s+', ' ', v).strip() for v in mail.values(name)]
    return values[0] if len(values) == 1 else values


def marked(mta, sink, postern):
    ok(send(mta, sink, SPAM).accepted, 'spam is taken')
    mail = sink.wait_for(1)[0]
    is_(one(mail, 'X-Spam-Flag'), 'YES', 'and marked; a forged mark is gone')
    like(one(mail, 'X-Spam-Status'), r'^Yes, score=7\.5 required=5\.0 '
         r'tests=BOTH,CLIENT,NOW,PILLS\b', 'with what hit')
    is_(one(mail, 'X-Spam-Level'), '*******', 'with stars')
    is_(one(mail, 'Subject'), '[SPAM] Cheap pills', 'and in the subject')
    ok(send(mta, sink, HAM).accepted, 'ham is taken')
    mail = sink.wait_for(1)[0]
    like(one(mail, 'X-Spam-Status'), r'^No, score=0\.5 ', 'and looked at')
    is_((mail.values('X-Spam-Flag'), one(mail, 'Subject')), ([], 'lunch'),
        'and not marked')
    is_(postern.summaries(2)[0]['score'], '7.5', 'the log has the score')


def listed(postern):
    """What posternctl says of live mail, by rule, and on standard error."""
    done = postern.ctl('rules', 'list', '--json')
    if done.returncode != 0:
        raise proc.RigError('rules list: ' + done.stderr)
    rules = [json.loads(line) for line in done.stdout.splitlines()]
    return {r['name']: r for r in rules}, done.stderr


def wait_hits(postern, name, hits):
    """The daemon puts its counts down now and then."""
    def question():
        rules = listed(postern)[0]
        return rules if rules[name]['hits'] >= hits else None
    return proc.wait_until(
        question, 60, '%s with %d hits' % (name, hits))


def counted(postern):
    """The directory of RuleStats is not there yet."""
    is_(len(postern.log_lines(r'RuleStats: \S+/stats/rules.*must be there')),
        1, 'a file of counts that cannot be made is said once')
    rules, said = listed(postern)
    is_(rules['PILLS']['hits'], 0, 'rules list shows nothing')
    like(said, 'stats/rules: there is no such file', 'and says why')
    os.mkdir(os.path.join(postern.dir, 'stats'), 0o700)
    rules = wait_hits(postern, 'PILLS', 1)
    is_([(rules[n]['hits'], rules[n]['tried'], rules[n]['per_mille'])
         for n in ('PILLS', 'NOW', 'BOTH', 'CLIENT')],
        [(1, 2, 500), (1, 2, 500), (1, 2, 500), (2, 2, 1000)],
        'with the directory it shows what hit, also before')
    ok(rules['PILLS']['us'] > 0, 'and what it cost')
    done = postern.ctl('rules', 'list')
    like(done.stdout, r'(?m)^PILLS +header +4\.000 +2 +1 +500\.00 +\S+ +0  '
         r'\S+local\.cf:3$', 'also as a table')


def counted_on(mta, sink, postern):
    """Over a restart, and over a reload that changes a rule."""
    rules = os.path.join(postern.dir, 'local.cf')
    proc.write_file(rules, RULES, 0o600)
    send(mta, sink, SPAM)
    sink.wait_for(1)
    postern.stop()
    hits = listed(postern)[0]['NOW']['hits']
    is_(hits, len(postern.log_lines(r' score=7\.\d ')),
        'the daemon ended with its counts put down')
    postern.run()
    send(mta, sink, SPAM)
    sink.wait_for(1)
    is_(wait_hits(postern, 'NOW', hits + 1)['NOW']['hits'], hits + 1,
        'and goes on from there')
    proc.write_file(rules, RULES.replace('cheap pills', 'Cheap pills'), 0o600)
    count = len(postern.log_lines('reloaded'))
    postern.reload()
    postern.wait_log('reloaded', count + 1)
    send(mta, sink, SPAM)
    sink.wait_for(1)
    got = wait_hits(postern, 'NOW', hits + 2)
    is_((got['PILLS']['hits'], got['NOW']['hits']), (1, hits + 2),
        'a rule that was changed starts anew, the others do not')


def held(mta, sink, postern):
    configure(postern, 'QuarantineScore 7\n')
    ok(send(mta, sink, SPAM).accepted, 'QuarantineScore: spam is taken')
    held_mail = mta.command('postqueue', '-p').stdout.decode()
    like(held_mail, r'(?m)^\w+! ', 'and held')
    ok(send(mta, sink, HAM).accepted, 'ham is taken')
    like(one(sink.wait_for(1)[0], 'Subject'), 'lunch', 'and delivered')
    mta.command('postsuper', '-d', 'ALL', 'hold')


def refused(mta, sink, postern):
    configure(postern, 'QuarantineScore 4\nRejectScore 7\n')
    sent = send(mta, sink, SPAM)
    like(str(sent), r'5\.7\.1 The message looks like spam \(score 7\.5 of 7',
         'RejectScore: spam is refused, and told why')
    ok(send(mta, sink, HAM).accepted, 'ham is not')
    sink.wait_for(1)


def outbound(mta, sink, postern):
    configure(postern, 'RejectScore 7\n')
    ok(send(mta, sink, SPAM, login=True).accepted,
       'outbound, RejectScore means nothing')
    mail = sink.wait_for(1)[0]
    is_((mail.values('X-Spam-Status'), one(mail, 'Subject')),
        ([], 'Cheap pills'), 'and nothing is marked')
    configure(postern, 'OutboundRejectScore 7\n')
    like(str(send(mta, sink, SPAM, login=True)), r'5\.7\.1',
         'OutboundRejectScore refuses')
    ok(send(mta, sink, SPAM).accepted, 'and not what comes in')
    sink.wait_for(1)


def handled(mta, sink, postern, direction):
    """All that can be done with the mail, and nothing with the same mail the
    other way."""
    login = direction == 'out'
    prefix = 'Outbound' if login else ''
    score = r'7\.3' if login else r'7\.5'
    name = direction + 'bound, '

    def limit(word):
        configure(postern, '%s%sScore 6\n' % (prefix, word))
        return send(mta, sink, SPAM, login=login)

    def unharmed(word):
        ok(send(mta, sink, SPAM, login=not login).accepted,
           '%s%s: the same mail the other way ...' % (name, word))
        is_(sink.wait_for(1)[0].body.strip(), b'Buy now!',
            '... is delivered')

    ok(limit('Tag').accepted, name + 'Tag: taken')
    mail = sink.wait_for(1)[0]
    is_((one(mail, 'X-Spam-Flag'), one(mail, 'Subject')),
        ('YES', '[SPAM] Cheap pills'), name + 'and marked in the mailbox')
    like(one(mail, 'X-Spam-Status'), '^Yes, score=%s required=6.0 tests=BOTH,'
         '%s' % (score, 'NOW,OURS,OUTBOUND, ?PILLS' if login else
                 'CLIENT,NOW,PILLS'), name + 'with what hit')

    ok(limit('Quarantine').accepted, name + 'Quarantine: taken')
    held_mail = mta.command('postqueue', '-p').stdout.decode()
    found = re.search(r'(?m)^(\w+)! ', held_mail)
    ok(found, name + 'and stands in the queue, held', held_mail)
    mta.command('postsuper', '-H', 'ALL')
    mta.command('postqueue', '-f')
    like(sink.wait_for(1)[0].body.decode(), 'Buy now!',
         name + 'until it is let go')
    unharmed('Quarantine')

    like(str(limit('Reject')), r'550 5\.7\.1 The message looks like '
         r'spam \(score %s of 6\.0\)' % score, name + 'Reject: 550')
    unharmed('Reject')
    like(str(limit('Tempfail')), r'451 4\.7\.1 ',
         name + 'Tempfail: 451')
    unharmed('Tempfail')
    ok(limit('Discard').accepted, name + 'Discard: taken')
    # Whatever had been queued would be there before the next one.
    unharmed('Discard')
    is_(mta.queued(), [], name + 'and gone')


def symbols_refuse(mta, sink, postern):
    """Refuse takes the names of rules; one that nothing has is told of."""
    configure(postern, 'Refuse BOTH=No pills, SPF_FIAL\n')
    told = postern.log_lines('no check, DNSBL section or rule has that symbol')
    is_(len([t for t in told if ': Refuse: SPF_FIAL: ' in t]), 1,
        'Refuse: a warning for the typo, once')
    is_(len(told), 1, 'and for no rule')
    like(str(send(mta, sink, SPAM)), 'No pills', 'Refuse: a rule refuses')
    ok(send(mta, sink, HAM).accepted, 'and not what it does not hit')
    sink.wait_for(1)
    configure(postern, '')


def checked(postern):
    done = postern.ctl('check', '--client-ip', '192.0.2.1', input=SPAM)
    got = json.loads(done.stdout)
    is_([(h['name'], h['matched']) for h in got['rules']['hits']],
        [('PILLS', 'Cheap pills'), ('NOW', 'Buy now'), ('BOTH', None),
         ('CLIENT', '[ ip=192.0.2.1 ')],
        'posternctl check shows which text each rule met')
    is_(postern.ctl('rules', 'lint').returncode, 0, 'lint has no complaint')


def reloaded(mta, sink, postern):
    """A bad file changes nothing."""
    rules = os.path.join(postern.dir, 'local.cf')
    proc.write_file(rules, RULES + 'scroe PILLS 0\nscore PILLS 0\n', 0o600)
    done = postern.ctl('rules', 'lint')
    like('%d %s' % (done.returncode, done.stdout),
         r'78 .*local\.cf:13: error: scroe: there is no such command',
         'lint says line and mistake')
    postern.reload()
    postern.wait_log(r'local\.cf:13: error: scroe', 1)
    ok(send(mta, sink, SPAM).accepted, 'the daemon goes on')
    like(one(sink.wait_for(1)[0], 'X-Spam-Status'), '^Yes',
         'with the rules that it had')


def lost(mta, sink, postern):
    """A pattern that can't be had costs its rule, and one line."""
    rules = os.path.join(postern.dir, 'local.cf')
    proc.write_file(rules, RULES + 'header BAD Subject =~ /(/\n'
                    'header WIDE Subject =~ /\\x{20ac}/\n'
                    'header KAM Subject =~ /cheap $?[a-z]+/i\n'
                    'meta DANGLING NO_SUCH_1 + NO_SUCH_2 + SPF_PASS\n'
                    'score NO_SUCH_3 1\nscore KAM 0.01\n', 0o600)
    done = postern.ctl('rules', 'lint')
    is_([done.returncode] + [
        re.sub('^.*cf:|, at octet.* pattern', '', line)
        for line in done.stdout.splitlines()],
        [78, '13: error: BAD: missing closing parenthesis; the rule never '
         'hits',
         '14: warning: WIDE: character code point value in \\x{} or \\o{} is '
         'too large; the rule never hits',
         '16: warning: DANGLING: no rule has the name NO_SUCH_1; it counts '
         'as 0',
         '16: warning: DANGLING: no rule has the name NO_SUCH_2; it counts '
         'as 0',
         '17: warning: score NO_SUCH_3: there is no rule of that name'],
        'lint names rules that are lost, and names that no rule has')
    postern.reload()
    postern.wait_log(r'names in scores and metas that no rule has: 3', 1)
    is_(re.findall(r'local\.cf:(1[3-7]: warning: \w+)',
                   '\n'.join(postern.log_lines('local.cf'))),
        ['13: warning: BAD', '14: warning: WIDE'],
        'the log names the rules that are lost, and counts the names')
    ok(send(mta, sink, SPAM).accepted, 'the daemon goes on')
    like(one(sink.wait_for(1)[0], 'X-Spam-Status'), r'\bKAM\b',
         'with the rules of the new file')
    proc.write_file(rules, RULES + 'header WIDE Subject =~ /\\x{20ac}/\n'
                    'score NO_SUCH_3 1\n', 0o600)
    is_(postern.ctl('rules', 'lint').returncode, 0,
        'lint fails for what SpamAssassin refuses')


main()
