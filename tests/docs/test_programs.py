"""The programs of docs/python.md and docs/embedding.md are built and run as they stand."""

import os
import shutil
import subprocess
import sys

import pytest
from blocks import blocks

EXAMPLES = blocks("docs/python.md", "python")
SYSTEM_PATH = "/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin"


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.name)
def test_an_example_in_python_runs(place, block):
    with open(place.file("example.py"), "w", encoding="utf-8") as file:
        file.write(block.text)
    status, output = place.run([sys.executable, "-W", "error", "example.py"])
    assert status == 0, output
    told = [line.partition("  # ")[2] for line in block.lines() if "print(" in line]
    told = [word for word, _, rest in (text.partition(" ") for text in told) if not rest.startswith("or ")]
    told = [word.strip(":,") for word in told]
    printed = [line for line in output.splitlines() if line in ("True", "False")]
    assert [word for word in told if word in ("True", "False")] in (printed, [])


def test_an_example_prints_what_its_comments_say(place):
    release = os.uname().release
    block = next(block for block in EXAMPLES if "status=True" in block.text)
    with open(place.file("example.py"), "w", encoding="utf-8") as file:
        file.write(block.text)
    for _ in range(3):  # on a busy machine the job may end before wait has seen who holds
        _, output = place.run([sys.executable, "example.py"])
        if "7" in output:
            break
    new = tuple(int(number) for number in release.split(".")[:2]) >= (6, 15)
    assert output == ("{'@job': 7}\n" if new else "{'@job': None}\n")


def compiled(compiler, suffix, *options):
    def build(place, text):
        source, program = place.file(f"program{suffix}"), place.file("program")
        write(source, text)
        tool = found(compiler)
        environment = {**place.environment, "GOCACHE": place.file("go"), "GO111MODULE": "off", "PATH": SYSTEM_PATH}
        subprocess.run([tool, *options, "-o", program, source], check=True, env=environment, cwd=place.directory)
        return [program]

    return build


def interpreted(interpreter, suffix):
    def build(place, text):
        write(place.file(f"program{suffix}"), text)
        return [found(interpreter), place.file(f"program{suffix}")]

    return build


def found(tool):
    path = shutil.which(tool, path=SYSTEM_PATH)
    return path or pytest.skip(f"not installed here: {tool}")


def write(name, text):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


BUILDERS = {
    "c": compiled("cc", ".c", "-Wall", "-Werror"),
    "go": compiled("go", ".go", "build"),
    "js": interpreted("node", ".js"),
    "perl": interpreted("perl", ".pl"),
    "python": interpreted("python3", ".py"),
}


@pytest.fixture
def program(place, language):
    """The command line of the program of docs/embedding.md in that language."""
    (block,) = blocks("docs/embedding.md", language)
    return BUILDERS[language](place, block.text)


every_language = pytest.mark.parametrize("language", sorted(BUILDERS))


@every_language
def test_a_program_asks_as_check_does(place, program):
    fifo = place.file("x.fifo")

    def answers():
        return place.run([*program, "ask", fifo])[0], place.run(["procalive", "check", fifo])[0]

    assert answers() == (1, 1)
    os.mkfifo(fifo)
    assert answers() == (1, 1)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert answers() == (0, 0)
    os.close(reader)
    assert answers() == (1, 1)
    os.unlink(fifo)
    write(fifo, "")
    assert answers() == (2, 2)


@every_language
def test_a_program_is_alive_and_excludes_as_hold_does(place, program, language):
    fifo = place.file("x.fifo")
    os.mkfifo(fifo, 0o600)
    holder = place.start([*program, "hold", fifo], stdout=subprocess.PIPE, keep_input=True)
    assert holder.stdout.readline() == b"held\n"
    assert place.run(["procalive", "check", fifo])[0] == 0
    assert f"{holder.pid}" in place.run(["procalive", "who", fifo])[1]
    assert place.run(["procalive", "hold", fifo, "true"])[0] == 75
    if language != "js":  # which has no lock
        assert place.run([*program, "hold", fifo])[0] == 75
    if language == "c":  # leaves the link
        assert place.script(f"[ {fifo}.holder -ef {fifo} ]")[0] == 0
    assert place.run(["procalive", "kill", "-k", "10", fifo])[0] == 0
    holder.wait(timeout=20)
    holder.stdout.close()
    holder.stdin.close()
    assert place.run(["procalive", "check", fifo])[0] == 1


@every_language
def test_a_program_is_refused_where_hold_is_there(place, program, language):
    if language == "js":
        pytest.skip("Node.js has no lock")
    fifo = place.file("x.fifo")
    assert place.run(["procalive", "hold", fifo, *program, "hold", fifo])[0] == 75
