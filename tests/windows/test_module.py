"""`import procalive` on Windows: the same names, exceptions and promises."""

from __future__ import annotations


def test_hold_refuses_a_second_one_and_release_lets_go(windows):
    code = """
first = p.hold(F)
outcome(p.hold, F)
try: p.hold(F)
except p.Held as held: say([one.pid == os.getpid() for one in held.holders])
say(p.check(F), first.fd > 0)
first.release(); first.release()
say(p.check(F), first.fd)
with p.hold(F) as again: say(again.path)
outcome(again.__enter__)
"""
    lines = windows.python(code).split("\n")
    assert lines[0].startswith("Held a.lock: held by ")
    assert lines[1:] == ["[True]", "True True", "False -1", "a.lock", "ValueError a.lock: was released"]


def test_hold_waits_in_a_thread_and_children_do_not_inherit_it(windows):
    code = """
import _thread
first = p.hold(F)
child = subprocess.Popen([PYTHON, '-c', 'input()'], stdin=subprocess.PIPE, close_fds=False)
got = []
_thread.start_new_thread(lambda: got.append(p.hold(F, timeout=20)), ())
say(until(lambda: p._Bells._asleep))
first.release()
say(until(lambda: got))
got[0].release()
say(p.check(F))
child.communicate(b'\\n')
"""
    assert windows.python(code).split("\n") == ["True", "True", "False"]


def test_hold_times_out_replaces_and_takes_any(windows):
    code = """
other = python("hold = p.hold(F); say('up'); order()"); other.stdout.readline()
outcome(p.hold, F, timeout=0.2)
outcome(p.hold, F, max_age=0)
say(p.hold_any([F, 'b.lock']).path)
with p.hold(F, replace=5): say(other.wait())
outcome(p.hold_any, [F, './A.LOCK'])
outcome(p.hold, F, mode=0o644)
outcome(p.hold, F, timeout=-1)
"""
    lines = windows.python(code).split("\n")
    assert [line.split()[0] for line in lines] == ["Held", "_Overdue", "b.lock", "143", *["ValueError"] * 3]


def test_exceptions_are_those_of_procalive(windows):
    code = """
outcome(p.check, '.'); outcome(p.check, ''); outcome(p.hold, 'no/a.lock'); outcome(p.kill, F, 9)
outcome(p.wait, F, up=True, status=True); outcome(p.check, F, max_age=float('nan'))
import pickle
with p.hold(F):
    outcome(p.wait, F, timeout=0.1)
    for error in (p.Held(F), p.NotAFifo(F), p.Stale(F, 3.0), p.FutureBeat(F, 3.0), p.TimedOut(F, 'x'), p.Unseen(F)):
        say(str(pickle.loads(pickle.dumps(error))) == str(error), type(pickle.loads(pickle.dumps(error))).__name__)
"""
    lines = windows.python(code).split("\n")
    assert [line.split()[0] for line in lines[:7]] == [
        "NotAFifo",
        "FileNotFoundError",
        "FileNotFoundError",
        *["ValueError"] * 3,
        "TimedOut",
    ]
    assert {line.split()[0] for line in lines[7:]} == {"True"}


def test_wait_takes_several_targets_and_leaves_no_thread_behind_but_one_for_each_holder(windows):
    code = """
import _thread
with p.hold(F), p.hold('b.lock'):
    for _ in range(20): outcome(p.wait, F, 'b.lock', timeout=0.01)
    say(until(lambda: _thread._count() <= 2))
say(until(lambda: _thread._count() == 0))
say(p.wait(F, 'b.lock'))
"""
    lines = windows.python(code).split("\n")
    assert lines[-3:] == ["True", "True", "{'a.lock': None, 'b.lock': None}"]


def test_300_targets_can_be_waited_for(windows):
    code = """
holds = [p.hold(f'{number}.lock') for number in range(300)]
import _thread
def release_all():
    until(lambda: len(p._Bells._asleep) == 300, 40)
    for hold in holds: hold.release()
_thread.start_new_thread(release_all, ())
say(len(p.wait(*(hold.path for hold in holds), timeout=50)))
"""
    assert windows.python(code) == "300"


def test_a_holder_is_told_by_all_its_facts(windows):
    code = """
with p.hold(F):
    (one,) = p.holders(F)
    say(one.pid == one.main == os.getpid(), one.name, one.lock, one.keeps, one.command[0] == PYTHON)
    say(list(one.as_dict()), time.time() >= one.since)
"""
    names = ["fifo", "pid", "fd", "uid", "user", "since", "lock", "keeps", "command"]
    assert windows.python(code).split("\n") == ["True python.exe True None True", f"{names} True"]
