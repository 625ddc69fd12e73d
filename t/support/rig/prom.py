# SPDX-License-Identifier: BSD-2-Clause
"""The text format of Prometheus, 0.0.4, read as strictly as it is written down,
and more strictly where its readers differ: promtool takes equal series, families
that are interleaved and histograms whose buckets fall."""

import re
import shutil
import subprocess

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"')
SAMPLE = re.compile(r'(%s)(?:\{(.*)\})? (\S+)$' % NAME)
NUMBER = re.compile(r'(?:[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|NaN|[-+]Inf)$')
KINDS = ('counter', 'gauge', 'histogram')
PARTS = ('_bucket', '_sum', '_count')


class Malformed(Exception):
    """It is not in the format."""


class Family:
    def __init__(self, name, words):
        self.name, self.help = name, words
        self.kind = None
        self.series = {}        # (name, ((label, value), ...)) -> number


def _labels(text):
    """As pairs, in order."""
    pairs, at = [], 0
    while text is not None and at < len(text):
        found = LABEL.match(text, at)
        if not found:
            raise Malformed('labels: %r' % text)
        value = re.sub(r'\\(.)', lambda m: '\n' if m[1] == 'n' else m[1],
                       found[2])
        pairs.append((found[1], value))
        at = found.end()
        if at < len(text):
            if text[at] != ',' or at + 1 == len(text):
                raise Malformed('labels: %r' % text)
            at += 1
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Malformed('a label twice: %r' % text)
    if any(name.startswith('__') for name in names):
        raise Malformed('a reserved label: %r' % text)
    return tuple(pairs)


def _sample(family, line):
    found = SAMPLE.match(line)
    if not found or not NUMBER.match(found[3]):
        raise Malformed('no sample: %r' % line)
    if family is None or family.kind is None:
        raise Malformed('a sample before HELP and TYPE: %r' % line)
    names = [family.name]
    if family.kind == 'histogram':
        names = [family.name + part for part in PARTS]
    if found[1] not in names:
        raise Malformed('a sample of another family than %s: %r' %
                        (family.name, line))
    key = (found[1], _labels(found[2]))
    if any(name == 'le' for name, _ in key[1]) != found[1].endswith('_bucket'):
        raise Malformed('le: %r' % line)
    if key in family.series:
        raise Malformed('a series twice: %r' % line)
    family.series[key] = float(found[3])


def _comment(families, family, line):
    found = re.match(r'# (HELP|TYPE) (%s) (.+)$' % NAME, line)
    if not found:
        raise Malformed('no HELP and no TYPE: %r' % line)
    word, name, rest = found.groups()
    if word == 'HELP':
        if name in families:
            raise Malformed('a family twice: %s' % name)
        if not re.fullmatch(r'(?:[^\\]|\\[\\n])*', rest):
            raise Malformed('an escape in HELP: %r' % line)
        families[name] = Family(name, rest)
        return families[name]
    if family is None or family.name != name or family.kind is not None or \
            family.series:
        raise Malformed('TYPE is not behind its HELP: %r' % line)
    if rest not in KINDS:
        raise Malformed('kind: %r' % line)
    family.kind = rest
    return family


def _bound(text):
    return float('inf') if text == '+Inf' else float(text)


def _check_histogram(family):
    """Each of its series: cumulative, with +Inf, which is the count."""
    groups = {}
    for (name, labels), n in family.series.items():
        rest = tuple(pair for pair in labels if pair[0] != 'le')
        groups.setdefault(rest, []).append((name, dict(labels).get('le'), n))
    for labels, samples in groups.items():
        where = '%s%r' % (family.name, labels)
        buckets = [(_bound(le), n) for name, le, n in samples
                   if name.endswith('_bucket')]
        sums = [n for name, _, n in samples if name.endswith('_sum')]
        counts = [n for name, _, n in samples if name.endswith('_count')]
        if len(sums) != 1 or len(counts) != 1:
            raise Malformed('no sum or no count: %s' % where)
        if [b for b, _ in buckets] != sorted({b for b, _ in buckets}):
            raise Malformed('bounds are not ascending: %s' % where)
        if [n for _, n in buckets] != sorted(n for _, n in buckets):
            raise Malformed('buckets fall: %s' % where)
        if not buckets or buckets[-1] != (float('inf'), counts[0]):
            raise Malformed('+Inf is not the count: %s' % where)


def parse(data):
    """Families by name of a page of octets; Malformed."""
    try:
        text = data.decode('utf-8')
    except UnicodeDecodeError as e:
        raise Malformed('no UTF-8: %s' % e) from e
    if not text.endswith('\n'):
        raise Malformed('no LF at the end')
    families, family = {}, None
    for line in text[:-1].split('\n'):
        if line.startswith('#'):
            family = _comment(families, family, line)
        else:
            _sample(family, line)
    for one in families.values():
        if not one.series:
            raise Malformed('a family without series: %s' % one.name)
        if one.kind == 'histogram':
            _check_histogram(one)
        if (one.kind == 'counter') != one.name.endswith('_total'):
            raise Malformed('only counters end in _total: %s' % one.name)
        if one.kind == 'counter' and \
                not all(0 <= n < float('inf') for n in one.series.values()):
            raise Malformed('a counter that falls: %s' % one.name)
    return families


def promtool(*args, data=None):
    """The finished process; None where there is no promtool."""
    tool = shutil.which('promtool')
    if tool is None:
        return None
    return subprocess.run([tool, *args], input=data, capture_output=True,
                          check=False)
