#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# The page behind a real Postfix: it shows what was decided to whoever has the
# token, markup in mail and DNS is text on it, its buttons lock and unlock an
# account, /health says when mail can't be handled as configured, and slow
# browsers cost mail nothing.

import json
import os
import re
import socket
import stat
import sys
import threading
from urllib.parse import urlencode
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
import web
from rig import Client, Dnsd, PATIENCE, Postern, Postfix, Sink, free_port, \
    is_, like, need_root, ok, plan, skip, wait_until

MARKUP = '<script>alert(1)</script><b>&amp;"\''
RULES = '''
header   ODD  Subject =~ /<script>.*script>/
describe ODD  %s rule
score    ODD  1.5
''' % MARKUP
ZONE = {
    'spf.test': {'TXT': 'v=spf1 exp=why.spf.test -all'},
    'why.spf.test': {'TXT': MARKUP + ' dns'},
    '2.0.0.127.zen.test': {'A': '127.0.0.2'},
    '1.2.0.192.zen.test': {'A': '127.0.0.2'},
}
CONF = '''
Mode sv
IPRev no
DMARC no
DNSTimeout 2
Nameservers 127.0.0.1@%d
RuleFile @DIR@/rules
RuleStats none
QuotaTable @DIR@/table/quota
Quota default { Messages = 20/hour }
DNSBL "zen.test" { Score = 1 }
StateDirectory @DIR@
%s
'''
MESSAGE = 'From: bob@example.org\nSubject: %s\n\nHello.\n'


def main():
    need_root()
    plan(2 + 7 + 10 + 4 + 12 + 5 + 3 + 3 + 9)
    port = free_port()
    with Dnsd(ZONE) as dns, Sink() as sink:
        postern = Postern(CONF % (dns.port, 'Http 127.0.0.1:%d' % port),
                          files={'rules': RULES}, env={'TZ': 'ABC-3'},
                          start=False)
        os.mkdir(os.path.join(postern.dir, 'table'))
        done = postern.ctl('key', 'token')
        is_((done.returncode, done.stdout), (1, ''),
            'before the first start there is no token')
        like(done.stderr, 'there is no token yet', 'and it says so')
        postern.run()
        with postern, Postfix(sink, milter=postern, users={'bob': 'pw'}) \
                as mta:
            token = postern.ctl('key', 'token').stdout.strip()
            page = web.Browser(port, token)
            entrance(postern, page)
            markup(mta, postern, page)
            valid(page)
            buttons(mta, postern, page)
            slow(mta, page)
            ill(postern, page)
            silent(mta, page, dns)
            places(postern, page, dns)


def entrance(postern, page):
    postern.wait_log('http: the page is at')
    path = os.path.join(postern.dir, 'http-token')
    is_(stat.S_IMODE(os.stat(path).st_mode), 0o600, 'the token: made, 0600')
    stranger = web.Browser(page.where)
    is_([stranger.get(target).status for target in
         ('/health', '/', '/metrics', '/find?q=x', '/live.js')],
        [200, 401, 401, 401, 401], 'without it: /health, and nothing else')
    is_([page.get(target).status for target in ('/', '/metrics', '/live.js')],
        [200] * 3, 'with it: all')
    lacks = [answer.lacks() for answer in
             (page.get('/'), page.get('/health'), page.get('/nothing'),
              stranger.get('/'), page.get('/style.css'))]
    is_(lacks, [[]] * 5, 'every answer has the headers that guard it')
    is_(json.loads(postern.ctl('key', 'token', '--json').stdout),
        {'token': page.token, 'file': path}, 'posternctl key token --json')
    os.chmod(path, 0o640)
    is_(page.get('/').status, 503, 'a token that others can read: not used')
    os.chmod(path, 0o600)
    like(page.get('/metrics').text, r'(?m)^# TYPE postern_messages_total',
         'Prometheus finds its numbers')


def send(mta, subject, sender='bob@example.org', rcpt='eve@example.net'):
    with Client(mta.submission_port, login=('bob', 'pw')) as client:
        return client.send(sender, rcpt, MESSAGE % subject)


def inbound(mta, helo, sender):
    with Client(mta.port, helo=helo, xclient={'ADDR': '192.0.2.1'}) as client:
        return client.send(sender, 'bob@example.org', MESSAGE % MARKUP)


def links(text, to):
    return re.findall(r'href="(/%s\?[^"]*)"' % to, text)


