# SPDX-License-Identifier: BSD-2-Clause
"""Both ends of the mail's way: Client hands it to the MTA under test, Sink is
where that MTA relays it to."""

import re
import smtplib
import socketserver
import threading

import proc


class Reply:
    """An SMTP reply: code, text (joined by newlines), and str() of both."""

    def __init__(self, code, text):
        self.code = code
        self.text = text.decode('utf-8', 'replace') \
            if isinstance(text, bytes) else text

    def __str__(self):
        return '%d %s' % (self.code, self.text)

    __repr__ = __str__

    @property
    def ok(self):
        return 200 <= self.code < 400


class Sent:
    """Replies to one transaction; None where a command was not given."""

    def __init__(self):
        self.mail = None
        self.rcpts = []
        self.data = None

    @property
    def accepted(self):
        return self.data is not None and self.data.ok

    @property
    def queue_id(self):
        """As the MTA's last reply tells it (Postfix and Sendmail)."""
        found = re.search(r'queued as (\S+)|2\.0\.0 (\S+) Message accepted',
                          self.data.text if self.data else '')
        return found and (found.group(1) or found.group(2))

    def __repr__(self):
        return 'mail %s, rcpts %s, data %s' % (self.mail, self.rcpts,
                                               self.data)


class Client:
    """An SMTP session that reports replies instead of raising them.

    xclient: attributes for Postfix's XCLIENT, such as {'ADDR': '192.0.2.1',
    'NAME': 'mx.example.net'}; the session then goes on as that client.
    source: the loopback address to come from, for an MTA without XCLIENT.
    """

    def __init__(self, port, helo='client.example.org', login=None,
                 xclient=None, host='127.0.0.1', source='127.0.0.1',
                 timeout=proc.PATIENCE):
        self.smtp = smtplib.SMTP(host, port, local_hostname=helo,
                                 timeout=timeout, source_address=(source, 0))
        self.smtp.command_encoding = 'utf-8'
        self.helo = helo
        self.ehlo = self.cmd('EHLO ' + helo)
        if xclient:
            self.xclient(xclient)
        self.login_reply = self.login(*login) if login else None

    def cmd(self, line):
        """Any command line, without its CRLF."""
        return Reply(*self.smtp.docmd(line))

    def raw(self, octets):
        """Octets as they are, then one reply."""
        self.smtp.send(octets)
        return Reply(*self.smtp.getreply())

    def xclient(self, attributes):
        reply = self.cmd('XCLIENT ' + ' '.join(
            '%s=%s' % pair for pair in attributes.items()))
        if reply.code != 220:
            raise proc.RigError('XCLIENT: %s' % reply)
        self.ehlo = self.cmd('EHLO ' + self.helo)

    def login(self, user, password):
        self.smtp.ehlo(self.helo)
        try:
            return Reply(*self.smtp.login(user, password))
        except smtplib.SMTPResponseException as error:
            return Reply(error.smtp_code, error.smtp_error)

    def send(self, sender, rcpts, message, params=''):
        """One transaction. rcpts is an address or a list; message is text
        (line ends become CRLF) or bytes (sent exactly, dots stuffed)."""
        sent = Sent()
        sent.mail = self.cmd(('MAIL FROM:<%s> %s' % (sender, params)).strip())
        if not sent.mail.ok:
            return sent
        for rcpt in [rcpts] if isinstance(rcpts, str) else rcpts:
            sent.rcpts.append(self.cmd('RCPT TO:<%s>' % rcpt))
        if any(reply.ok for reply in sent.rcpts):
            sent.data = self.data(message)
        else:
            self.cmd('RSET')
        return sent

    def data(self, message):
        reply = self.cmd('DATA')
        if reply.code != 354:
            return reply
        return self.raw(wire_form(message) + b'.\r\n')

    def quit(self):
        reply = self.cmd('QUIT')
        self.smtp.close()
        return reply

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.smtp.close()


def wire_form(message):
    """A message as DATA carries it, without the final dot."""
    if isinstance(message, str):
        message = re.sub(r'\r\n|\r|\n', '\r\n', message).encode()
    if not message.endswith(b'\r\n'):
        message += b'\r\n'
    return re.sub(rb'(?m)^\.', b'..', message)


