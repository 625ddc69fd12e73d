#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# The DKIM test suites of others, through posternctl check and a DNS server that
# has their keys: Mail::DKIM, dkimpy, chasquid and mail-auth (with RFC 8463
# appendix A in the last two). Where our verdict is another, and why, stands
# below. The data is in POSTERN_DATA or in ../shared/data beside the source;
# without it there is nothing to do.

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
from rig import PATIENCE, Dnsd, binary, is_, ok, plan, skip_all

DATA = os.environ.get('POSTERN_DATA') or os.path.join(
    os.path.dirname(__file__), '../../../shared/data')
CONF = '''Mode v
Nameservers 127.0.0.1@%d
SPF no
DMARC no
IPRev no
MaximumSignaturesToVerify 8
'''
PASS = ['pass']
# Verdicts of ours that are not the suite's.
OTHER = {
    # RFC 8301 section 3.2: keys under 1024 bits must not be considered valid;
    # the suite asks for it with minkey=512.
    'test_dkim_signature_canonicalization-007.eml': ['policy'],
    'test_dkim_signature_canonicalization-008.eml': ['policy'],
    'test_dkim_signature_canonicalization-009.eml': ['policy'],
    'test_dkim_signature_canonicalization-010.eml': ['policy'],
    # RFC 6376 section 8.2: l= leaves a part of the body unsigned; RFC 8601
    # section 2.7.1 calls what verifies but is not good enough `policy`.
    'test_l_verify-019.eml': ['policy'],
    'test_l_verify-020.eml': ['policy'],
    'test_l_verify-021.eml': ['policy'],
    'test_l_verify-022.eml': ['policy'],
    '09-limited_body.msg': ['policy', 'pass', 'pass'],
    # The suite's limit is 5 signatures, ours 8.
    '02-too_many_headers.msg': PASS * 7,
    # RFC 6376 section 3.6.2.2: with more than one key record the result is
    # undefined; to try each would let anyone who can add a record choose.
    '07-algo_mismatch.msg': ['permerror', 'pass'],
}


class Suites:
    """posternctl check with a DNS server of its own."""

    def __init__(self, dns):
        self.dns = dns
        self.conf = tempfile.NamedTemporaryFile('w', suffix='.conf')
        self.conf.write(CONF % dns.port)
        self.conf.flush()

    def check(self, path, zone, time=None):
        """The results, as words; None: it said nothing that can be read."""
        self.dns.serve(zone)
        done = subprocess.run(
            [binary('POSTERNCTL'), 'check', '-x', self.conf.name,
             '--client-ip', '192.0.2.1', '--from', 'a@example.org'] +
            (['--time', str(time)] if time else []) + [path],
            capture_output=True, text=True, timeout=PATIENCE)
        try:
            found = json.loads(done.stdout)['dkim']
        except ValueError:
            return None
        return [one['result'] for one in found]


def load(suite):
    with open(os.path.join(DATA, suite, 'expected.json')) as f:
        return json.load(f)


def word(results):
    return ('none' if results == [] else
            'pass' if results and 'pass' in results else 'not_pass')


def judge(name, results, want):
    """`want` is the suite's word; OTHER goes before it."""
    key = os.path.basename(name)
    if key in OTHER:
        is_(results, OTHER[key], name + ', other than the suite has it')
    else:
        ok(results is not None and word(results) == want, name,
           'got %s, not %s' % (results, want))


def mail_dkim(run):
    suite = load('dkim-mail-dkim')
    for case in suite['cases']:
        judge('dkim-mail-dkim/' + case['file'],
              run.check(os.path.join(DATA, 'dkim-mail-dkim', case['file']),
                        suite['dns']), case['modern_expect'])


def dkimpy(run):
    for case in load('dkim-dkimpy')['cases']:
        if case['check'] == 'dkim':
            results = run.check(
                os.path.join(DATA, 'dkim-dkimpy', case['file']), case['dns'])
            judge('dkim-dkimpy/' + case['file'],
                  results if results != [] else ['not_pass'], case['expect'])


def signed_at(path):
    """The latest t= of its signatures: for one case the clock that the suite
    names is hours before it, which RFC 6376 section 3.5 lets us refuse."""
    with open(path, 'rb') as f:
        times = re.findall(rb'[;\s]t=(\d{10})\b', f.read())
    return max([int(time) for time in times], default=0)


def mail_auth(run):
    for case in load('dkim-arc-stalwart')['cases']:
        if case['check'] == 'dkim':
            path = os.path.join(DATA, 'dkim-arc-stalwart', case['file'])
            results = run.check(
                path, case['dns'],
                max(case['evaluation_time'], signed_at(path)))
            ok(results and results[-1] == 'pass',
               'dkim-arc-stalwart/' + case['file'], results)


def chasquid_zone(path):
    zone = {}
    if not os.path.exists(path):
        return zone
    with open(path) as f:
        text = re.sub(r'\\\n\s*', '', f.read())
    for line in text.splitlines():
        name, _, value = line.partition(':')
        value = value.strip()
        if value == 'TEMPERROR':
            zone[name] = 'SERVFAIL'
        elif value and value != 'PERMERROR':
            zone.setdefault(name, []).append(value)
    return zone


def chasquid(run):
    words = {'SUCCESS': 'pass', 'TEMPFAIL': 'temperror',
             'PERMFAIL': 'permerror'}
    for path in sorted(glob.glob(os.path.join(DATA, 'dkim-chasquid/*.msg'))):
        base = os.path.splitext(path)[0]
        want = []
        if os.path.exists(base + '.result'):
            with open(base + '.result') as f:
                text = f.read()
            found = json.loads(text) if text.startswith('{') else {}
            want = [words[one['State']] for one in found.get('Results') or []]
        is_(run.check(path, chasquid_zone(base + '.dns')),
            OTHER.get(os.path.basename(path), want),
            'dkim-chasquid/' + os.path.basename(path))


def main():
    if not os.path.isdir(os.path.join(DATA, 'dkim-mail-dkim')):
        skip_all('the test suites are not here: see POSTERN_DATA')
    plan(79 + 65 + 6 + 11)
    with Dnsd({}) as dns:
        run = Suites(dns)
        mail_dkim(run)
        dkimpy(run)
        mail_auth(run)
        chasquid(run)


main()
