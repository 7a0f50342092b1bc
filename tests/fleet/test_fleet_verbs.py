"""The verbs, with one member of etcd and two hosts of it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from support import FLEET, TOP, alive, binaries, children, ended, eventually, is_asleep, send, state, unless_alive

import procalive

SLEEP = ("sleep", "600")


# --- statuses ---


@pytest.mark.parametrize("status", [0, 1, 2, 7, 75, 76, 125, 255])
def test_hold_ends_with_the_status_of_its_command(h1, status):
    done = h1.run("hold", "job", "--", "sh", "-c", f"exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_hold_ends_with_128_and_the_signal_that_ended_its_command(h1):
    assert h1.run("hold", "job", "--", "sh", "-c", "kill -9 $$").returncode == 137


def test_hold_ends_with_127_for_a_command_that_is_missing(h1):
    done = h1.run("hold", "job", "--", "/nonesuch")
    assert done.returncode == 127
    assert done.stderr.count("\n") == 1
    assert "/nonesuch: command not found" in done.stderr
    assert h1.queue("job") == []


def test_hold_ends_with_126_for_a_command_that_cannot_be_run(h1, tmp_path):
    (tmp_path / "plain").write_text("x")
    assert h1.run("hold", "job", "--", tmp_path / "plain").returncode == 126


def test_hold_ends_with_75_and_says_who_holds_on_another_host(h1, h2):
    h1.holding("job")
    done = h2.run("hold", "job", "--", "touch", h2.directory / "ran")
    assert done.returncode == 75
    assert done.stderr.startswith("procalive-fleet: job: held by h1:")
    assert not (h2.directory / "ran").exists()


def test_hold_q_ends_with_the_status_of_e_and_silently(h1, h2):
    h1.holding("job")
    done = h2.run("hold", "-q", "-E", "0", "job", "--", "false")
    assert (done.returncode, done.stderr) == (0, "")


def test_hold_that_finds_it_held_writes_nothing(h1, h2):
    h1.holding("job")
    before = h1.etcdctl("get", "--prefix", h1.env["PROCALIVE_FLEET_PREFIX"], "-w", "json").stdout
    h2.run("hold", "job", "--", "true")
    after = h1.etcdctl("get", "--prefix", h1.env["PROCALIVE_FLEET_PREFIX"], "-w", "json").stdout
    assert json.loads(before)["header"]["revision"] == json.loads(after)["header"]["revision"]


def test_hold_ends_with_75_where_its_fifo_is_held_on_this_host(h1):
    fifo = h1.fifo("job")
    h1.holding("other", options=("-f", fifo))
    done = h1.run("hold", "job", "--", "true")
    assert done.returncode == 75
    assert f"{fifo}: held by " in done.stderr
    assert h1.queue("job") == []


def test_hold_w_ends_with_75_when_its_time_has_run_out(h1, h2):
    h1.holding("job")
    assert h2.run("hold", "-w", "0.5", "job", "--", "true").returncode == 75
    h1.waiting("job", 1)


def test_hold_v_says_once_whom_it_waits_for(h1, h2):
    h1.holding("job")
    told = h2.run("hold", "-v", "-w", "0.5", "job", "--", "true").stderr.splitlines()
    assert len(told) == 2
    assert told[0].startswith("procalive-fleet: job: held by h1:")
    assert told[0].endswith("; waiting")


def test_check_says_0_held_and_1_not_held(h1, h2):
    assert h2.run("check", "job").returncode == 1
    h1.holding("job")
    done = h2.run("check", "job")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert h2.run("check", "job", "other").returncode == 1


def test_check_v_says_who_holds_and_by_which_fence(h1, h2):
    h1.holding("job")
    fence = h1.queue("job")[0]["fence"]
    first, second = h2.run("check", "-v", "job", "free").stdout.splitlines()
    assert first.startswith("job: held by h1:")
    assert first.endswith(f", fence {fence}")
    assert second == "free: not held"


def test_who_lists_the_holder_and_those_that_wait_in_their_order(h1, h2):
    h1.holding("job")
    h2.begin("hold", "-w", "60", "job", "--", "true")
    h1.waiting("job", 2)
    first, second = h2.queue("job")
    assert (first["host"], first["state"], first["command"][0]) == ("h1", "held", "sh")
    assert (second["host"], second["state"], second["command"]) == ("h2", "waiting", ["true"])
    assert first["fence"] < second["fence"]
    table = h2.run("who", "job").stdout.splitlines()
    assert table[0].split() == ["NAME", "STATE", "HOST", "PID", "USER", "SINCE", "FENCE", "COMMAND"]
    assert len(table) == 3


def test_who_ends_with_1_and_silently_where_nobody_holds(h1):
    done = h1.run("who", "job")
    assert (done.returncode, done.stdout) == (1, "")


def test_at_name_is_the_same_name(h1):
    h1.holding("job")
    assert h1.run("check", "@job").returncode == 0


# --- taking over ---


def test_the_next_host_takes_over_when_the_job_is_killed(h1, h2):
    first = h1.holding("job")
    second = h2.begin("hold", "-w", "60", "job", "--", "sh", "-c", "echo $PROCALIVE_FENCE")
    h1.waiting("job", 2)
    fences = [one["fence"] for one in h1.queue("job")]
    send(first.job, signal.SIGKILL)
    assert ended(first)[0] == 137
    assert ended(second) == (0, f"{fences[1]}\n", "")


def test_waiters_are_served_in_the_order_of_their_revisions(h1, h2):
    first = h1.holding("job")
    log = h1.directory / "log"
    others = []
    for number, host in enumerate((h2, h1, h2, h1)):
        # On one host, each has a FIFO of its own, so that etcd alone decides.
        fifo = str(h1.directory / f"fifo{number}")
        others.append(host.begin("hold", "-f", fifo, "-w", "60", "job", "--", "sh", "-c", f"echo {number} >>{log}"))
        h1.waiting("job", number + 2)
    send(first.job, signal.SIGKILL)
    assert [ended(one)[0] for one in others] == [0, 0, 0, 0]
    assert log.read_text().split() == ["0", "1", "2", "3"]


def test_a_waiter_that_gives_up_lets_those_behind_it_pass(h1, h2):
    first = h1.holding("job")
    middle = h2.begin("hold", "-w", "60", "job", "--", "true")
    h1.waiting("job", 2)
    last = h2.begin("hold", "-f", h2.fifo("last"), "-w", "60", "job", "--", "true")
    h1.waiting("job", 3)
    middle.send_signal(signal.SIGTERM)
    h1.waiting("job", 2)
    send(first.job, signal.SIGKILL)
    assert ended(last)[0] == 0


def test_etcdctl_lock_waits_for_us_and_we_for_it(h1, h2):
    first = h1.holding("job")
    lock = f"{h1.env['PROCALIVE_FLEET_PREFIX']}job"
    marks = h1.directory / "marks"
    peer = subprocess.Popen(
        [str(binaries() / "etcdctl"), "lock", lock, "--", "sh", "-c", f"echo in >>{marks}; sleep 600"],
        env=h1.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        h1.waiting("job", 2)
        assert not marks.exists()
        send(first.job, signal.SIGKILL)
        eventually(marks.exists, "etcdctl lock's turn")
        assert h2.run("check", "job").returncode == 0
        refused = h2.run("hold", "job", "--", "true")
        assert refused.returncode == 75
        assert "which is not procalive-fleet's" in refused.stderr
        assert h2.run("kill", "job").returncode == 2
        third = h2.begin("hold", "-w", "60", "job", "--", "true")
        h1.waiting("job", 2)
        for pid in children(peer.pid):
            send(pid, signal.SIGKILL)
        assert ended(third)[0] == 0
    finally:
        peer.kill()
        peer.wait()


def test_a_key_that_is_no_json_counts_as_a_holder(h1):
    key = f"{h1.env['PROCALIVE_FLEET_PREFIX']}job/zz"
    for value in ("garbage", "[1]", '"x"', "{}", '{"state": "waiting"', "", "[" * 5000, '{"state": 1e999}'):
        h1.etcdctl("put", "--", key, value)
        assert h1.run("check", "job").returncode == 0, value
        done = h1.run("hold", "job", "--", "true")
        assert (done.returncode, done.stderr.count("\n")) == (75, 1), value
        assert h1.run("who", "job").returncode == 0


# --- the job ---


TELL = """
echo "$PROCALIVE_FENCE $PROCALIVE_FLEET $PROCALIVE_FIFO ${ETCDCTL_PASSWORD-none}"
[ "/proc/self/fd/$PROCALIVE_FD" -ef "$PROCALIVE_FIFO" ]
"""


def test_the_job_has_its_fence_and_not_the_password(h1):
    done = h1.run("hold", "job", "--", "sh", "-c", TELL, env={"ETCDCTL_PASSWORD": "secret", "ETCDCTL_KEY": ""})
    fence, name, fifo, password = done.stdout.split()
    assert (name, fifo, password, done.returncode) == ("job", h1.fifo("job"), "none", 0)
    assert int(fence) > 0


def test_the_fifo_of_the_job_is_held_as_long_as_the_job_runs(h1):
    hold = h1.holding("job")
    assert procalive.check(h1.fifo("job"))
    assert [one.pid for one in procalive.holders(h1.fifo("job"))] == [hold.job]
    send(hold.job, signal.SIGKILL)
    ended(hold)
    assert not procalive.check(h1.fifo("job"))


def test_the_name_is_held_until_the_children_of_the_job_have_ended(h1, h2):
    pids = h1.directory / "pids"
    hold = h1.begin("hold", "job", "--", "sh", "-c", f"sleep 600 >/dev/null 2>&1 & echo $! >{pids}; exit 3")
    child = int(eventually(lambda: pids.exists() and pids.read_text()))
    eventually(lambda: len(children(hold.pid)) == 1, "the end of the main process")
    assert h2.run("check", "job").returncode == 0
    assert hold.poll() is None
    send(child, signal.SIGKILL)
    assert ended(hold)[0] == 3
    assert h2.run("check", "job").returncode == 1


def test_the_name_is_held_as_long_as_a_job_that_has_closed_the_fifo_runs(h1, h2):
    closed = h1.directory / "closed"
    script = f'eval "exec $PROCALIVE_FD<&-"; echo >{closed}; exec sleep 600'
    hold = h1.holding("job", "bash", "-c", script)
    eventually(closed.exists)
    eventually(lambda: not procalive.check(h1.fifo("job")))
    assert h2.run("hold", "job", "--", "true").returncode == 75
    send(hold.job, signal.SIGKILL)
    assert ended(hold)[0] == 137


def test_term_to_the_front_is_passed_on_once(h1):
    log = h1.directory / "log"
    script = f"trap 'echo TERM >>{log}; exit 9' TERM; echo ready >>{log}; while :; do sleep 0.1; done"
    hold = h1.holding("job", "sh", "-c", script)
    eventually(log.exists)
    hold.send_signal(signal.SIGTERM)
    assert ended(hold)[0] == 9
    assert log.read_text() == "ready\nTERM\n"


COUNT = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
log = open(sys.argv[1], "w")
print("ready", file=log, flush=True)
signal.sigtimedwait({signal.SIGINT}, 60)
second = signal.sigtimedwait({signal.SIGINT}, 1)
print(1 if second is None else 2, file=log)
"""


