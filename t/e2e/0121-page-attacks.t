#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# What scanners and attackers send to the page: nothing is answered that should
# not be, nothing that was sent comes back as markup or as a header, no file is
# read, and the page goes on.

import os
import re
import socket
import sys
from urllib.parse import quote, urlencode
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
import web
from rig import PATIENCE, Postern, free_port, is_, ok, plan, wait_until

SCRIPTS = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>',
           "'onmouseover='alert(1)", 'javascript:alert(1)',
           '</title><svg onload=alert(1)>', '\u202e<b>', '{{7*7}}', '${7*7}',
           "' OR '1'='1", '; cat /etc/passwd', '\r\nSet-Cookie: a=b',
           '%0d%0aSet-Cookie:%20a=b', '\x00<script>', '\x1b[2J', '..%2f..%2f',
           'x' * 900]
PATHS = ['/../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/..%2f..%2fetc/passwd',
         '/style.css/../http-token', '//http-token', '/http-token', '/.git/HEAD',
         '/style.css%00.html', '/%00', '/index.html', '/message/../metrics',
         '/Metrics', '/metrics/', '/metrics%20', '/metrics;a=b',
         '/?/../../etc/passwd', 'http://evil.example/metrics']
HOSTS = ['evil.example', '127.0.0.1.evil.example', 'evil.example:%d', '',
         '127.0.0.1:%d@evil.example', '[::1', '127.0.0.1:%d/', '192.0.2.7',
         '0', '2130706433', 'localhost.evil.example', '127.0.0.1:%d, evil',
         'x' * 3000]
METHODS = ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND',
           'get', 'X' * 2000]
LOCK = urlencode({'account': 'bob', 'do': 'lock'})


def main():
    plan(4 + 1 + 1 + 2 + 2 + 9 + 7 + 1 + 8 + 1 + 1 + 2 + 1)
    port = free_port()
    with Postern('Http 127.0.0.1:%d\nStateDirectory @DIR@\n'
                 'QuotaTable @DIR@/quota\nQuota default { Messages = 9/hour }\n'
                 % port) as postern:
        postern.wait_log('http: the page is at')
        page = web.Browser(port,
                           postern.ctl('key', 'token').stdout.strip())
        scripts(page)
        paths(page)
        hosts(page)
        methods(page)
        tokens(page)
        forms(page, postern)
        lines(page)
        smuggled(page)
        ok(page.get('/').status == 200 and 'bob' not in
           postern.ctl('quota', 'list').stdout,
           'after all that: the page is there, and nobody is locked')
        long_name(page, postern)
        unreadable(page, postern)
        stopped(page, postern)


def scripts(page):
    """In every place where something is shown."""
    for target in ('/find?q=%s', '/account?name=%s', '/message?at=%s',
                   '/?%s=1'):
        wrong = []
        for text in SCRIPTS:
            answer = page.get(target % quote(text, safe=''))
            faults, _ = web.faults(answer.text)
            if faults or answer.lacks() or answer.status not in (200, 303, 404) \
                    or answer.headers.get('Set-Cookie') or \
                    '<script>a' in answer.text:
                wrong.append((text, faults, answer))
        is_(wrong, [], 'what is sent to %s is text, or nothing' % target)


def paths(page):
    got = {}
    for path in PATHS:
        answer = page.raw(b'GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: '
                          b'Bearer %s\r\n\r\n' % (path.encode(),
                                                  page.host.encode(),
                                                  page.token.encode()))
        first = answer.split(b'\r\n')[0].decode()
        if page.token.encode() in answer or b'root:' in answer or (
                ' 404' not in first and ' 400' not in first and
                not path.startswith('/?')):
            got[path] = first
    is_(got, {}, 'other paths: nothing is there')


def ask(page, *fields, line=b'GET / HTTP/1.1'):
    octets = page.raw(b'\r\n'.join((line,) + fields) + b'\r\n\r\n')
    head = octets.split(b'\r\n')[0].split(b' ')
    return int(head[1]) if len(head) > 1 else 0


def bearer(page):
    return b'Authorization: Bearer ' + page.token.encode()


def hosts(page):
    got = {}
    for host in HOSTS:
        host = host.replace('%d', str(page.where))
        status = ask(page, b'Host: ' + host.encode(), bearer(page))
        if status not in (400, 403):
            got[host] = status
    is_(got, {}, 'other hosts: refused')


def methods(page):
    got = [ask(page, b'Host: ' + page.host.encode(), bearer(page),
               line=method.encode() + b' / HTTP/1.1') for method in METHODS]
    is_([status for status in got if status < 400 and status != 0], [],
        'other methods: refused')
    answers = [page.ask('GET', '/account?name=bob', X_HTTP_Method_Override='POST',
                        X_HTTP_Method='POST', X_Method_Override='POST'),
               page.ask('GET', '/account?name=bob&do=lock&_method=POST')]
    is_(['>locked<' in answer.text for answer in answers], [False, False],
        'a method in another field: is not looked at')


def tokens(page):
    wrong = ['', ' ', page.token[:-1], page.token + 'x', page.token.upper() + '0',
             '*', '\x00', 'x' * 5000, page.token[::-1]]
    got = {}
    for token in wrong:
        for field in (b'Authorization: Bearer %s', b'Authorization: %s',
                      b'Cookie: postern=%s', b'Cookie: postern=9999999999-%s',
                      b'X-Token: %s'):
            status = ask(page, b'Host: ' + page.host.encode(),
                         field % token.encode())
            if status in (200, 303):
                got[token, field] = status
    is_(got, {}, 'other tokens: refused')
    is_([ask(page, b'Host: ' + page.host.encode(),
             line=b'GET /?token=%s HTTP/1.1' % page.token.encode()),
         ask(page, b'Host: ' + page.host.encode(),
             b'Cookie: postern=' + page.token.encode())],
        [401, 401], 'the token in a URL, or as the cookie: refused')