def markup(mta, postern, page):
    """What stands in a mail, or in the DNS, is text."""
    sender = '"%s"@spf.test' % MARKUP.replace('"', '')
    sent = inbound(mta, '<i>helo</i>', sender)
    ok(sent.accepted, 'markup: such a mail is accepted', sent)
    ok(send(mta, MARKUP).accepted, 'markup: and one of ours')
    postern.summaries(2)
    # It is made once a second.
    wait_until(lambda: len(links(page.get('/').text, 'message')) == 2,
               PATIENCE, 'both are on the page')
    wrong, words = web.faults(page.get('/').text)
    is_(wrong, [], 'markup: the page has no element but ours')
    ok(MARKUP in words, 'markup: and the subject as text', words)
    like(page.get('/').text, r'<time datetime="[-0-9T:]+Z">[^<]+ ABC</time>',
         'local times say so')
    target = links(page.get('/find?q=spf.test').text, 'message')[0]
    text = page.get(target).text
    wrong, words = web.faults(text)
    is_(wrong, [], 'markup: nor has the page of the message')
    for what, said in (('the sender', sender), ('HELO', '<i>helo</i>'),
                       ('the DNS', MARKUP + ' dns'),
                       ('a rule', MARKUP + ' rule')):
        ok(said in words, 'markup: %s is text there' % what, words)


def valid(page):
    """By another's eye."""
    home = page.get('/').text
    pages = [('overview', home),
             ('message', page.get(links(home, 'message')[0]).text),
             ('account', page.get(links(home, 'account')[0]).text),
             ('form for the token', web.Browser(page.where).get('/').text)]
    for name, text in pages:
        if web.checker() is None:
            skip('HTML: the %s' % name, 'no html-validate')
        else:
            is_(web.check(text), '', 'HTML: the %s' % name)


def buttons(mta, postern, page):
    """As a browser does it, with a cookie."""
    browser = web.Browser(page.where)
    refused = browser.post('/login', urlencode({'token': 'x' * 64}))
    is_((refused.status, refused.headers.get('Set-Cookie')), (403, None),
        'another token: no cookie')
    came = browser.post('/login', urlencode({'token': page.token}))
    cookie = came.headers.get('Set-Cookie', '')
    is_((came.status, came.headers.get('Location')), (303, '/'),
        'the token: on to the page')
    ok('HttpOnly' in cookie and 'SameSite=Strict' in cookie and
       page.token not in cookie, 'a cookie that scripts and others can\'t use,'
       ' without the token', cookie)
    browser.cookie = cookie.split(';')[0]
    is_(browser.get('/').status, 200, 'the cookie opens the page')

    def press(what, account='bob'):
        return browser.post('/account',
                            urlencode({'account': account, 'do': what}))

    done = press('lock')
    is_((done.status, done.headers.get('Location')),
        (303, '/account?name=bob'), 'lock: back to the account')
    like(browser.get('/account?name=bob').text, 'class="label">locked<',
         'lock: it says so')
    ok(not send(mta, 'locked').accepted, 'lock: its mail is refused')
    like('\n'.join(postern.wait_log('quota: bob: is locked, by the page')),
         'by the page', 'lock: the log says who')
    press('unlock')
    ok(send(mta, 'unlocked').accepted, 'unlock: its mail is accepted')
    press('reset')
    like(postern.ctl('quota', 'show', 'bob').stdout, ' 0/20',
         'reset: nothing is counted')
    is_((press('lock', '@example.org').status, press('burn').status),
        (409, 400), 'a domain without a limit, and another word: refused')
    postern.ctl('key', 'token', '--renew')
    is_((browser.get('/').status, page.get('/').status), (401, 401),
        'another token: the cookie and the old one are worth nothing')
    page.token = postern.ctl('key', 'token').stdout.strip()


def slow(mta, page):
    """Those who never finish."""
    held = []
    for i in range(70):
        link = socket.create_connection(('127.0.0.1', page.where))
        link.sendall(b'GET / HTTP/1.1\r\n' if i % 2 else b'')
        held.append(link)
    going = threading.Event()

    def drip():
        while not going.wait(0.5):
            for link in held:
                try:
                    link.sendall(b'X')
                except OSError:
                    pass

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        ok(send(mta, 'while they wait').accepted, '70 slow browsers: mail goes')
        is_(page.ask('GET', '/', timeout=PATIENCE).status, 200,
            '70 slow browsers: the next one is served')
        wait_until(lambda: all(_ended(link) for link in held), PATIENCE,
                   'all slow ones are ended')
        ok(True, '70 slow browsers: they are ended, though they send')
    finally:
        going.set()
        thread.join()
        for link in held:
            link.close()
    reader = _slow_reader(page)
    is_(page.get('/').status, 200, 'one that does not read: others are served')
    ok(send(mta, 'while it waits').accepted,
       'one that does not read: mail goes')
    reader.close()


