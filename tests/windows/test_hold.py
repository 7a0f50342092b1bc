"""hold: the job, its command line, its exit code, and its end."""

from __future__ import annotations

import os

import pytest
from support import UNTIL_GO, eventually, often, on_windows

KEEP_RUNNING = "import time; time.sleep(60)"


@pytest.mark.parametrize("code", [0, 1, 255, 256, 0xC0000005, 0xFFFFFFFF])
def test_hold_ends_with_all_32_bits_of_the_exit_code(windows, code):
    job = f"import ctypes; ctypes.windll.kernel32.ExitProcess({code})"
    assert windows.python(f"say(procalive('hold', F, '--', PYTHON, '-c', {job!r}).wait())") == str(code)


WORDS = [
    "",
    " ",
    "a b",
    'a"b',
    "\\",
    "a\\",
    'a\\"b',
    "a b\\",
    "\\\\x\\\\",
    "%PATH%",
    "&|<>^",
    "ü€😀",
    "-q",
    "--",
    "a=b;c,d",
    "*",
    "'",
]


def test_arguments_reach_the_command_as_they_were(windows):
    show = "import sys; sys.stdout.reconfigure(encoding='utf-8'); print(sys.argv[1:])"
    assert windows("hold", "a.lock", "--", *windows.job(show), *WORDS)[:2] == (0, str(WORDS))


def test_a_batch_file_gets_what_can_be_quoted_and_126_for_the_rest(windows):
    with open(f"{windows.directory}/job.cmd", "w") as file:
        file.write("@echo off\r\necho [%~1] [%~2] [%3]\r\nexit 7\r\n")
    assert windows("hold", "a.lock", "job", "a b", "c,d;e=f", "g")[:2] == (7, "[a b] [c,d;e=f] [g]")
    for word in ('a"b', "%PATH%", "a&b", "a|b", "!x!", "a\nb"):
        status, output, errors = windows("hold", "b.lock", "job.cmd", word)
        assert (status, output) == (126, "")
        assert errors.startswith("procalive: job.cmd: a batch file cannot be given ")
    assert not os.path.exists(f"{windows.directory}/b.lock")


def test_a_command_that_is_missing_leaves_no_file_behind(windows):
    assert windows("hold", "a.lock", "--", "no-such-command") == (
        127,
        "",
        "procalive: no-such-command: command not found",
    )
    assert not os.path.exists(f"{windows.directory}/a.lock")


def test_a_file_that_is_no_program_is_126(windows):
    for name in ("text.exe", "plain.txt"):
        with open(f"{windows.directory}/{name}", "w") as file:
            file.write("nothing\n")
        status, _, errors = windows("hold", "a.lock", "--", name)
        assert status == 126, errors
        assert "cannot be run" in errors
    assert windows("check", "a.lock")[0] == 1


def test_c_runs_a_line_of_cmd(windows):
    assert windows("hold", "a.lock", "-c", 'echo "a  b" & exit 9')[:2] == (9, '"a  b"')
    assert windows("hold", "a.lock", "-c")[0] == 125
    assert windows("hold", "a.lock", "-c", "echo", "b")[0] == 125


def test_the_job_is_told_the_file_and_the_handle(windows):
    show = "import os; print(os.environ['PROCALIVE_FIFO'], os.environ.get('PROCALIVE_HANDLE', '-').isdigit())"
    path = on_windows(f"{windows.directory}/a.lock")
    assert windows("hold", "a.lock", "--", *windows.job(show))[:2] == (0, f"{path} True")
    assert windows("hold", "-o", "a.lock", "--", *windows.job(show))[:2] == (0, f"{path} False")


def test_held_is_75_or_what_is_wanted_and_says_who_unless_q(windows):
    windows.held()
    status, output, errors = windows("hold", "a.lock", "--", *windows.job("print(1)"))
    assert (status, output) == (75, "")
    assert errors.startswith("procalive: a.lock: held by ")
    assert "(python.exe) for " in errors
    assert windows("hold", "-q", "-E", "0", "a.lock", "--", *windows.job("print(1)")) == (0, "", "")


