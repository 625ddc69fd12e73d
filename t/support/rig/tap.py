# SPDX-License-Identifier: BSD-2-Clause
"""Test Anything Protocol, for the scripts in t/e2e.

The exit code is 1 when a check failed or the plan was not met, and 77 for a
test that was skipped as a whole (CTest: SKIP_RETURN_CODE 77).
"""

import atexit
import os
import re
import sys

SKIPPED = 77

_state = {'planned': None, 'run': 0, 'failed': 0}


def diag(text):
    """Prints text as TAP comment lines."""
    for line in str(text).splitlines():
        print('# ' + line)
    sys.stdout.flush()


def plan(count):
    _state['planned'] = count
    print('1..%d' % count, flush=True)


def ok(cond, name, diagnosis=None):
    """One check. Returns whether it held, so that a test can stop early."""
    _state['run'] += 1
    word = 'ok' if cond else 'not ok'
    print('%s %d - %s' % (word, _state['run'], name), flush=True)
    if not cond:
        _state['failed'] += 1
        if diagnosis is not None:
            diag(diagnosis)
    return bool(cond)


def is_(got, want, name):
    return ok(got == want, name, 'got:  %r\nwant: %r' % (got, want))


def like(got, regex, name):
    """regex is compiled or a string; it may match anywhere."""
    return ok(re.search(regex, got), name,
              'got:  %r\nwant: /%s/' % (got, getattr(regex, 'pattern', regex)))


def skip(name, reason):
    """One check that is planned, and left out."""
    ok(True, '%s # SKIP %s' % (name, reason))


def no_test():
    """For a program on the rig that is no test: it prints no TAP, and its
    own exit code stands."""
    _state['planned'] = 0


def skip_all(reason):
    print('1..0 # SKIP ' + reason, flush=True)
    _state['planned'] = 0
    sys.exit(SKIPPED)


def failed():
    """True as well when a script died before it had run all its checks."""
    return bool(_state['failed'] or _state['planned'] is None or
                _state['run'] != _state['planned'])


@atexit.register
def _finish():
    """Makes a failure the exit code, also of a script that never asks."""
    if not failed():
        return
    diag('%d run, %s planned, %d failed' %
         (_state['run'], _state['planned'], _state['failed']))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
