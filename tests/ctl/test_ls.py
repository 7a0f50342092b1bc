"""ls: which FIFOs are shown, and as what."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import CTL, PROCALIVE, TOP, ctl, end, in_terminal, invoke, locked_unread, needs_root, unprivileged, until

import procalive
from procalivectl import cli, survey


def objects(*args: str) -> dict[str, dict[str, Any]]:
    """The objects of `ls --json`, by the name of the FIFO."""
    _, out = invoke("ls", "--json", *args)
    found = [json.loads(line) for line in out.splitlines()]
    return {os.path.basename(one["fifo"]): one for one in found}


def state(path: Path, *args: str) -> str:
    return str(objects(str(path), *args)[path.name]["state"])


def test_a_held_fifo_is_shown_with_pid_user_and_command(place, hold):
    job = hold(place / "job", "sleep", "601")
    status, out = invoke("ls", str(place))
    assert status == 0
    heading, row = out.splitlines()
    assert heading.split("  ")[0].strip() == "FIFO"
    assert re.search(rf"job +held +{job.pid} .* sleep 601$", row)


def test_json_is_one_object_a_line_with_all_holders(place, hold):
    job = hold(place / "job")
    found = objects(str(place))["job"]
    assert found["pids"] == [job.pid]
    assert found["held_for"] >= 0
    assert found["beat_age"] >= 0
    assert [holder["lock"] for holder in found["holders"]] == [True]


def test_shared_holders_are_counted(place, hold):
    hold(place / "job", options=("-s",))
    hold(place / "job", options=("-s",))
    _, out = invoke("ls", str(place))
    assert "shared ×2" in out  # noqa: RUF001


def test_holders_are_always_in_the_same_order(place, hold):
    pids = [hold(place / "job", options=("-s",)).pid for _ in range(3)]
    holders = survey.Survey([str(place / "job")]).look()[0].holders
    since = holders[2].since
    for holder, jitter in zip(holders, (2e-5, 1e-5, 0)):  # seconds: started at once, as the clock has it
        holder.since = since + jitter
    assert [holder.pid for holder in survey._by_start(holders)] == sorted(pids)


def test_a_keeper_is_shown_as_the_process_that_it_keeps(place, hold):
    job = hold(place / "job", "sleep", "602", options=("-o",))
    found = objects(str(place))["job"]
    assert (found["pids"], found["command"]) == ([job.pid], ["sleep", "602"])


def test_a_fifo_is_free_after_kill_9_of_its_holder(place, hold):
    job = hold(place / "job")
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert state(place / "job") == "free"


def test_a_held_fifo_whose_beat_is_too_old_is_told_and_status_1(place, hold):
    hold(place / "job")
    os.utime(place / "job", (1, 1))
    until(lambda: state(place / "job", "--max-age", "0.1") == "no beat", "older than 0.1 s")
    assert state(place / "job") == "held"
    assert invoke("ls", "--max-age", "0.1", str(place))[0] == 1


def test_a_holder_that_started_less_than_max_age_ago_is_well_as_check_has_it(place, hold):
    hold(place / "job")
    os.utime(place / "job", (1, 1))
    assert state(place / "job", "--max-age", "1h") == "held"
    assert subprocess.run([PROCALIVE, "check", "--max-age", "1h", place / "job"], check=False).returncode == 0


def test_a_beat_ahead_of_the_clock_is_told_without_being_asked(place, hold):
    hold(place / "job")
    os.utime(place / "job", (4e9, 4e9))
    assert state(place / "job") == "future beat"


def test_a_job_that_has_not_beaten_since_its_start_is_shown_as_such(place, hold):
    hold(place / "job")
    assert " none " in invoke("ls", str(place))[1]
    assert objects(str(place))["job"]["beaten"] is False
    os.utime(place / "job")
    assert objects(str(place))["job"]["beaten"] is True
    assert " none " not in invoke("ls", str(place))[1]


def test_a_fifo_of_which_a_user_may_not_ask_is_held_whatever_its_beat(place, hold, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    hold(place / "job")
    os.utime(place / "job", (1, 1))
    monkeypatch.setattr(procalive, "beat_problem", refuse)
    assert state(place / "job", "--max-age", "0") == "held"


def test_whoever_cannot_see_the_holder_sees_that_it_has_no_beat(place, hold):
    os.chmod(place, 0o755)
    hold(place / "job", options=("-m", "0666"))
    os.utime(place / "job", (1, 1))
    with unprivileged():
        assert (state(place / "job"), state(place / "job", "--max-age", "0")) == ("held", "no beat")


def test_of_a_free_fifo_the_last_holders_time_is_labelled_as_that(place, hold):
    end(hold(place / "job"))
    os.utime(place / "job", (1, 1))
    found = objects(str(place))["job"]
    assert (found["beat_age"], found["idle"] > 1e9) == (None, True)
    assert re.search(r"job +free +last began or beat \d+d\S* ago$", invoke("ls", str(place))[1].splitlines()[1])


def test_a_fifo_that_nobody_has_held_has_no_last_holder(place):
    os.mkfifo(place / "job")
    assert objects(str(place / "job"))["job"]["idle"] is None


def test_a_stopped_holder_is_told_and_comes_first(place, hold):
    hold(place / "a")
    hold(place / "b").send_signal(signal.SIGSTOP)
    until(lambda: list(objects(str(place))) == ["b", "a"], "b first")
    done = ctl("ls", str(place))
    assert (done.returncode, done.stderr) == (1, "procalivectl: 2 FIFOs: 1 stopped, 1 held\n")
    assert re.search(r"b +stopped ", done.stdout.splitlines()[1])


def test_a_holder_whose_first_thread_has_ended_is_a_zombie(place, hold):
    script = "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(600,)).start(); "
    hold(place / "job", sys.executable, "-c", script + "ctypes.CDLL(None).pthread_exit(None)")
    until(lambda: state(place / "job") == "zombie", "the end of its first thread")


def test_a_holder_of_a_fifo_that_is_gone_is_told(place, hold):
    job = hold(place / "job")
    os.unlink(place / "job")
    found = objects(str(place))["job"]
    assert (found["state"], found["remark"]) == ("deleted", f"held by {job.pid} (sleep)")
    os.unlink(place / "job.holder")
    assert objects(str(place)) == {}  # nothing is left there that names it
    assert state(place / "job") == "deleted"


def test_a_holder_of_a_fifo_that_another_has_replaced_is_told(place, hold):
    first = hold(place / "job")
    os.rename(place / "job", place / "old")
    os.mkfifo(place / "job")
    found = objects(str(place))["job"]
    assert found["state"] == "replaced"
    assert found["remark"] == f"{first.pid} (sleep) holds an older FIFO of this name"
    assert (found["pids"], [other["pid"] for other in found["others"]]) == ([], [first.pid])


def test_a_holder_link_to_a_process_with_a_number_that_was_used_again_is_no_trouble(place, hold):
    hold(place / "job")
    end(hold(place / "other"))
    os.unlink(place / "other.holder")
    os.symlink(os.readlink(place / "job.holder"), place / "other.holder")
    assert state(place / "other") == "free"


def test_a_name_is_shown_as_a_name_and_keeps_its_path_in_json(own_names, hold):
    hold("@job")
    path = own_names / "job.fifo"
    _, out = invoke("ls", "@job")
    assert out.splitlines()[1].startswith("@job  held ")
    assert objects("@job")["job.fifo"]["fifo"] == str(path)
    assert objects("@job")["job.fifo"]["name"] == "@job"


def test_the_users_own_names_are_looked_at_by_default(own_names, hold):
    hold("@job")
    assert str(own_names) in survey.default_directories()
    assert "@job" in invoke("ls")[1]


@needs_root
def test_what_cannot_be_seen_is_one_line(place, capsys):
    os.chmod(place, 0o755)
    for name in ("a", "b"):
        os.mkfifo(place / name, 0o600)
        (place / f"{name}.holder").symlink_to("/proc/1/fd/701")
    with unprivileged():
        status = cli.main(["ls", str(place)])
    assert (status, *capsys.readouterr()) == (0, "", "procalivectl: 2 more that you may not see; try sudo\n")


def test_state_shows_only_those_in_it(place, hold):
    end(hold(place / "free"))
    hold(place / "job")
    assert list(objects("--state", "free", str(place))) == ["free"]
    assert objects("--state", "trouble", str(place)) == {}
    assert list(objects("--state", "held", "--state", "free", str(place))) == ["free", "job"]


def test_sort_puts_the_longest_hold_first(place, hold):
    hold(place / "b")
    until(lambda: objects(str(place))["b"]["held_for"] > 0.05, "a time between them")
    hold(place / "a")
    assert list(objects(str(place))) == ["a", "b"]
    assert list(objects("--sort", "held-for", str(place))) == ["b", "a"]


def test_a_console_is_no_watcher(place, hold, spawn):
    hold(place / "job")
    script = "import sys, time; sys.path.insert(0, sys.argv[1]); from procalivectl import words; "
    script += "words.call_yourself_procalivectl(); file = open(sys.argv[2], 'w'); time.sleep(600)"
    console = spawn(sys.executable, "-c", script, str(TOP), str(place / "job"))
    until(lambda: procalive.look(str(place / "job"))[str(place / "job")].watchers == [console.pid], "its write end")
    assert objects(str(place))["job"]["watchers"] == []


@needs_root
def test_processes_that_cannot_be_seen_are_null_and_not_none(place, hold):
    os.chmod(place, 0o755)
    hold(place / "job", options=("-m", "0666"))
    with unprivileged():
        found = objects(str(place / "job"))["job"]
    assert (found["state"], found["pids"], found["watchers"], found["holders"]) == ("held", None, None, None)
    assert found["remark"] == "by a process that you may not see"


def test_a_reader_without_the_lock_is_a_stranger(place):
    os.mkfifo(place / "job")
    fd = os.open(place / "job", os.O_RDONLY | os.O_NONBLOCK)
    assert state(place / "job") == "stray reader"
    os.close(fd)


def test_a_lock_without_a_reader_is_not_held(place):
    with locked_unread(place / "job"):
        found = objects(str(place / "job"))["job"]
    assert found["state"] == "locked from outside"
    assert f"locked by {os.getpid()}" in found["remark"]


def test_watchers_are_the_write_ends_open(place, hold, spawn):
    hold(place / "job")
    for _ in range(2):
        spawn("sh", "-c", "exec 9>job; exec sleep 600", cwd=place)
    until(lambda: len(objects(str(place))["job"]["watchers"]) == 2, "two watchers")


def test_a_missing_fifo_is_free_and_status_0(place):
    status, out = invoke("ls", str(place / "job"))
    assert status == 0
    assert re.search(r"job +free .*missing$", out.splitlines()[1])


def test_a_regular_file_is_unknown_and_status_2(place):
    (place / "file").touch()
    done = ctl("ls", str(place / "file"), str(place / "none"))
    assert done.returncode == 2
    assert done.stderr == f"procalivectl: {place}/file: not a FIFO\n"
    assert "missing" in done.stdout


def test_a_fifo_of_others_is_shown_with_all_alone(place):
    os.mkfifo(place / "other")
    assert objects(str(place)) == {}
    assert list(objects("--all", str(place))) == ["other"]


def test_a_fifo_of_others_is_never_opened(place, spawn):
    os.mkfifo(place / "other")
    # Asleep in open(2): an open of the write end would wake it, and end it.
    cat = spawn("cat", str(place / "other"))
    until(lambda: asleep(cat.pid), "cat asleep")
    objects("--all", str(place))
    pidfd = os.pidfd_open(cat.pid)
    assert select.select([pidfd], [], [], 0.3)[0] == []
    os.close(pidfd)


@needs_root
def test_a_fifo_of_others_that_a_user_sees_nobody_read_is_neither_free_nor_an_error(place):
    os.mkfifo(place / "other")
    os.chmod(place, 0o755)
    with unprivileged():
        (found,) = objects("--all", str(place)).values()
        assert (found["state"], found["pids"]) == ("unknown", None)
        assert found["remark"].startswith("no reader that you may see")
        assert invoke("ls", "--all", str(place))[0] == 0
    assert state(place / "other") == "free"


@needs_root
def test_another_file_system_is_not_entered(place):
    (place / "here").mkdir()
    (place / "mounted").mkdir()
    script = 'cd "$0" && mount -t tmpfs none mounted && mkfifo here/one mounted/two && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, str(place), *CTL, "ls", "--all", "--json", "."]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [json.loads(line)["fifo"] for line in listed.splitlines()] == ["./here/one"]


def asleep(pid: int) -> bool:
    """In cat by now, and sleeping."""
    name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    return name.endswith("(cat") and rest.split()[0] == "S"


def test_directories_are_searched_two_levels_deep_and_links_not_followed(place, hold):
    (place / "a/b").mkdir(parents=True)
    for path in (place / "a/near", place / "a/b/far"):
        hold(path)
    (place / "link").symlink_to(place / "a/b")
    assert list(objects(str(place))) == ["near"]


def test_a_directory_without_permission_is_shown_and_the_rest_goes_on(place, hold):
    os.chmod(place, 0o755)
    (place / "shut").mkdir(mode=0)
    hold(place / "job", options=("-m", "0622"))
    with unprivileged():
        found = objects(str(place))
    assert found["job"]["state"] == "held"
    assert (found[""]["state"], found[""]["remark"]) == ("unknown", "Permission denied")


def test_a_named_directory_without_permission_is_status_2(place):
    (place / "shut").mkdir(mode=0)
    with unprivileged():
        assert invoke("ls", str(place / "shut"))[0] == 2


def test_a_fifo_that_may_not_be_opened_is_unknown_and_not_free(place):
    os.chmod(place, 0o755)
    os.mkfifo(place / "job", 0)
    with unprivileged():
        assert objects(str(place / "job"))["job"]["state"] == "unknown"


def test_a_fifo_that_vanishes_while_it_is_looked_at_is_left_out(place, monkeypatch):
    os.mkfifo(place / "job")
    (entry,) = os.scandir(place)
    os.unlink(place / "job")
    with pytest.raises(FileNotFoundError):
        list(survey.Survey()._enter(entry, 1, 0))
    monkeypatch.setattr(survey.Survey, "_enter", lambda *_: iter([entry.stat()]))
    assert survey.Survey([str(place)], all=True).look() == []


@pytest.mark.parametrize("name", ["[red]x", "a\x1b[31mb", "new\nline", "\udcff"])
def test_names_with_markup_and_control_characters_are_shown_harmlessly(place, hold, name):
    hold(place / name)
    for out in (ctl("ls", str(place)).stdout, in_terminal("ls", str(place), columns=100, NO_COLOR="1")):
        assert "\x1b[31m" not in out
        assert len(out.splitlines()) == 2
    assert ("[red]x" if name[0] == "[" else "\\") in out


def test_a_terminal_gets_colours_and_a_pipe_none(place, hold):
    hold(place / "job")
    assert "\x1b[32mheld" in in_terminal("ls", str(place), columns=100)
    for environ in ({}, {"FORCE_COLOR": "1"}):
        assert "\x1b" not in ctl("ls", str(place), env=os.environ | environ).stdout


@pytest.mark.parametrize("verb", ["ls", "doctor", "export"])
def test_the_empty_name_is_an_error_and_neither_free_nor_a_sample(verb):
    done = ctl(verb, "")
    assert done.returncode == 2
    assert "No such file or directory" in done.stdout + done.stderr
    assert "free" not in done.stdout
    assert "procalive_alive{" not in done.stdout


def test_no_color_is_obeyed(place, hold):
    hold(place / "job")
    assert "\x1b[3" in in_terminal("doctor", str(place / "job"), columns=100)
    for verb in (("ls", str(place)), ("doctor", str(place / "job"))):
        assert "\x1b" not in in_terminal(*verb, columns=100, NO_COLOR="1")


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(place, hold, columns):
    hold(place / ("long" * 12), "sleep", *["600"] * 40)
    out = in_terminal("ls", str(place), columns=columns, NO_COLOR="1", TERM="xterm")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= columns
    assert "held" in lines[1]
    assert "longlong" in lines[1]


def test_a_pipe_gets_long_commands_whole(place, hold):
    hold(place / "job", "sleep", *["600"] * 60)
    assert ctl("ls", str(place), env=os.environ | {"COLUMNS": "40"}).stdout.count(" 600") == 60


def test_nothing_found_is_status_0_and_said_on_standard_error(place):
    done = ctl("ls", str(place))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"procalivectl: no FIFO of procalive's in {place}\n"