def test_ctrl_c_of_a_terminal_reaches_the_job_once(h1):
    log = h1.directory / "log"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(FLEET[0], h1.command("hold", "job", "--", sys.executable, "-c", COUNT, log), h1.env)
    eventually(lambda: log.exists() and log.read_text() == "ready\n")
    os.write(terminal, b"\x03")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
    assert log.read_text() == "ready\n1\n"


def test_nobody_keeps_standard_output_open_after_the_end(h1):
    done = h1.run("hold", "job", "--", "echo", "x")
    assert done.stdout == "x\n"  # returned, so nobody has the pipe


# --- guards ---


def test_a_front_that_is_killed_takes_the_job_and_its_children_with_it(h1, h2):
    pids = h1.directory / "pids"
    hold = h1.holding("job", "sh", "-c", f"sleep 600 & echo $! >{pids}; wait")
    child = int(eventually(lambda: pids.exists() and pids.read_text()))
    hold.kill()
    assert h2.run("wait", "-t", "20", "job").returncode == 0
    assert not alive(hold.job)
    assert not alive(child)


def test_a_keeper_that_is_killed_stops_the_job_with_76(h1):
    hold = h1.holding("job", options=("--ttl", "5"))
    send(hold.keeper, signal.SIGKILL)
    status, _, told = ended(hold)
    assert status == 76
    assert "the keeper has ended; stopping the job" in told
    assert not alive(hold.job)


