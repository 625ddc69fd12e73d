#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
# The SPF suites through the program: posternctl check asks a name server that
# has the zone of each scenario. t/support/data/spfsuite.py tells where the suites
# are; without them there is nothing to do.

import json
import multiprocessing.pool
import os
import subprocess
import sys
import tempfile
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../support'))
import modules  # noqa: F401
import spfsuite
from dnsd import Dnsd
from tap import diag, is_, plan, skip_all

CONF = '''
Mode        v
IPRev       no
DNSTimeout  1
Nameservers 127.0.0.1@%d
'''


def check(conf, case):
    """(MAIL FROM's result, HELO's)"""
    done = subprocess.run(
        [os.environ['POSTERNCTL'], 'check', '-x', conf,
         '--client-ip', case.client, '--helo', case.helo,
         '--from', case.sender],
        input='From: a@b.example\n\n', text=True, stdout=subprocess.PIPE,
        check=True)
    found = json.loads(done.stdout)
    return found['spf'], found['spf_helo']


def faults(pool, conf, scenario):
    """What is wrong with each case; '' for nothing."""
    return pool.map(lambda case: case.fault(*check(conf, case)),
                    list(scenario.cases()), chunksize=1)


def main():
    suites = spfsuite.find()
    if not suites:
        skip_all('no suite: neither POSTERN_DATA nor python3-spf')
    plan(len(suites))
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as conf, \
            multiprocessing.pool.ThreadPool(2) as pool, \
            Dnsd({}) as server:
        conf.write(CONF % server.port)
        conf.flush()
        for path in suites:
            found = []
            for scenario in spfsuite.load(path):
                server.serve(scenario.zone)
                found += faults(pool, conf.name, scenario)
            wrong = [fault for fault in found if fault]
            for fault in wrong:
                diag(fault)
            is_(len(wrong), 0, '%s: %d of %d' % (
                os.path.basename(path), len(found) - len(wrong), len(found)))


main()