def test_w_waits_for_the_holder_to_end_and_75_where_it_does_not(windows):
    windows.held(code=UNTIL_GO)
    assert windows("hold", "-q", "-w", "0.3", "a.lock", "--", *windows.job("print(1)"))[0] == 75
    waiting = windows.start("hold", "-w", "inf", "-v", "a.lock", "--", *windows.job("print(1)"))
    windows.go()
    assert waiting.result()[:2] == (0, "1")


@pytest.mark.parametrize("option", ["-n", "--nonblock", "--nb"])
def test_n_does_not_wait_whatever_w_says(windows, option):
    windows.held()
    assert windows("hold", "-q", "-w", "inf", option, "a.lock", "--", *windows.job("print(1)"))[0] == 75


def test_holds_can_be_nested(windows):
    inner = ["hold", "b.lock", "--", *windows.job("print('both', flush=True)\n" + UNTIL_GO)]
    both = windows.start("hold", "a.lock", "--", windows.python_exe, "-I", "-S", windows.program, *inner)
    both.says("both")
    assert [windows("check", name)[0] for name in ("a.lock", "b.lock")] == [0, 0]
    windows.go()
    assert both.status() == 0
    assert [windows("check", name)[0] for name in ("a.lock", "b.lock")] == [1, 1]


def test_a_hold_inside_its_own_job_is_75_at_once_even_with_w(windows):
    again = [
        windows.python_exe,
        "-I",
        "-S",
        windows.program,
        "hold",
        "-w",
        "inf",
        "a.lock",
        "--",
        *windows.job("print(1)"),
    ]
    status, output, errors = windows("hold", "a.lock", "--", *again)
    assert (status, output) == (75, "")
    assert "held by your own ancestor" in errors


def test_the_job_ends_with_its_wrapper_and_wait_returns(windows):
    marker = f"marker-{os.getpid()}-wrapper"
    holding = windows.held(code=f"{KEEP_RUNNING} #{marker}")
    waiting = windows.start("wait", "-t", "20", "a.lock")
    holding.process.kill()
    assert waiting.status() == 0
    eventually(lambda: not processes_with(marker))


def test_wait_returns_and_hold_ends_when_the_job_is_terminated(windows):
    holding = windows.held()
    waiting = windows.start("wait", "--status", "-t", "20", "a.lock")
    pid = windows("who", "--json", "a.lock")[1].split('"pid": ')[1].split(",")[0]
    windows.python(f"h = p._open_process({pid}, p._TERMINATE | p._QUERY); p._kernel.TerminateProcess(h.value, 9)")
    assert (waiting.status(), holding.status()) == (9, 9)


def processes_with(marker):
    """The processes of this machine with the marker in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found += [pid] if marker.encode() in file.read() else []
        except OSError:
            continue
    return [pid for pid in found if int(pid) != os.getpid()]


def test_a_wrapper_terminated_at_any_moment_leaves_f_free_and_no_frozen_job(windows):
    marker = f"marker-{os.getpid()}-storm"
    times = often(60, 200)
    code = f"""
late = 0
for i in range({times}):
    wrapper = procalive('hold', '-q', F, '--', PYTHON, '-I', '-S', '-c', 'import time; time.sleep(100) #{marker}')
    time.sleep(0.3 * i / {times})
    wrapper.kill(); wrapper.wait()
    late += not until(lambda: not p.check(F), 1)
