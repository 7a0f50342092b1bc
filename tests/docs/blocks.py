"""The fenced blocks of the documents, and a place to run them in.

The place has an empty home and stand-ins for the commands that the documents take
as examples.  conftest.py gives the tests a /run of their own.
"""

import os
import re
import shutil
import signal
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASH = "/bin/bash"
# What the documents call a job.  Each writes its name into $RAN; with $SLOW set it
# then stays until that file is gone.
JOBS = (
    "a.sh", "b.sh", "backup.sh", "convert.sh", "daemon", "deploy.sh", "import.sh", "job", "render.sh", "report.sh",
    "server", "sync.sh", "/usr/local/bin/backup.sh",
)  # fmt: skip
STAND_IN = """#!/bin/sh
echo "${0##*/}" >>"$RAN"
[ "${SLOW-}" ] || exit 0
while [ -e "$SLOW" ]; do sleep 0.05; done
"""
# As they are, where the machine has none: what they do besides is not the documents' matter.
WRAPPERS = {"chronic": 'exec "$@"', "logger": "exit 0", "curl": "exit 0"}


class Block:
    """A fenced block: its language, the rest of the info string, its text, and where it is."""

    def __init__(self, document, number, info, text):
        self.language, _, self.kind = info.partition(" ")
        self.text = text
        self.name = f"{document}:{number}"

    def lines(self):
        return [line for line in self.text.splitlines() if line.strip() and not line.startswith("#")]


def text_of(document):
    with open(os.path.join(ROOT, document), encoding="utf-8") as file:
        return file.read()


def blocks(document, language=None, kind=None):
    """Those of a document, a path below the top of the repository."""
    text = text_of(document)
    found = []
    for match in re.finditer(r"^```(\S[^\n]*)\n(.*?)^```$", text, re.M | re.S):
        found.append(Block(document, text.count("\n", 0, match.start()) + 1, match[1], match[2]))
    return [b for b in found if language in (None, b.language) and kind in (None, b.kind)]


# --- what a session shows ---


def expected(text, ann=False):
    """A pattern: PIDs, dates, times and columns differ; so do home and user, unless it is ann who types."""
    pattern = re.escape(re.sub(r" +", " ", text.strip()))
    if not ann:
        pattern = re.sub(r"/home/\w+/\\.local/state/procalive/|/run/procalive/", r"\\S*/procalive/", pattern)
        pattern = pattern.replace(r"\ ann\ ", r"\ \S+\ ")
    pattern = re.sub(r"\d{4}\\-\d\d\\-\d\d\\ \d\d:\d\d:\d\d", r"[-0-9]+ [:0-9]+", pattern)
    return re.sub(r"\b\d{3,}\b|\b\d+s\b", r"\\d+s?", pattern)


def steps(text):
    """(line typed, what came of it) of a transcript."""
    parts = re.split(r"^\$ ", text, flags=re.M)[1:]
    return [part.partition("\n")[::2] for part in parts]


def set_up(document):
    """The first sh block but for the tests: what the transcript goes on from."""
    first = blocks(document, "sh")[0]
    return "\n".join(line for line in first.lines() if not line.startswith("tests/run"))


def session(block):
    """A script for bash, to be run in a checkout: the lines of a transcript, each below a mark of its own."""
    lines = [set_up("README.md"), "bin/procalive wait --up -t 10 @demo"]
    for number, (line, _) in enumerate(steps(block.text)):
        lines += [f"echo '--- {number}'", line]
        if line.startswith("kill"):
            lines += ["wait $! 2>/dev/null"]  # who types is not as fast
    return "\n".join(lines)


def differences(block, output, ann=False):
    """(line, what it printed) for each line of a transcript that did not print what is shown."""
    output = re.sub(r"^\S*: line .*Killed.*\n", "", output, flags=re.M)  # of the shell, not of ours
    came = re.split(r"^--- \d+\n", output, flags=re.M)[1:]
    typed = steps(block.text)
    came += ["(not reached)"] * (len(typed) - len(came))
    return [
        (line, printed)
        for (line, shown), printed in zip(typed, came)
        if not re.fullmatch(expected(shown, ann), re.sub(r" +", " ", printed.strip()))
    ]


# --- a place to run lines in ---


def empty_run():
    """Away with what a tool has left; rmtree would open a FIFO, and wait."""
    for name in os.listdir("/run"):
        path = f"/run/{name}"
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


class Place:
    """A directory to run lines in, with everything they name."""

    def __init__(self, directory):
        self.root, self.directory = ROOT, str(directory)
        self.started = []
        self.ran = self.file("ran")
        self.slow = self.file("slow")
        self.environment = {
            "HOME": self.directory,
            "LC_ALL": "C.UTF-8",
            "PATH": f"{ROOT}/bin:{self.file('bin')}:/usr/sbin:/usr/bin:/sbin:/bin",
            "PING_URL": "http://localhost",
            "PYTHONPATH": ROOT,
            "RAN": self.ran,
            "SHELL": "/bin/sh",
            "TERM": "dumb",
            "USER": "root",
        }
        os.mkdir(self.file("bin"))
        for name in JOBS:
            if "/" not in name:
                self.command(name, STAND_IN)
        for name, line in WRAPPERS.items():
            self.command(name, f"#!/bin/sh\n{line}\n")

    def file(self, name):
        return os.path.join(self.directory, name)

    def command(self, name, text):
        with open(self.file(f"bin/{name}"), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.file(f"bin/{name}"), 0o755)

    def fit(self, text):
        """The line with the places of an installed system exchanged for ours."""
        text = text.replace("/usr/local/bin/procalive", "procalive")
        text = text.replace("/usr/local/share/procalive/", f"{ROOT}/shell/")
        return re.sub(r"/usr/local/s?bin/", "", text)

    def start(self, command, **options):
        """A process in the place; `slow`: its jobs stay until release()."""
        environment = dict(self.environment)
        if options.pop("slow", False):
            open(self.slow, "w").close()
            environment["SLOW"] = self.slow
        stdin = subprocess.PIPE if options.pop("keep_input", False) else subprocess.DEVNULL
        process = subprocess.Popen(
            command, cwd=self.directory, env=environment, start_new_session=True, stdin=stdin, **options
        )
        self.started.append(process)
        return process

    def close(self):
        """End what was started here: process groups of our own."""
        self.release()
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def run(self, command, timeout=60, **options):
        """(exit status, output and messages); the status is None where the time ran out."""
        process = self.start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return None, output
        return process.returncode, output

    def script(self, text, **options):
        return self.run([BASH, "-c", self.fit(text)], **options)

    def release(self):
        if os.path.exists(self.slow):
            os.unlink(self.slow)

    def has_run(self):
        """The names of the jobs that ran since the last call."""
        try:
            with open(self.ran, encoding="utf-8") as file:
                names = file.read().split()
            if names:  # an empty file is about to be written
                os.unlink(self.ran)
        except FileNotFoundError:
            return []
        return names