def test_a_keeper_that_is_stopped_stops_the_job_before_the_lease_ends(h1, h2):
    hold = h1.holding("job", options=("--ttl", "5"))
    send(hold.keeper, signal.SIGSTOP)
    waiter = h2.begin("hold", "-w", "60", "job", "--", *unless_alive(hold.job))
    assert ended(waiter)[0] == 0
    assert ended(hold)[0] == 76
    send(hold.keeper, signal.SIGKILL)


def test_a_front_that_is_stopped_does_not_lose_the_lease(h1, h2):
    hold = h1.holding("job", options=("--ttl", "5"))
    send(hold.pid, signal.SIGSTOP)
    assert h2.run("hold", "-w", "7", "job", "--", "true").returncode == 75
    send(hold.pid, signal.SIGCONT)
    assert h2.run("hold", "-w", "1", "job", "--", "true").returncode == 75  # nor after that
    assert alive(hold.job)


def test_a_job_that_ignores_term_is_killed_before_the_lease_ends(h1, h2):
    hold = h1.holding("job", "sh", "-c", "trap '' TERM; while :; do sleep 1; done", options=("--ttl", "5"))
    send(hold.keeper, signal.SIGKILL)
    waiter = h2.begin("hold", "-w", "60", "job", "--", *unless_alive(hold.job))
    assert ended(waiter)[0] == 0
    assert ended(hold)[0] == 76


