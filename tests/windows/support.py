"""What the tests share: programs under wine, and bounded polling."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROGRAM = os.path.join(ROOT, "windows", "procalive.py")
PYTHON = os.environ.get("PROCALIVE_WINDOWS_PYTHON") or os.path.join(HERE, ".python", "cp313", "python.exe")
WINE = shutil.which("wine64") or next((path for path in ["/usr/lib/wine/wine64"] if os.path.exists(path)), None)
LONG = bool(os.environ.get("PROCALIVE_LONG"))


# What a job does until go(); bounded, should the test have failed.
UNTIL_GO = "import os, sys, time\nfor _ in range(6000):\n  if os.path.exists('go'): break\n  time.sleep(.01)\n"


def often(ordinary, bound):
    """How often a storm does it: the full bound only where there is time."""
    return bound if LONG else ordinary


def on_windows(path):
    """A path of this machine as wine's drive Z has it."""
    return "Z:" + os.path.abspath(path).replace("/", "\\")


def eventually(condition, seconds=60.0):
    """Poll until it is true, and return what it said; an error when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


class Running:
    """A program under wine: its lines as they come, and its end.

    Its pipes are read for as long as it runs, and no longer: wine's own services
    may have got hold of them, and never close them.
    """

    def __init__(self, command, environment, cwd):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=environment, cwd=cwd, **pipes)
        self._read = {self.process.stdout: b"", self.process.stderr: b""}
        for pipe in self._read:
            os.set_blocking(pipe.fileno(), False)

    def _fill(self):
        for pipe in self._read:
            while data := (pipe.read() if not pipe.closed else None):
                self._read[pipe] += data

    @property
    def errors(self):
        self._fill()
        return self._read[self.process.stderr].decode("utf-8", "replace").rstrip().replace("\r", "")

    def _line(self):
        self._fill()
        line, newline, rest = self._read[self.process.stdout].partition(b"\n")
        if newline:
            self._read[self.process.stdout] = rest
            return (line.decode().rstrip("\r"),)
        assert self.process.poll() is None, f"said nothing; status {self.process.poll()}, {self.errors!r}"
        return None

    def says(self, expected=None, seconds=60.0):
        """The next line; it must be the one expected."""
        (line,) = eventually(self._line, seconds)
        assert expected is None or line == expected, (line, self.errors)
        return line

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def _has_ended(self):
        self._fill()  # also while it runs: a pipe that is full would stop it
        return self.process.poll() is not None

    def result(self, seconds=120.0):
        """(status, the rest of standard output, standard error)."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended
        eventually(self._has_ended, seconds)
        errors = self.errors
        for pipe in self._read:
            pipe.close()
        output = self._read[self.process.stdout].decode("utf-8", "replace").rstrip().replace("\r", "")
        return self.process.returncode, output, errors

    def status(self, seconds=120.0):
        return self.result(seconds)[0]


class Windows:
    """Runs procalive and Python in one directory under wine."""

    def __init__(self, environment, directory):
        self.environment, self.directory = dict(environment), str(directory)
        self._started = []
        self.python_exe, self.program = on_windows(PYTHON), on_windows(PROGRAM)

    def start_program(self, *command, cwd=None, **environment):
        running = Running([WINE, *command], {**self.environment, **environment}, cwd or self.directory)
        self._started.append(running)
        return running

    def start(self, *args, **options):
        """procalive with these arguments."""
        return self.start_program(PYTHON, "-I", "-S", PROGRAM, *args, **options)

    def __call__(self, *args, seconds=120.0, **options):
        """procalive with these arguments, to its end: (status, output, errors)."""
        running = self.start(*args, **options)
        return running.result(seconds)

    def start_python(self, code, *args, **options):
        """Python with `p`, the module, and the helpers of inside.py."""
        prologue = f"import sys; sys.path[:0] = [{on_windows(HERE)!r}]; from inside import *\n"
        return self.start_program(PYTHON, "-I", "-S", "-c", prologue + code, *map(str, args), **options)

    def python(self, code, *args, seconds=240.0, **options):
        """Its output; an error where it fails."""
        status, output, errors = self.start_python(code, *args, **options).result(seconds)
        assert status == 0, errors
        return output

    def job(self, code):
        """A command that runs Python code."""
        return self.python_exe, "-I", "-S", "-c", code

    def held(self, name="a.lock", *options, code="import time; time.sleep(60)"):
        """procalive hold, once its job runs."""
        running = self.start("hold", *options, name, "--", *self.job("print('up', flush=True)\n" + code))
        running.says("up")
        return running

    def go(self):
        """Let end what runs UNTIL_GO."""
        with open(os.path.join(self.directory, "go"), "w"):
            pass

    def end(self):
        for running in self._started:
            if running.process.poll() is None:
                running.process.kill()
            running.result()
