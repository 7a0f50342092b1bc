"""Who can have the file open beside whom, and what many at once make of that."""

from __future__ import annotations

import pytest
from support import UNTIL_GO, often

# Rows and columns in the order of KINDS in inside.py; x: both at once.
MATRIX = """
...x.....
.x.x..x..
..xx.x..x
xxxx.xxxx
.........
..xx.x...
.x.x..x.x
...x.....
..xx..x.x
"""


def test_each_kind_of_open_admits_just_those_kinds_beside_it(windows):
    code = """
for first in KINDS:
    row = ""
    with open_as(first):
        for second in KINDS:
            handle = open_as(second)
            row += "x" if handle else "."
            if handle: handle.close()
    say(row)
"""
    assert windows.python(code).split() == MATRIX.split()


def test_of_8_processes_no_two_hold_at_once(windows):
    times = often(15, 50)
    code = f"say(outputs([python('enter({times})') for _ in range(8)])); say(p.check(F))"
    assert windows.python(code, seconds=500).split("\n") == [str(["0"] * 8), "False"]


@pytest.mark.parametrize("held", [True, False])
def test_no_check_among_many_is_wrong(windows, held):
    times = often(500, 2500)
    code = f"""
claim = p.hold(F) if {held} else p.hold(F).release()
say(outputs([python('ask({times}, 450)') for _ in range(4)]))
"""
    answer = f"{times} 0 0" if held else f"0 {times} 0"
    assert windows.python(code, seconds=500) == str([answer] * 4)


def test_no_contender_is_refused_because_others_check(windows):
    times = often(100, 400)
    code = f"""
checks = [python("say('up')\\nwhile not os.path.exists('stop'): ask(50, 1)") for _ in range(4)]
for one in checks: one.stdout.readline()
refused = 0
for _ in range({times}):
    claim = p._try_hold(F, False)
    refused += claim is None
    if claim: claim.release()
open('stop', 'w').close()
answers = [line.split() for output in outputs(checks) for line in output.split('\\n')]
say(refused, sum(int(unknown) for _, _, unknown in answers), sum(int(free) for _, free, _ in answers) > 0)
"""
    assert windows.python(code, seconds=500) == "0 0 True"


def test_4_waiting_contenders_are_all_served(windows):
    windows.held(code=UNTIL_GO)
    waiting = [windows.start("hold", "-v", "-w", "60", "a.lock", "--", *windows.job("print(1)")) for _ in range(4)]
    windows.go()  # whether they sleep by now or come later
    assert [one.result()[:2] for one in waiting] == [(0, "1")] * 4


def test_65_share_and_keep_an_exclusive_holder_out_until_the_last_one_ends(windows):
    code = """
child = "holds = [p.hold(F, shared=True) for _ in range(13)]; say('up'); order()"
sharers = [python(child) for _ in range(5)]
for one in sharers: one.stdout.readline()
say(len({record.generation for record in p._live_records(F)}))
for one in sharers:
    outcome(p._try_hold, F, False)
    one.communicate("\\n")
say(p.check(F)); p.hold(F).release()
"""
    assert windows.python(code).split("\n") == ["65", *["None"] * 5, "False"]


def test_no_shared_contender_is_refused_because_others_check_beside_a_shared_holder(windows):
    times = often(60, 300)
    code = f"""
first = p.hold(F, shared=True)
checks = [python("say('up')\\nwhile not os.path.exists('stop'): ask(50, 1)") for _ in range(3)]
for one in checks: one.stdout.readline()
claims = [p._try_hold(F, True) for _ in range({times})]
open('stop', 'w').close(); outputs(checks)
say(claims.count(None))
"""
    assert windows.python(code) == "0"


def test_an_exclusive_holder_refuses_shared_ones_at_once(windows):
    windows.held("a.lock")
    status, _, errors = windows("hold", "-s", "a.lock", "--", *windows.job("print(1)"))
    assert status == 75
    assert "held by" in errors
