# SPDX-License-Identifier: BSD-2-Clause
"""The openspf test suites: YAML documents of {description, tests, zonedata}.

They are found below POSTERN_DATA, or ../shared/data beside the source, or where
Debian's python3-spf has them.  A case without `disputed` counts.
"""

import glob
import gzip
import os
import re

RFC = ['rfc7208-tests.yml', 'rfc4408-tests.yml']
OTHER = 'spf-stalwart/stalwart-openspf-format.yml'
PACKAGE = '/usr/share/doc/python3-spf'
DEFAULT = 'DEFAULT'     # the explanation where a domain gives none


def find(others=True):
    """Paths of the suites there are."""
    data = os.environ.get('POSTERN_DATA') or os.path.join(
        os.path.dirname(__file__), '../../../../shared/data')
    found = []
    for name in RFC:
        found += (glob.glob(os.path.join(data, 'spf-rfc-suite', name)) or
                  glob.glob(os.path.join(PACKAGE, name + '*')))[:1]
    if others:
        found += glob.glob(os.path.join(data, OTHER))
    return found


def load(path):
    """The scenarios of a suite."""
    import yaml
    opener = gzip.open if path.endswith('.gz') else open
    # The C loader, or a pure one of the same rules.
    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    with opener(path, 'rt', encoding='utf-8') as file:
        return [Scenario(one) for one in yaml.load_all(file, loader) if one]


class Case:
    def __init__(self, scenario, name, test):
        self.name = '%s: %s' % (scenario, name)
        self.client = str(test['host'])
        self.helo = str(test.get('helo') or '')
        self.sender = str(test.get('mailfrom') or '')
        want = test['result']
        self.results = want if isinstance(want, list) else [want]
        self.explanation = test.get('explanation')
        self.combined = 'combined' in test

    def fault(self, mfrom, helo):
        """What is wrong with two {result, explanation}; '' for nothing.
        MAIL FROM's counts, in a combined case only if HELO's is pass."""
        got = mfrom
        if self.combined and helo['result'] != 'pass':
            got = helo
        if got['result'] not in self.results:
            return '%s: %s, not %s (%s)' % (
                self.name, got['result'], '/'.join(self.results), got)
        explained = got['explanation'] or DEFAULT
        if self.explanation is not None and got['result'] == 'fail' and \
                explained != self.explanation:
            return '%s: explained %r, not %r' % (
                self.name, explained, self.explanation)
        return ''


class Scenario:
    def __init__(self, document):
        self.description = document.get('description', '')
        self.zone = document.get('zonedata') or {}
        self.tests = document['tests']

    def cases(self, regex=None):
        for name, test in self.tests.items():
            if 'disputed' not in test and re.search(regex or '', name):
                yield Case(self.description, name, test)
