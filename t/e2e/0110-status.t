#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# posternctl status tells whether the daemon runs and what is not well: a reload
# that was refused, a ring that can't be had, name servers that are silent, a
# daemon that hangs, was killed or stopped.

import json
import os
import re
import signal
import subprocess
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import *

CONF = ('Mode sv\nDNSTimeout 1\nNameservers 127.0.0.1@%d\n'
        'QuotaTable @DIR@/table/quota\nQuota default { Messages = 9/hour }\n'
        'DNSBL "zen.example.net" { Score = 1.0 }\n')
KEYS = ['running', 'pid', 'since', 'version', 'config', 'problems']
ZONE = {'%d.0.0.127.%s.example.net' % (last, name): {'A': '127.0.0.2'}
        for last, name in ((2, 'zen'), (2, 'all'), (1, 'all'))}
MESSAGE = 'From: eve@%s\nSubject: hello\n\nHello.\n'


def status(postern):
    """The exit code and the object."""
    done = postern.ctl('status', '--json')
    return done.returncode, json.loads(done.stdout)


def whats(postern):
    """The words of the problems, behind the exit code."""
    code, told = status(postern)
    return (code,) + tuple(p['what'] for p in told['problems'])


def becomes(postern, want, name):
    """The daemon says it within a few seconds."""
    try:
        wait_until(lambda: whats(postern) == want, 60, name)
    except RigError:
        pass
    is_(whats(postern), want, name)


def file_of(postern):
    return os.path.join(postern.dir, 'status')


def change_file(postern, **keys):
    with open(file_of(postern), encoding='utf-8') as f:
        told = json.load(f)
    told.update(keys)
    write_file(file_of(postern), json.dumps(told), 0o600)


def main():
    need_root()
    plan(12 + 4 + 6 + 3 + 3 + 4 + 4 + 8 + 3 + 2)
    with Dnsd(ZONE) as dns, Sink() as sink:
        postern = Postern(CONF % dns.port, start=False)
        os.mkdir(os.path.join(postern.dir, 'table'))
        before(postern)
        postern.run()
        with postern, Postfix(sink, milter=postern,
                              users={'bob': 'pw'}) as mta:
            well(postern)
            numbers(postern, mta)
            refused(postern, dns)
            no_ring(postern, dns)
            no_table(postern)
            broken_list(postern, dns)
            silent(postern, mta, dns)
            hung(postern)
            stopped(postern)


def before(postern):
    code, told = status(postern)
    is_(code, 2, 'before it runs: exit code 2')
    is_(list(told)[:len(KEYS)], KEYS, 'the keys')
    is_([told[key] for key in KEYS[:5]],
        [False, None, None, None, postern.conf_file], 'nothing runs')
    is_([p['what'] for p in told['problems']], ['stopped'],
        'and that is the problem')
    ok(all(sorted(p) == ['cure', 'text', 'what'] and all(p.values())
           for p in told['problems']), 'with text and cure', told)


def well(postern):
    becomes(postern, (0,), 'it runs, and all is well')
    told = status(postern)[1]
    is_([told[key] for key in KEYS],
        [True, postern.pid, told['since'], version_of(postern),
         postern.conf_file, []], 'process, version and configuration')
    since = time.strptime(told['since'], '%Y-%m-%dT%H:%M:%SZ')
    ok(-60 < time.mktime(since) - time.timezone - time.time() < 60,
       'since: just now', told)
    is_([one['why'] for one in told['off'] if one['what'] == 'rules'],
        ['RuleFile names no rules, and no score decides'],
        'what is off, and why')
    text = postern.ctl('status')
    like(text.stdout, r'(?m)^postern +running, version \S+, process %d, since '
         % postern.pid, 'as text')
    like(text.stdout, r'(?m)^problems +none$', 'as text: no problems')
    ok(not re.search(r'(?m)^service ', text.stdout),
       'as text: what was not dropped is no row', text.stdout)
    abroad = subprocess.run(
        [binary('POSTERNCTL'), 'status', '-x', postern.conf_file],
        env=dict(postern.env, TZ='ABC-3'), capture_output=True, text=True,
        check=True)
    like(abroad.stdout, r'since [-0-9]+ [:0-9]+ ABC \(',
         'as text: local times say so')