class Mail:
    """A message as the sink received it: envelope and exact bytes."""

    def __init__(self, helo, sender, params):
        self.helo = helo
        self.sender = sender
        self.params = params
        self.rcpts = []
        self.data = b''

    @property
    def fields(self):
        """(name, value) pairs in order; values keep their folds, and the
        space after the colon."""
        head = self.data.split(b'\r\n\r\n', 1)[0].decode('utf-8',
                                                         'surrogateescape')
        return [tuple(field.split(':', 1))
                for field in re.split(r'\r\n(?![ \t])', head) if ':' in field]

    def values(self, name):
        return [value.strip() for key, value in self.fields
                if key.lower() == name.lower()]

    @property
    def body(self):
        return self.data.partition(b'\r\n\r\n')[2]


class _Session(socketserver.StreamRequestHandler):
    """The receiving side of one connection."""

    timeout = 120

    def handle(self):
        self.helo, self.mail = '', None
        self.say('220 sink.example ESMTP')
        while True:
            line = self.rfile.readline(65536)
            if not line:
                return
            line = line.decode('utf-8', 'surrogateescape').rstrip('\r\n')
            verb = line.upper().split(' ')[0].split(':')[0]
            if verb == 'QUIT':
                self.say('221 bye')
                return
            getattr(self, 'do_' + verb.lower(), self.unknown)(line)

    def say(self, text):
        self.wfile.write((text + '\r\n').encode())

    def unknown(self, _line):
        self.say('502 no such command')

    def do_ehlo(self, line):
        self.helo, self.mail = line[5:], None
        for word in ('sink.example',) + self.server.sink.extensions:
            self.say('250-' + word)
        self.say('250 ENHANCEDSTATUSCODES')

    def do_helo(self, line):
        self.helo, self.mail = line[5:], None
        self.say('250 sink.example')

    def do_rset(self, _line):
        self.mail = None
        self.say('250 reset')

    def do_noop(self, _line):
        self.say('250 ok')

    def do_mail(self, line):
        path = re.match(r'(?i)MAIL FROM:\s*<([^>]*)>\s*(.*)', line)
        if not path:
            return self.say('501 no path')
        self.mail = Mail(self.helo, path.group(1), path.group(2))
        self.say('250 2.1.0 sender ok')

    def do_rcpt(self, line):
        path = re.match(r'(?i)RCPT TO:\s*<([^>]*)>', line)
        if not path or self.mail is None:
            return self.say('503 no mail or no path')
        answer = self.server.sink.answers.get(path.group(1))
        if answer:
            return self.say(answer)
        self.mail.rcpts.append(path.group(1))
        self.say('250 2.1.5 recipient ok')

    def do_data(self, _line):
        if self.mail is None or not self.mail.rcpts:
            return self.say('503 no recipient')
        self.say('354 go ahead')
        lines = []
        for line in iter(self.rfile.readline, b''):
            if line == b'.\r\n':
                self.mail.data = b''.join(lines)
                self.server.sink.store(self.mail)
                self.mail = None
                return self.say('250 2.0.0 stored')
            lines.append(line[1:] if line.startswith(b'.') else line)
        return None


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    # With the usual five, an MTA that connects twenty times at once waits for
    # its lost SYNs, and then puts the mail off.
    request_queue_size = 128

    def handle_error(self, *_):
        """A client that went away is no business of the test's output."""


class Sink:
    """An SMTP server on loopback that keeps what it is given.

    answers: recipient address -> reply line, for recipients it refuses.
    extensions: what its EHLO offers; may be changed while it runs.
    """

    def __init__(self, answers=None):
        self.answers = answers or {}
        self.extensions = ('PIPELINING', 'SIZE', '8BITMIME', 'SMTPUTF8',
                           'DSN')
        self.mails = []
        self._lock = threading.Lock()
        self.port = proc.free_port()
        self._server = _Listener(('127.0.0.1', self.port), _Session)
        self._server.sink = self
        threading.Thread(target=self._server.serve_forever, args=(0.1,),
                         daemon=True).start()

    def store(self, mail):
        with self._lock:
            self.mails.append(mail)

    def wait_for(self, count, timeout=proc.PATIENCE):
        """The mails so far, once there are `count`; fewer when the time is
        up, so that the test can say what is missing."""
        try:
            proc.wait_until(lambda: len(self.mails) >= count, timeout, 'mail')
        except proc.RigError:
            pass
        with self._lock:
            return list(self.mails)

    def clear(self):
        with self._lock:
            self.mails.clear()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
