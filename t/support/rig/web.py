# SPDX-License-Identifier: BSD-2-Clause
"""The page, asked as a browser, a program or an attacker asks."""

import html.parser
import http.client
import os
import shutil
import socket
import subprocess
import tempfile

FORM = 'application/x-www-form-urlencoded'
# What has no end tag.
VOID = {'meta', 'link', 'input'}
# What a page is made of.
ELEMENTS = set('''html head title meta link script body a header footer main
    section form label input button svg path rect text g desc h1 h2 h3 p ul li
    dl dt dd div span strong bdi figure figcaption details summary table caption
    thead tbody tr th td time code pre q'''.split())
HEADERS = {
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
    'Cross-Origin-Resource-Policy': 'same-origin',
}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode('utf-8', 'replace')

    def __repr__(self):
        return '%s %s %s' % (self.status, dict(self.headers.items()),
                             self.text[:2000])

    def lacks(self):
        """The security headers that are not as they should be."""
        wrong = [name for name, value in HEADERS.items()
                 if self.headers.get(name) != value]
        policy = self.headers.get('Content-Security-Policy', '')
        if "default-src 'none'" not in policy or 'unsafe' in policy:
            wrong.append('Content-Security-Policy')
        return wrong


class _Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__('localhost', timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Browser:
    """Asks one page, at a port of 127.0.0.1 or at the path of a socket; .token
    and .cookie are sent where there is one."""

    def __init__(self, where, token=None):
        self.where, self.token, self.cookie = where, token, None
        self.host = 'localhost' if isinstance(where, str) \
            else '127.0.0.1:%d' % where

    def ask(self, method, target, body=None, timeout=20, **headers):
        link = _Unix(self.where, timeout) if isinstance(self.where, str) \
            else http.client.HTTPConnection('127.0.0.1', self.where,
                                            timeout=timeout)
        headers = {name.replace('_', '-'): value
                   for name, value in headers.items() if value is not None}
        if self.token and 'Authorization' not in headers:
            headers['Authorization'] = 'Bearer ' + self.token
        if self.cookie:
            headers['Cookie'] = self.cookie
        try:
            link.request(method, target, body, headers)
            got = link.getresponse()
            return Answer(got.status, got.headers, got.read())
        finally:
            link.close()

    def get(self, target, **headers):
        return self.ask('GET', target, **headers)

    def post(self, target, body, **headers):
        headers.setdefault('Origin', 'http://' + self.host)
        headers.setdefault('Content_Type', FORM)
        return self.ask('POST', target, body, **headers)

    def raw(self, octets, timeout=10):
        """Octets as they are; what came back until the end."""
        with socket.create_connection(('127.0.0.1', self.where),
                                      timeout) as link:
            link.sendall(octets)
            got = b''
            try:
                while True:
                    part = link.recv(65536)
                    if not part:
                        break
                    got += part
            except (socket.timeout, ConnectionResetError):
                pass
        return got


class _Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.wrong = [], set(), []
        self.words, self.scripts = [], []

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        if tag == 'script':
            self.scripts.append(dict(attrs).get('src'))
        for name, value in attrs:
            if name.startswith('on') or name == 'style' or (
                    name in ('href', 'src', 'action') and
                    not (value.startswith('/') and
                         not value.startswith('//') or value == '#main')):
                self.wrong.append((tag, name, value))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(('end of', tag))

    def handle_data(self, data):
        self.words.append(data)


def faults(text):
    """What is wrong with a page: elements that are not ours, attributes that
    run or load something, tags that do not nest. And its text."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    wrong = reader.wrong + sorted(reader.elements - ELEMENTS) + reader.open
    wrong += [src for src in reader.scripts if src != '/live.js']
    return wrong, ''.join(reader.words)


def checker():
    """html-validate; None: there is none."""
    return os.environ.get('HTML_VALIDATE') or shutil.which('html-validate')


def check(text):
    """What html-validate says of the page; '' is nothing."""
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, 'page.html')
        with open(path, 'w') as file:
            file.write(text)
        done = subprocess.run([checker(), path], capture_output=True,
                              text=True, check=False, cwd=place)
    return done.stdout + done.stderr if done.returncode != 0 else ''
