# SPDX-License-Identifier: BSD-2-Clause
"""A program on a terminal of the test's own: what it shows, and how it leaves
the terminal. As much of an xterm as ncurses uses; an unknown sequence is an
error."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from proc import PATIENCE, RigError

SEQUENCE = re.compile(
    rb'\x1b(?:\[([?>!]?)([0-9;]*)([@-~])|[()][0-9A-Za-z]|[=>78M])')


class Screen:
    """argv runs with the terminal as its own. env: beside TERM.

    .lines() is what can be seen; .colours the SGR numbers of colours that were
    used; .alternate and .cursor: is the full screen on, is the cursor seen.
    """

    def __init__(self, argv, rows=24, columns=80, term='xterm-256color',
                 env=None):
        self.master, self.slave = pty.openpty()
        self.pending = b''
        self.at = [0, 0]
        self.region = (0, rows)
        self.cells = []
        self.alternate, self.cursor, self.colours = False, True, set()
        self._size(rows, columns)
        self.modes = termios.tcgetattr(self.slave)
        environment = dict(os.environ)
        for name in ('NO_COLOR', 'LINES', 'COLUMNS'):
            environment.pop(name, None)
        environment.update(env or {}, TERM=term)
        self.process = subprocess.Popen(
            argv, stdin=self.slave, stdout=self.slave, stderr=self.slave,
            env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def _size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack('HHHH', rows, columns, 0, 0))
        self.rows, self.columns = rows, columns
        self.region = (0, rows)
        old = self.cells
        self.cells = [[old[y][x] if y < len(old) and x < len(old[y]) else ' '
                       for x in range(columns)] for y in range(rows)]
        self.at = [min(self.at[0], rows - 1), min(self.at[1], columns - 1)]

    def resize(self, rows, columns):
        self._size(rows, columns)

    def press(self, keys):
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def lines(self):
        return [''.join(row).rstrip() for row in self.cells]

    def text(self):
        return '\n'.join(self.lines())

    def pump(self, seconds):
        """Reads what comes within that time; False: nothing came."""
        ready = select.select([self.master], [], [], seconds)[0]
        if not ready:
            return False
        self.pending += os.read(self.master, 65536)
        self._show()
        return True

    def wait(self, regex, timeout=PATIENCE):
        """Waits until the screen has it, as it stands when all output was
        read."""
        end = time.monotonic() + timeout
        while True:
            while self.pump(0.05):
                pass
            if re.search(regex, self.text(), re.M):
                return True
            if time.monotonic() > end or self.process.poll() is not None:
                return False

    def wait_without(self, regex, timeout=PATIENCE):
        end = time.monotonic() + timeout
        while re.search(regex, self.text(), re.M):
            if time.monotonic() > end or self.process.poll() is not None:
                return False
            self.pump(0.1)
        return True

    def end(self):
        """Waits for the program; its exit status, as subprocess has it."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise RigError('the program does not end')
            self.pump(0.05)
        while self.pump(0.05):
            pass
        return self.process.returncode

    def signal(self, sig):
        os.kill(self.process.pid, sig)

    def is_restored(self):
        return (termios.tcgetattr(self.slave) == self.modes and
                not self.alternate and self.cursor)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- what the program writes --

    def _show(self):
        while self.pending:
            if self.pending[0] == 0x1b:
                found = SEQUENCE.match(self.pending)
                if not found:
                    if len(self.pending) > 30:
                        raise RigError('terminal: %r' % self.pending[:30])
                    return
                self.pending = self.pending[found.end():]
                if found[3]:
                    self._control(found[1], found[2].decode(),
                                  found[3].decode())
                elif found[0] == b'\x1bM':
                    self._up()
                continue
            length = self._length()
            if len(self.pending) < length:
                return
            self._put(self.pending[:length].decode())
            self.pending = self.pending[length:]

    def _length(self):
        first = self.pending[0]
        return 1 if first < 0x80 else 2 if first < 0xe0 else \
            3 if first < 0xf0 else 4

    def _put(self, char):
        y, x = self.at
        if char == '\r':
            self.at[1] = 0
        elif char == '\n':
            self._down()
        elif char == '\b':
            self.at[1] = max(0, x - 1)
        elif char == '\t':
            self.at[1] = min(self.columns - 1, x // 8 * 8 + 8)
        elif char < ' ' and char not in '\x07\x0e\x0f':
            raise RigError('terminal: control %r' % char)
        elif char >= ' ':
            if x >= self.columns:
                self.at[1] = x = 0
                self._down()
                y = self.at[0]
            self.cells[y][x] = char
            self.at[1] = x + 1

    def _down(self):
        top, bottom = self.region
        if self.at[0] == bottom - 1:
            self._scroll(top, bottom, 1)
        elif self.at[0] < self.rows - 1:
            self.at[0] += 1

    def _up(self):
        top, bottom = self.region
        if self.at[0] == top:
            self._scroll(top, bottom, -1)
        elif self.at[0] > 0:
            self.at[0] -= 1

    def _scroll(self, top, bottom, lines):
        rows = self.cells[top:bottom]
        blank = [[' '] * self.columns for _ in range(abs(lines))]
        rows = rows[lines:] + blank if lines > 0 else blank + rows[:lines]
        self.cells[top:bottom] = rows[:bottom - top]

    def _erase(self, y, first, last):
        for x in range(first, min(last, self.columns)):
            self.cells[y][x] = ' '

    def _control(self, private, text, final):
        numbers = [int(n) if n else 0 for n in text.split(';')]
        n = max(1, numbers[0])
        y, x = self.at
        x = min(x, self.columns - 1)
        row = self.cells[y]
        if private:
            if 1049 in numbers:
                self.alternate = final == 'h'
            elif 25 in numbers:
                self.cursor = final == 'h'
        elif final == 'H':
            self.at = [min(n, self.rows) - 1,
                       min(max(1, (numbers + [1])[1]), self.columns) - 1]
        elif final in 'ABCD':
            step = {'A': (-n, 0), 'B': (n, 0), 'C': (0, n), 'D': (0, -n)}
            self.at = [min(max(0, y + step[final][0]), self.rows - 1),
                       min(max(0, x + step[final][1]), self.columns - 1)]
        elif final == 'd':
            self.at[0] = min(n, self.rows) - 1
        elif final == 'G':
            self.at[1] = min(n, self.columns) - 1
        elif final == 'J':
            if numbers[0] == 0:
                self._erase(y, x, self.columns)
            for other in range(self.rows):
                if numbers[0] == 2 or (numbers[0] == 0 and other > y):
                    self._erase(other, 0, self.columns)
        elif final == 'K':
            self._erase(y, x if numbers[0] == 0 else 0,
                        x + 1 if numbers[0] == 1 else self.columns)
        elif final == 'X':
            self._erase(y, x, x + n)
        elif final == 'b':
            for _ in range(n):
                self._put(row[self.at[1] - 1])
        elif final == '@':
            row[x:] = ([' '] * n + row[x:])[:self.columns - x]
        elif final == 'P':
            row[x:] = (row[x + n:] + [' '] * n)[:self.columns - x]
        elif final in 'LM':
            self._scroll(y, self.region[1], n if final == 'M' else -n)
        elif final in 'ST':
            self._scroll(*self.region, n if final == 'S' else -n)
        elif final == 'r':
            self.region = (n - 1, numbers[1] if len(numbers) > 1
                           else self.rows)
            self.at = [0, 0]
        elif final == 'm':
            self.colours |= {c for c in numbers
                             if 30 <= c <= 38 or 40 <= c <= 48 or
                             90 <= c <= 107}
        elif final not in 'htl':
            raise RigError('terminal: %s%s%s' % (private, text, final))
