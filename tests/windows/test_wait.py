"""check, wait, who and kill."""

from __future__ import annotations

import json
import os
import signal

import pytest
from support import UNTIL_GO, eventually, often


def test_no_waiter_misses_a_hand_over_to_a_contender_that_spins(windows):
    times = often(20, 40)
    code = f"""
wait = "while order():\\n  vigil = p._Vigil(F); say('ready'); say(vigil.sleep(time.monotonic() + 10))"
spin = '''while order():
  say('ready')
  claim = None
  while claim is None: claim = p._try_hold(F, False)
  say('got'); order(); claim.release(); say('left')'''
waiters, spinner = [python(wait), python(wait)], python(spin)
def ask(one, word, answer):
    if word: one.stdin.write(word + '\\n'); one.stdin.flush()
    line = one.stdout.readline().strip()
    assert line == answer, line
for _ in range({times}):
    claim = p.hold(F)
    for one in waiters: ask(one, 'go', 'ready')
    ask(spinner, 'go', 'ready')
    claim.release()
    ask(spinner, '', 'got')
    for one in waiters: ask(one, '', 'True')
    ask(spinner, 'leave', 'left')
say({times})
"""
    assert windows.python(code, seconds=500) == str(times)


def test_wait_up_sees_a_holder_come(windows):
    waiting = windows.start("wait", "--up", "-v", "-t", "20", "a.lock")
    eventually(lambda: waiting.errors)
    windows.held()
    assert waiting.result() == (0, "", "procalive: a.lock: no such file\nprocalive: a.lock: alive")


def test_wait_up_sees_even_a_holder_that_has_gone_again(windows):
    code = "arrival = p._Arrival(F); say('ready'); order(); say(arrival.sleep(time.monotonic() + 10))"
    waiting = windows.start_python(code)
    waiting.says("ready")
    windows.python("p.hold(F).release()")
    waiting.tell("look")
    waiting.says("True")


@pytest.mark.parametrize(("args", "status"), [(["a.lock"], 124), (["--up", "b.lock"], 124), (["--up", "no/b.lock"], 2)])
def test_wait_is_124_when_time_runs_out(windows, args, status):
    windows.held()
    assert windows("wait", "-t", "0.2", *args)[0] == status


def test_wait_for_all_and_for_any(windows):
    windows.held("a.lock", code=UNTIL_GO)
    windows.held("b.lock")
    assert windows("wait", "--any", "-t", "9", "a.lock", "b.lock", "c.lock")[:2] == (0, "c.lock")
    any_of_two, both = (
        windows.start("wait", "--any", "a.lock", "b.lock"),
        windows.start("wait", "-t", "2", "a.lock", "b.lock"),
    )
    windows.go()
    assert any_of_two.result()[:2] == (0, "a.lock")
    assert both.status() == 124


def test_wait_pid_and_its_status(windows):
    pid = windows.start_python("import os; say(os.getpid()); order()").says()
    assert windows("wait", "--pid", "-t", "0.1", pid)[0] == 124
    code = """
child = python("order(); sys.exit(41)")
begun = p._wait_down
p._wait_down = lambda *args: (child.stdin.close(), begun(*args))[1]
say(p.main(["wait", "--pid", "--status", str(child.pid)]))
"""
    assert windows.python(code) == "41"
    status, _, errors = windows("wait", "-v", "--pid", "999996")
    assert (status, errors) == (0, "procalive: 999996: no such process: already gone\nprocalive: 999996: gone")


def test_a_number_beside_a_pid_is_not_that_process(windows):
    pid = int(windows.start_python("import os; say(os.getpid()); order()").says())
    assert windows("wait", "--pid", "-t", "9", str(pid + 1))[0] == 0


def test_wait_status_is_125_where_it_cannot_be_told(windows):
    assert windows("wait", "--status", "a.lock")[0] == 125


def test_a_waiter_that_is_stopped_delays_nobody(windows):
    windows.held(code=UNTIL_GO)
    # It has started: while wine's loader is stopped in one program, others end with 0 before they begin.
    stopped = windows.start_python("say('ready'); p.wait(F); say('gone')")
    stopped.says("ready")
    waiting = windows.start("wait", "-t", "20", "a.lock")
    contender = windows.start("hold", "-w", "20", "a.lock", "--", *windows.job("print(1)"))
    os.kill(stopped.process.pid, signal.SIGSTOP)
    try:
        windows.go()
        assert waiting.status() == 0
        assert contender.result()[:2] == (0, "1")
        assert windows("check", "a.lock")[0] == 1
    finally:
        os.kill(stopped.process.pid, signal.SIGCONT)
    assert stopped.result()[:2] == (0, "gone")