def version_of(postern):
    done = subprocess.run([binary('POSTERNCTL'), '--version'],
                          capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def gauges(postern):
    return status(postern)[1]['gauges']


def numbers(postern, mta):
    with Client(mta.submission_port, login=('bob', 'pw')) as client:
        sent = client.send('bob@example.org', 'eve@example.net',
                           MESSAGE % 'example.org')
    ok(sent.accepted, 'mail passes', sent)
    postern.ctl('quota', 'lock', 'bob')
    wait_until(lambda: gauges(postern)['postern_accounts_locked'] == 1, 60,
               'the lock')
    told = gauges(postern)
    ok(told['postern_quota_accounts'] >= 1, 'the account is counted', told)
    ok(told['postern_ring_written_bytes_total'] > 0, 'the ring is', told)
    is_(told['postern_dnsbl_up'], {'zen.example.net': 1}, 'the list is up')


def refused(postern, dns):
    good = CONF % dns.port
    postern.configure(good + 'DNSTimeout soon\n')
    postern.reload()
    becomes(postern, (1, 'reload', 'config'), 'a reload is refused')
    problem = status(postern)[1]['problems'][0]
    ok('DNSTimeout' in problem['text'] and postern.conf_file in
       problem['text'], 'and it is said for which line', problem)
    is_(gauges(postern)['postern_config_last_reload_successful'], 0,
        'and for Prometheus')
    ok('DNSTimeout' in postern.ctl('status').stderr,
       'posternctl names the mistake')
    postern.configure(good)
    is_(whats(postern), (1, 'reload'),
        'mended, but not yet reloaded: it is still said')
    postern.reload()
    becomes(postern, (0,), 'reloaded: all is well')


def no_ring(postern, dns):
    postern.configure(CONF % dns.port + 'RingFile @DIR@/none/ring\n')
    postern.reload()
    becomes(postern, (1, 'ring'), 'the ring can not be had')
    os.mkdir(os.path.join(postern.dir, 'none'))
    becomes(postern, (0,), 'its directory is made: all is well')
    postern.configure(CONF % dns.port)
    postern.reload()
    ok(postern.wait_log('reloaded$', 3), 'and back')


def no_table(postern):
    """Its directory goes away under it, and comes back."""
    table = os.path.join(postern.dir, 'table')
    os.rename(table, table + '2')
    becomes(postern, (1, 'quota_table'), 'the quota table is gone')
    is_(gauges(postern)['postern_problems'], {'yes': 1, 'no': 0},
        'which is fatal')
    os.rename(table + '2', table)
    becomes(postern, (0,), 'it is back')


def broken_list(postern, dns):
    """It lists everybody."""
    postern.configure(CONF % dns.port +
                      'DNSBL "all.example.net" { Score = 1.0 }\n')
    postern.reload()
    becomes(postern, (1, 'dnsbl'), 'a DNS list fails its self-test')
    problem = status(postern)[1]['problems'][0]
    like(problem['text'],
         '^all.example.net: switched off for IPv4 addresses: it lists ',
         'which, and why')
    is_(gauges(postern)['postern_dnsbl_up'],
        {'zen.example.net': 1, 'all.example.net': 0}, 'and for Prometheus')
    like(postern.ctl('status').stdout, r'(?m)^(DNS list)? +all.example.net is '
         'not in use until it passes a self-test$', 'as text')
    postern.configure(CONF % dns.port)
    postern.reload()
    becomes(postern, (0,), 'it is no longer asked')


def silent(postern, mta, dns):
    """Each message has questions of its own."""
    reply, dns.reply = dns.reply, lambda *_: None
    for i in range(4):
        domain = 'd%d.example.com' % i
        with Client(mta.port, helo='h.' + domain,
                    xclient={'ADDR': '192.0.2.%d' % i, 'NAME': domain}) as c:
            c.send('eve@' + domain, 'bob@example.org', MESSAGE % domain)
    becomes(postern, (1, 'resolver'), 'the name servers are silent')
    is_(gauges(postern)['postern_dns_up'], 0, 'and for Prometheus')
    ok(postern.wait_log('dns: the name servers do not answer'),
       'and in the log')
    dns.reply = reply
    becomes(postern, (0,), 'they answer again')


def hung(postern):
    postern.signal(signal.SIGSTOP)
    is_(whats(postern), (0,), 'stopped just now: nothing is seen')
    with open(file_of(postern), encoding='utf-8') as f:
        written = json.load(f)['written']
    change_file(postern, written=written - 60000)
    is_(whats(postern), (1, 'hung'), 'silent for a minute: it hangs')
    change_file(postern, version='0.0.0')
    is_(whats(postern), (1, 'hung', 'version'), 'of another version')
    change_file(postern, problems=[{'what': 'x', 'cure': 'c\x07\u009b',
                                    'text': 'a\x1b[2J\nb', 'fatal': False}])
    text = postern.ctl('status').stdout
    ok('a?[2J?b' in text and '\x1b' not in text and '\u009b' not in text,
       'controls do not reach the terminal', text)
    change_file(postern, pid=os.getpid())
    is_(whats(postern), (2, 'died'), 'another process with that number')
    change_file(postern, pid=postern.pid, boot='of another day')
    is_(whats(postern), (2, 'died'), 'a number of another boot')
    for text in ('', '{"pid":', '[]', '{"pid":"x","problems":3}'):
        write_file(file_of(postern), text, 0o600)
        if whats(postern)[0] != 2:
            break
    is_(whats(postern)[0], 2, 'a file that is none of ours')
    postern.signal(signal.SIGCONT)
    becomes(postern, (0,), 'it goes on')


def stopped(postern):
    postern.signal(signal.SIGKILL)
    postern.wait()
    is_(whats(postern), (2, 'died'), 'killed')
    postern.run()
    becomes(postern, (0,), 'started again')
    postern.stop()
    is_(whats(postern), (2, 'stopped'), 'stopped')


main()