def test_a_key_that_is_deleted_kills_the_job_at_once(h1):
    hold = h1.holding("job", "sh", "-c", "trap '' TERM; while :; do sleep 1; done", options=("--ttl", "60"))
    h1.etcdctl("del", "--prefix", f"{h1.env['PROCALIVE_FLEET_PREFIX']}job/")
    status, _, told = ended(hold)
    assert (status, told) == (76, "procalive-fleet: job: the lease is lost; stopping the job\n")


def test_a_lease_that_is_revoked_kills_the_job_at_once(h1):
    hold = h1.holding("job", options=("--ttl", "60"))
    h1.etcdctl("lease", "revoke", h1.queue("job")[0]["lease"])
    assert ended(hold)[0] == 76


def test_a_job_that_is_stopped_still_holds(h1, h2):
    hold = h1.holding("job", options=("--ttl", "5"))
    send(hold.job, signal.SIGSTOP)
    assert h2.run("hold", "-w", "7", "job", "--", "true").returncode == 75
    assert state(hold.job) == "T"


# --- wait ---


def test_wait_returns_at_once_where_nobody_holds(h1):
    assert h1.run("wait", "job").returncode == 0


def test_wait_sleeps_until_the_holder_has_ended_though_another_follows_at_once(h1, h2):
    first = h1.holding("job")
    h2.begin("hold", "-w", "60", "job", "--", *SLEEP)
    h1.waiting("job", 2)
    waiter = h2.begin("wait", "job")
    time.sleep(0.3)
    assert waiter.poll() is None
    send(first.job, signal.SIGKILL)
    assert ended(waiter)[0] == 0