say(late)
"""
    assert windows.python(code, seconds=500) == "0"
    eventually(lambda: not processes_with(marker))


def test_the_exit_of_the_main_process_leaves_its_heirs_holding(windows):
    child = windows.job(UNTIL_GO)
    holding = windows.held(code=f"import subprocess; subprocess.Popen({list(child)!r}, close_fds=False)")
    assert holding.status() == 0
    assert windows("check", "a.lock")[0] == 0
    status, output, _ = windows("who", "a.lock")
    assert (status, len(output.split("\n"))) == (0, 2)
    waiting = windows.start("wait", "-v", "-t", "20", "a.lock")
    windows.go()
    assert waiting.result() == (0, "", "procalive: a.lock: gone")


def test_heirs_hold_on_when_the_wrapper_is_terminated_with_the_job(windows):
    child = windows.job("print('heir', flush=True)\n" + UNTIL_GO)
    holding = windows.held(
        code=f"import subprocess; subprocess.Popen({list(child)!r}, close_fds=False)\n{KEEP_RUNNING}"
    )
    holding.says("heir")
    holding.process.kill()
    assert windows("hold", "-q", "a.lock", "--", *windows.job("print(1)"))[0] == 75
    waiting = windows.start("wait", "-t", "20", "a.lock")
    windows.go()
    assert waiting.status() == 0


def test_with_o_the_main_process_alone_counts(windows):
    child = windows.job("open('child', 'w').close()\n" + UNTIL_GO)
    wait = "import os\nwhile not os.path.exists('child'): time.sleep(.01)"
    code = f"import subprocess, time; subprocess.Popen({list(child)!r}, close_fds=False)\n{wait}"
    assert windows.held("a.lock", "-o", code=code).status() == 0
    assert windows("check", "a.lock")[0] == 1
    windows.go()


CTRL_C = """
kernel.SetConsoleCtrlHandler(None, False)
job = '''import os, signal, sys, time
def on(*a): sys.exit(42)
signal.signal(signal.SIGINT, on); open("up", "w").close()
for _ in range(600): time.sleep(.1)'''
hold = procalive("hold", F, "--", PYTHON, "-I", "-S", "-c", job)
seen = until(lambda: os.path.exists("up"))
keep = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(lambda event: True)
kernel.SetConsoleCtrlHandler(keep, True)
kernel.GenerateConsoleCtrlEvent(0, 0)
with open("result.new", "w") as file: file.write(f"{seen} {hold.wait(20)} {p.check(F)}")
os.replace("result.new", "result")
"""


def test_ctrl_c_is_the_jobs_and_hold_ends_as_the_job_does(windows):
    # In a console of its own: the event goes to all that share one.
    windows.python(f"python({CTRL_C!r}, creationflags=0x10, stdin=subprocess.DEVNULL).wait(40)")
    with open(f"{windows.directory}/result") as file:
        assert file.read() == "True 42 False"


def test_k_ends_the_holder_of_now_and_takes_its_place(windows):
    old = windows.held()
    assert windows("hold", "-k", "5", "a.lock", "--", *windows.job("print(2)"))[:2] == (0, "2")
    assert old.status() == 143


def test_max_age_is_3_for_a_holder_that_missed_its_beat_and_k_ends_just_that(windows):
    old = windows.held()
    assert windows("hold", "-q", "--max-age", "1h", "-k", "5", "a.lock", "--", *windows.job("print(2)"))[0] == 75
    eventually(lambda: windows("check", "--max-age", "0.5", "a.lock")[0] == 3)
    status, _, errors = windows("hold", "-q", "-E", "0", "--max-age", "0.5", "a.lock", "--", *windows.job("print(2)"))
    assert status == 3
    assert "no beat for" in errors
    assert windows("hold", "--max-age", "0.5", "-k", "5", "a.lock", "--", *windows.job("print(2)"))[:2] == (0, "2")
    assert old.status() == 143


def test_any_takes_the_first_that_is_free(windows):
    windows.held("a.lock", code=UNTIL_GO)
    show = windows.job("import os; print(os.path.basename(os.environ['PROCALIVE_FIFO']))")
    assert windows("hold", "--any", "a.lock", "b.lock", "--", *show)[:2] == (0, "b.lock")
    assert windows("hold", "--any", ".", "b.lock", "--", *show)[:2] == (0, "b.lock")
    windows.held("b.lock")
    assert windows("hold", "-q", "--any", "a.lock", "b.lock", "--", *show)[0] == 75
    waiting = windows.start("hold", "-w", "30", "--any", "a.lock", "b.lock", "--", *show)
    windows.go()
    assert waiting.result()[:2] == (0, "a.lock")
    assert windows("hold", "--any", "a.lock", "./A.LOCK", "--", *show)[0] == 125
