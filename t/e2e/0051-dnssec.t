#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# TrustAnchorFile: what is signed is taken, what is signed wrongly is none;
# where the name server hands on no signatures everything is taken, and that is
# said.

import hashlib
import json
import os
import struct
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
import dnsd
from nacl.signing import SigningKey
from rig import Dnsd, Postern, is_, ok, plan

ED25519 = 15        # RFC 8080
MESSAGE = 'From: eve@example.net\n\nHello.\n'
CONF = '''
Mode            v
TrustAnchorFile @DIR@/anchor
Nameservers     127.0.0.1@%d
'''
WARNING = 'answers are not validated'

key = SigningKey.generate()
dnskey = struct.pack('!HBB', 257, 3, ED25519) + bytes(key.verify_key)
tag = sum(octet << 8 if i % 2 == 0 else octet
          for i, octet in enumerate(dnskey))
tag = (tag + (tag >> 16)) & 0xffff
ANCHOR = '. IN DS %d %d 2 %s\n' % (
    tag, ED25519, hashlib.sha256(b'\0' + dnskey).hexdigest().upper())

ZONE = {
    '': {'DNSKEY': [dnskey]},
    '1.2.0.192.in-addr.arpa': {'PTR': 'mx.example.net'},
    'mx.example.net': {'A': '192.0.2.1'},
    '2.2.0.192.in-addr.arpa': {'PTR': 'forged.example.net'},
    'forged.example.net': {'A': '192.0.2.2'},
}


def sign(name, word, records):
    """RFC 4034 section 3.1.8.1, by the root's key."""
    owner, now = dnsd.wire_name(name.lower()), int(time.time())
    head = struct.pack('!HBBIIIH', dnsd.TYPES[word], ED25519,
                       len(name.split('.')) if name else 0, dnsd.TTL,
                       now + 86400, now - 86400, tag) + b'\0'
    text = head + b''.join(
        owner + struct.pack('!HHIH', dnsd.TYPES[word], 1, dnsd.TTL,
                            len(data)) + data for data in sorted(records))
    if name.startswith('forged'):
        text += b'x'
    return head + key.sign(text).signature


def results(postern):
    """Of the two clients; and what else was said."""
    found, said = [], ''
    for ip in ('192.0.2.1', '192.0.2.2'):
        done = postern.ctl('check', '--client-ip', ip, input=MESSAGE)
        found.append(json.loads(done.stdout)['rdns']['result'])
        said += done.stderr
    return found, said.count(WARNING)


def served(sign_, zone, want, warned, name):
    with Dnsd(zone, sign=sign_) as dns, \
            Postern(CONF % dns.port, files={'anchor': ANCHOR}) as postern:
        is_(results(postern), (want, 2 * warned), name)
        if warned:
            postern.wait_log(WARNING)
        is_(len(postern.log_lines(WARNING)), warned,
            '%s: the daemon says %s' % (name, 'so' if warned else 'nothing'))
        if not warned:
            ok(dns.count('', 'DNSKEY') > 0, '%s: the root was asked' % name)


def main():
    plan(7)
    served(sign, ZONE, ['pass', 'temperror'], 0, 'signatures')
    served(None, ZONE, ['pass', 'pass'], 1, 'no signatures')
    served(None, dict(ZONE, **{'': 'SERVFAIL'}), ['pass', 'pass'], 1,
           'no keys')


main()