def forms(page, postern):
    """None of these locks bob."""
    cases = [
        ('without Origin', dict(Origin=None), 403),
        ('from another site', dict(Origin='http://evil.example'), 403),
        ('from a sandbox', dict(Origin='null'), 403),
        ('from another port', dict(Origin='http://127.0.0.1:1'), 403),
        ('by another scheme', dict(Origin='https://' + page.host), 403),
        ('as text', dict(Content_Type='text/plain'), 415),
        ('as JSON', dict(Content_Type='application/json'), 415),
        ('without a token', dict(Authorization='Bearer x'), 401),
    ]
    for name, headers, status in cases:
        is_(page.post('/account', LOCK, **headers).status, status,
            'a form %s: refused' % name)
    bodies = ['', 'account=bob', 'do=lock', 'account=&do=lock',
              'account=bob&do=lock&do=unlock', 'account=b%00ob&do=lock',
              'account=bob&do=lock%0a', 'account[]=bob&do=lock', '%' * 99,
              'account=' + 'x' * 2000 + '&do=lock']
    is_([page.post('/account', body).status for body in bodies],
        [400] * len(bodies), 'forms that say something else: refused')


def lines(page):
    """Injected into what is read line by line."""
    host = page.host.encode()
    cases = [
        ('a line break in Host', (b'Host: ' + host + b'\rX: y',), 4),
        ('a folded Host', (b'Host:', b' ' + host), 4),
        ('two Hosts', (b'Host: ' + host, b'Host: evil.example'), 4),
        ('two cookies', (b'Host: ' + host, b'Cookie: postern=1',
                         b'Cookie: postern=2'), 4),
        ('no Host', (), 4),
        ('a header of 40 kB', (b'Host: ' + host, b'X: ' + b'y' * 40000), 4),
        ('2,000 fields', (b'Host: ' + host,) + (b'A: b',) * 2000, 4),
    ]
    for name, fields, kind in cases:
        status = ask(page, *fields, bearer(page))
        ok(status == 0 or status // 100 == kind, '%s: refused' % name, status)
    is_([ask(page, b'Host: ' + host, bearer(page),
             line=b'GET /' + b'x' * 40000 + b' HTTP/1.1')], [414],
        'a target of 40 kB: refused')


def smuggled(page):
    """A second request in the first one's body is never answered."""
    host = b'Host: ' + page.host.encode()
    inner = b'GET /metrics HTTP/1.1\r\n' + host + b'\r\n' + bearer(page) + \
        b'\r\n\r\n'
    form = b'Content-Type: ' + web.FORM.encode()
    origin = b'Origin: http://' + page.host.encode()

    def answers(*fields, line=b'POST /login HTTP/1.1', body=inner):
        return page.raw(b'\r\n'.join((line, host) + fields) + b'\r\n\r\n' +
                        body)

    length = b'Content-Length: %d' % len(inner)
    chunks = b'Transfer-Encoding: chunked'
    cases = [
        ('length and chunks', answers(form, origin, length, chunks,
                                      body=b'0\r\n\r\n' + inner)),
        ('two lengths', answers(form, origin, b'Content-Length: 0', length)),
        ('chunks', answers(form, origin, chunks, body=b'0\r\n\r\n' + inner)),
        ('a GET with a body', answers(length, line=b'GET / HTTP/1.1')),
        ('a body that is too long', answers(
            form, origin, b'Content-Length: %d' % (5000 + len(inner)),
            body=b'x' * 5000 + inner)),
        ('a request behind another', answers(line=b'GET /health HTTP/1.1')),
        ('HTTP/1.0, kept alive', answers(b'Connection: keep-alive',
                                         line=b'GET /health HTTP/1.0')),
        ('a negative length', answers(form, origin, b'Content-Length: -1')),
    ]
    for name, octets in cases:
        served = re.findall(rb'HTTP/1\.[01] [235]\d\d', octets)
        ok(len(served) <= 1 and b'postern_messages_total' not in octets,
           '%s: one answer at most' % name, octets[:300])


def long_name(page, postern):
    """The table cuts it off; that is nobody's name."""
    postern.ctl('quota', 'lock', 'n' * 255)
    wait_until(lambda: 'nnn~' in page.get('/').text, PATIENCE, 'it is told')
    is_(re.findall('name=n+~', page.get('/').text), [],
        'a name that is cut off leads nowhere')


def unreadable(page, postern):
    """Others could read the token."""
    path = os.path.join(postern.dir, 'http-token')
    os.chmod(path, 0o644)

    def told():
        return 'http-token: mode 0644' in postern.ctl('status').stdout

    is_(page.get('/').status, 503, 'a token that others can read opens nothing')
    wait_until(told, PATIENCE, 'status tells of the token')
    os.chmod(path, 0o600)
    wait_until(lambda: not told(), PATIENCE, 'status tells of it no more')
    is_(page.get('/').status, 200, 'and status tells it, until it is mended')


def stopped(page, postern):
    """While as many hold a connection as may."""
    held = [socket.create_connection(('127.0.0.1', page.where))
            for _ in range(70)]
    fds = '/proc/%d/fd' % postern.pid
    wait_until(lambda: len(os.listdir(fds)) >= 64, PATIENCE, 'they are in')
    status = postern.stop()
    ok(status == 0 and 'stopped while' not in postern.log(),
       'those who wait do not keep it from stopping', postern.log())
    for link in held:
        link.close()


main()