def _ended(link):
    link.setblocking(False)
    try:
        return link.recv(65536) == b''
    except BlockingIOError:
        return False
    except OSError:
        return True


def _slow_reader(page):
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    link.connect(('127.0.0.1', page.where))
    link.sendall(b'GET / HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s'
                 b'\r\n\r\n' % (page.host.encode(), page.token.encode()))
    return link


def health(page):
    answer = web.Browser(page.where).get('/health')
    return answer.status, answer.text


def ill(postern, page):
    """The table of quotas is gone, and can't be made."""
    is_(health(page), (200, '{"status":"ok","reasons":[]}\n'), 'health: ok')
    table = os.path.join(postern.dir, 'table')
    os.rename(table, table + '.away')
    wait_until(lambda: health(page)[0] == 503, PATIENCE, 'health is 503')
    like(health(page)[1], r'^\{"status":"fail","reasons":\["quota_table: ',
         'no table: 503, and the reason')
    os.rename(table + '.away', table)
    wait_until(lambda: health(page)[0] == 200, PATIENCE, 'health is 200')
    ok(True, 'the table is back: 200')


def silent(mta, page, dns):
    """No name server answers."""
    answers = dns.reply
    dns.reply = lambda *_: None
    for i in range(8):
        inbound(mta, 'h%d.test' % i, 'eve@s%d.test' % i)
    wait_until(lambda: health(page)[0] == 503, PATIENCE, 'health is 503')
    like(health(page)[1], 'resolver: ', 'a silent DNS: 503, and the reason')
    wrong, words = web.faults(page.get('/').text)
    is_(wrong, [], 'a silent DNS: the page is whole')
    ok('Needs attention' in words and 'resolver' in words,
       'a silent DNS: and says so', words)
    dns.reply = answers


def configure(postern, dns, line):
    before = len(postern.log_lines('reloaded$'))
    postern.configure(CONF % (dns.port, line))
    postern.reload()
    postern.wait_log('reloaded$', before + 1)


def listens(page):
    try:
        return page.get('/health').status in (200, 503)
    except OSError:
        return False


def places(postern, page, dns):
    """A reload changes where it is."""
    path = os.path.join(postern.dir, 'web')
    there = web.Browser(path)
    configure(postern, dns, 'Http ' + path)
    wait_until(lambda: listens(there), PATIENCE, 'the socket is there')
    is_(stat.S_IMODE(os.stat(path).st_mode), 0o600, 'a local socket: 0600')
    is_((there.get('/').status, there.get('/metrics').status), (200, 200),
        'a local socket: no token is needed')
    is_(there.ask('GET', '/', Host='evil.example').status, 403,
        'a local socket: but Host is looked at')
    ok(not listens(page), 'and the port is closed')
    taken = socket.create_server(('127.0.0.1', 0))
    configure(postern, dns, 'Http 127.0.0.1:%d' % taken.getsockname()[1])
    like('\n'.join(postern.wait_log('http: .*Address already in use')),
         'mail goes on', 'a port that is taken: the log says so')
    ok(not os.path.exists(path), 'the local socket is removed')
    taken.close()
    wait_until(lambda: listens(web.Browser(taken_port(postern))), PATIENCE,
               'the port is taken again')
    ok(True, 'once it is free it is used')
    configure(postern, dns, 'Http none')
    wait_until(lambda: not listens(web.Browser(taken_port(postern))), PATIENCE,
               'it is closed')
    ok(True, 'none: closed')
    # A socket that a dead daemon left behind.
    old = socket.socket(socket.AF_UNIX)
    old.bind(path)
    old.close()
    configure(postern, dns, 'Http ' + path)
    wait_until(lambda: listens(there), PATIENCE, 'the socket is there')
    ok(True, 'a socket that was left behind is replaced')


def taken_port(postern):
    return int(re.findall(r'127\.0\.0\.1:(\d+): Address already',
                          postern.log())[-1])


main()