def test_max_age_counts_beats_and_a_young_holder_is_well(windows):
    windows.held()
    path = f"{windows.directory}/a.lock"
    os.utime(path, (1, 1))
    assert windows("check", "--max-age", "1h", "a.lock")[0] == 0
    assert windows("wait", "--max-age", "0.5", "a.lock")[0] == 3
    assert windows("check", "--max-age", "0.01", "a.lock")[0] == 3
    os.utime(path)
    assert windows("check", "--max-age", "30", "a.lock")[0] == 0
    os.utime(path, (4e9, 4e9))
    status, _, errors = windows("check", "--max-age", "0.01", "a.lock")
    assert status == 2
    assert "in the future" in errors


def test_check_of_several_says_the_worst(windows):
    windows.held()
    assert windows("check", "a.lock", "b.lock")[0] == 1
    assert windows("check", "a.lock", ".", "b.lock")[0] == 2
    assert windows("check", "a.lock", "a.lock")[0] == 0


def test_check_mine_is_0_for_the_holder_alone(windows):
    program = [windows.python_exe, "-I", "-S", windows.program]
    ask = f"import subprocess; print(subprocess.call({[*program, 'check', '--mine', 'a.lock']!r}))"
    for options in ([], ["-o"]):
        assert windows("hold", *options, "a.lock", "--", *windows.job(ask))[:2] == (0, "0")
    windows.held()
    assert windows.python(ask) == "1"
    assert windows("check", "--mine", "b.lock")[0] == 1


def test_who_shows_the_job_and_not_its_wrapper(windows):
    windows.held()
    status, output, _ = windows("who", "--json", "a.lock")
    (one,) = [json.loads(line) for line in output.split("\n")]
    assert (status, one["fifo"], one["lock"], one["keeps"]) == (0, "a.lock", True, None)
    assert one["command"][:2] == [windows.python_exe, "-I"]
    assert windows("who", "b.lock") == (1, "", "")


def test_who_shows_what_a_wrapper_keeps(windows):
    windows.held("a.lock", "-o")
    status, output, _ = windows("who", "--json", "a.lock")
    (one,) = [json.loads(line) for line in output.split("\n")]
    assert (status, one["keeps"] != one["pid"], one["keeps"] > 0) == (0, True, True)


def test_kill_ends_the_job_with_143_and_says_1_where_nobody_holds(windows):
    for options in ([], ["-o"]):
        holding = windows.held("a.lock", *options)
        assert windows("kill", "-k", "9", "a.lock") == (0, "", "")
        assert holding.status() == 143
    assert windows("kill", "a.lock")[0] == 1


def test_kill_k_ends_what_the_main_process_left_holding(windows):
    child = windows.job("print('heir', flush=True)\nimport time; time.sleep(60)")
    code = f"import subprocess, time; subprocess.Popen({list(child)!r}, close_fds=False); time.sleep(60)"
    windows.held(code=code).says("heir")
    assert windows("kill", "a.lock")[0] == 0
    assert windows("check", "a.lock")[0] == 0
    assert windows("kill", "-k", "0.2", "a.lock")[0] == 0
    assert windows("check", "a.lock")[0] == 1


def test_kill_never_ends_a_process_that_the_record_names_but_that_does_not_hold(windows):
    innocent = windows.start_python("say(os.getpid()); order()")
    pid = innocent.says()
    code = f"""
claim = p._try_hold(F, True)
claim.write(p._identity(p._open_process({pid}).value), "lie")
outcome(p.kill, F)
say(p._open_process({pid}) is not None)
"""
    assert windows.python(code).split("\n") == ["[]", "True"]


def test_kill_spares_the_holder_that_came_after_it_looked(windows):
    code = """
old = python("hold = p.hold(F); say('up'); order()"); old.stdout.readline()
vigil = p._Vigil(F)
old.kill(); old.wait()
new = python("hold = p.hold(F, timeout=None); say('up'); order(); say('alive')"); new.stdout.readline()
say(p._terminate(F, vigil, True, 143))
say(new.communicate("\\n")[0].strip())
"""
    assert windows.python(code).split("\n") == ["[]", "alive"]


def test_names_mean_one_directory_that_the_environment_does_not_choose(windows):
    status, path, _ = windows("path", "@job")
    assert status == 0
    assert path.endswith("\\procalive\\job.lock")
    assert windows("path", "@job", ProgramData="C:\\x", LOCALAPPDATA="C:\\x", APPDATA="C:\\x")[:2] == (0, path)
    windows.held("@job", code=UNTIL_GO)
    assert windows("check", path)[0] == 0
    assert windows("check", "@job", cwd="/")[0] == 0
    windows.go()
    eventually(lambda: windows("check", "@job")[0] == 1)


@pytest.mark.parametrize("name", ["@", "@-x", "@a/b", "@a\\b", "@" + "x" * 201, "@ü", "@.", "@a b"])
def test_what_is_no_name_is_refused(windows, name):
    assert windows("path", name)[0] == 2
    assert windows("hold", name, "--", *windows.job("print(1)"))[0] == 125