def test_wait_t_ends_with_124(h1, h2):
    h1.holding("job")
    assert h2.run("wait", "-t", "0.3", "job").returncode == 124
    assert h2.run("wait", "-t", "0.3", "--up", "free").returncode == 124


def test_wait_up_misses_no_holder_that_comes_and_goes(h1, h2):
    waiter = h2.begin("wait", "--up", "job")
    eventually(lambda: is_asleep(waiter.pid), "the waiter asleep")
    assert h1.run("hold", "job", "--", "true").returncode == 0
    assert ended(waiter)[0] == 0


def test_wait_up_misses_no_etcdctl_lock_that_comes_and_goes(h1, h2):
    waiter = h2.begin("wait", "--up", "job")
    eventually(lambda: is_asleep(waiter.pid), "the waiter asleep")
    send(waiter.pid, signal.SIGSTOP)  # it looks when all is over
    assert h1.etcdctl("lock", f"{h1.env['PROCALIVE_FLEET_PREFIX']}job", "true").returncode == 0
    send(waiter.pid, signal.SIGCONT)
    assert ended(waiter)[0] == 0


def test_wait_for_several_names_waits_for_all(h1, h2):
    one, two = h1.holding("one"), h1.holding("two")
    waiter = h2.begin("wait", "one", "two")
    send(one.job, signal.SIGKILL)
    ended(one)
    assert waiter.poll() is None
    send(two.job, signal.SIGKILL)
    assert ended(waiter)[0] == 0


# --- kill ---


def test_kill_has_the_job_signalled_on_its_host(h1, h2):
    hold = h1.holding("job")
    done = h2.run("kill", "job")
    assert (done.returncode, done.stderr) == (0, "")
    assert ended(hold)[0] == 143


def test_kill_s_sends_the_signal_named(h1, h2):
    hold = h1.holding("job")
    assert h2.run("kill", "-s", "INT", "job").returncode == 0
    assert ended(hold)[0] == 130


def test_kill_ends_with_1_where_nobody_holds(h1):
    assert h1.run("kill", "job").returncode == 1


def test_kill_k_kills_what_ignores_term_and_returns_when_the_name_is_free(h1, h2):
    hold = h1.holding("job", "sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    assert h2.run("kill", "-k", "0.5", "job").returncode == 0
    assert h2.run("check", "job").returncode == 1
    assert ended(hold)[0] == 137


def test_kill_ends_with_2_where_the_keeper_does_not_answer(h1, h2):
    hold = h1.holding("job", options=("--ttl", "60"))
    send(hold.keeper, signal.SIGSTOP)
    done = h2.run("kill", "job")
    assert done.returncode == 2
    assert "no answer from h1" in done.stderr
    send(hold.keeper, signal.SIGCONT)
    assert ended(hold)[0] == 143  # the request stood


def test_kill_0_signals_nobody_and_says_whether_somebody_is_there(h1, h2):
    hold = h1.holding("job")
    assert h2.run("kill", "-s", "0", "job").returncode == 0
    assert alive(hold.job)


def test_the_version_and_help_are_printed():
    done = subprocess.run([*FLEET, "--version"], text=True, capture_output=True, check=True)
    assert done.stdout == f"procalive-fleet {procalive.__version__}\n"
    for verb in ("hold", "check", "wait", "who", "kill"):
        done = subprocess.run([*FLEET, verb, "-h"], text=True, capture_output=True, check=True, cwd=TOP)
        assert f"usage: procalive-fleet {verb} " in done.stdout
