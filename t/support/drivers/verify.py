# SPDX-License-Identifier: BSD-2-Clause
"""What others say of a signature: dkimpy, and OpenDKIM's library (as a program
with a mail server around it would use it; opendkim-testmsg can be told no
keys). Neither asks the DNS: the public keys are given.

    keys = [Key('example.org', 's1', 'rsa', 2048)]
    with Postern(..., files={keys[0].name: keys[0].pem}): ...
    verify(mail.data, keys)   -> {('example.org', 's1'): Words('pass', 'pass')}
"""

import base64
import collections
import ctypes
import json
import os
import re
import subprocess

import dkim

import proc

# 'pass', or what is wrong in the verifier's words.
Words = collections.namedtuple('Words', 'dkimpy opendkim')
PASS = Words('pass', 'pass')


class Key:
    """A new key pair. .pem is the private key, .record the TXT record at
    .host; .name is that of a file for it, .table its line in a KeyTable."""

    def __init__(self, domain, selector, kind, bits=2048):
        self.domain, self.selector = domain, selector
        self.host = '%s._domainkey.%s' % (selector, domain)
        self.name = 'key-%s-%s' % (domain, selector)
        self.table = '%s %s:%s:@DIR@/%s\n' % (self.name, domain, selector,
                                              self.name)
        options = ['-pkeyopt', 'rsa_keygen_bits:%d' % bits]
        self.pem = _openssl('genpkey', '-algorithm', kind,
                            *(options if kind == 'rsa' else [])).decode()
        public = _openssl('pkey', '-pubout', '-outform', 'DER',
                          input=self.pem.encode())
        if kind == 'ed25519':
            public = public[-32:]   # RFC 8463 section 4.2: the bare key
        self.record = 'v=DKIM1; h=sha256; k=%s; p=%s' % (
            kind, base64.b64encode(public).decode())


def _openssl(*argv, input=None):
    done = subprocess.run(['openssl'] + list(argv), input=input,
                          capture_output=True)
    if done.returncode:
        raise proc.RigError('openssl %s: %r' % (argv, done.stderr))
    return done.stdout


def verify(message, keys):
    """The verifiers' words on the topmost signature of each key in a message
    (bytes with CRLF), by (domain, selector). No signature, no entry."""
    found = {}
    for number, value in enumerate(_signatures(message)):
        name = _tag(value, b'd'), _tag(value, b's')
        if name in ((key.domain, key.selector) for key in keys):
            found.setdefault(name, number)
    if not found:
        return {}
    opendkim = _opendkim(message, keys)
    return {name: Words(_dkimpy(message, keys, number),
                        opendkim.get(name) or 'not seen')
            for name, number in found.items()}


def fields(message):
    """The header fields as they stand, without their last line end."""
    head = message.split(b'\r\n\r\n', 1)[0]
    return [field for field in re.split(rb'\r\n(?![ \t])', head) if field]


def _signatures(message):
    return [field.split(b':', 1)[1] for field in fields(message)
            if re.match(rb'(?i)dkim-signature[ \t]*:', field)]


def _tag(value, name):
    found = re.search(rb'(?:^|;)\s*' + name + rb'\s*=\s*([^;\s]*)', value)
    return found.group(1).decode('ascii', 'replace') if found else ''


def _dkimpy(message, keys, number):
    records = {key.host + '.': key.record.encode() for key in keys}
    try:
        good = dkim.DKIM(message).verify(
            number, dnsfunc=lambda name, timeout=5: records.get(
                name.decode() if isinstance(name, bytes) else name))
    except Exception as error:      # its parsers raise whatever they meet
        return '%s: %s' % (type(error).__name__, error)
    return 'pass' if good else 'fail'


# -- OpenDKIM's library: the few calls of <opendkim/dkim.h> that verify --

_LOOKUP = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                           ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)
_SETOPT, _CLOCKDRIFT, _STAT_OK, _FOUND, _NOTFOUND, _PASSED = 1, 12, 0, 0, 1, 4


class _OpenDKIM:
    def __init__(self):
        self.lib = ctypes.CDLL('libopendkim.so.11')
        for name in ('dkim_init', 'dkim_verify'):
            getattr(self.lib, name).restype = ctypes.c_void_p
        for name in ('dkim_sig_getdomain', 'dkim_sig_getselector',
                     'dkim_sig_geterrorstr'):
            getattr(self.lib, name).restype = ctypes.c_char_p
        self.records = {}
        self.handle = ctypes.c_void_p(self.lib.dkim_init(None, None))
        # Kept: the library calls it for as long as it lives.
        self.lookup = _LOOKUP(self._look_up)
        self.lib.dkim_set_key_lookup(self.handle, self.lookup)
        drift = ctypes.c_uint64(10 ** 9)
        self.lib.dkim_options(self.handle, _SETOPT, _CLOCKDRIFT,
                              ctypes.byref(drift), ctypes.sizeof(drift))

    def name(self, sig):
        sig = ctypes.c_void_p(sig)
        return tuple((call(sig) or b'').decode('ascii', 'replace')
                     for call in (self.lib.dkim_sig_getdomain,
                                  self.lib.dkim_sig_getselector))

    def _look_up(self, _dkim, sig, out, size):
        record = self.records.get(self.name(sig))
        if record is None:
            return _NOTFOUND
        ctypes.memmove(out, record[:size - 1] + b'\0',
                       min(size, len(record) + 1))
        return _FOUND

    def verify(self, message, keys):
        self.records = {(key.domain, key.selector): key.record.encode()
                        for key in keys}
        status = ctypes.c_int()
        handle = ctypes.c_void_p(self.lib.dkim_verify(
            self.handle, b'test', None, ctypes.byref(status)))
        for field in fields(message):
            # Refuses what is no field; that is not in h= either.
            self.lib.dkim_header(handle, field, ctypes.c_size_t(len(field)))
        self.lib.dkim_eoh(handle)
        body = message.partition(b'\r\n\r\n')[2]
        if body:
            self.lib.dkim_body(handle, body, ctypes.c_size_t(len(body)))
        self.lib.dkim_eom(handle, None)
        words = self._words(handle)
        self.lib.dkim_free(handle)
        return words

    def _words(self, handle):
        sigs, count = ctypes.POINTER(ctypes.c_void_p)(), ctypes.c_int()
        words = {}
        if self.lib.dkim_getsiglist(handle, ctypes.byref(sigs),
                                    ctypes.byref(count)) != _STAT_OK:
            return words
        for i in range(count.value):
            words.setdefault(self.name(sigs[i]), self._word(sigs[i]))
        return words

    def _word(self, sig):
        sig = ctypes.c_void_p(sig)
        body = self.lib.dkim_sig_getbh(sig)
        if self.lib.dkim_sig_getflags(sig) & _PASSED and body == 0:
            return 'pass'
        why = self.lib.dkim_sig_geterrorstr(self.lib.dkim_sig_geterror(sig))
        return '%s%s' % ((why or b'fail').decode(),
                         ', body hash' if body == 1 else '')


def _opendkim(message, keys):
    """In a process of its own, because there are mails that end it."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            words = sorted(_OpenDKIM().verify(message, keys).items())
            os.write(into, json.dumps(words).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out, 'rb') as answer:
        text = answer.read()
    status = os.waitpid(child, 0)[1]
    if status != 0 or not text:
        return {(key.domain, key.selector): 'ended with %d' % status
                for key in keys}
    return {tuple(name): word for name, word in json.loads(text)}
