"""@NAME: one place for each user, whatever the session, and what is refused."""

import os
import pathlib
import stat

import pytest
from support import NOBODY, needs_root

import procalive

# The root directory is the test's own, so that /run is too.  No user database is there.
ROOTS = "os.chroot(F); os.chdir('/'); os.mkdir('/run'); os.umask(0o077)\n"
# A user whose home directory the database has as given.
USERS = f"""
home = sys.argv[2]
pwd.getpwuid = lambda uid: pwd.struct_passwd(('joe', 'x', uid, uid, '', home, '/bin/sh'))
become({NOBODY}); os.environ.update(HOME='/elsewhere', XDG_STATE_HOME='/elsewhere', XDG_RUNTIME_DIR='/elsewhere')
"""
TREE = "say(sorted(os.path.relpath(os.path.join(d, n), {top}) for d, ds, fs in os.walk({top}) for n in ds + fs))\n"


@pytest.fixture
def home(commons):
    """The home directory of a user who is not root."""
    directory = f"{commons}/joe"
    os.mkdir(directory)
    os.chown(directory, NOBODY, NOBODY)
    return directory


def mode_of(path):
    return oct(stat.S_IMODE(os.stat(path).st_mode))


# --- where ---


@needs_root
def test_the_names_of_root_lie_in_run_and_to_ask_for_a_path_makes_nothing(commons, program):
    process = program(
        ROOTS + "say(procalive.path('@x.1_a+b-c'), procalive.names_directory(), os.listdir('/run'))", commons
    )
    assert process.first == "/run/procalive/x.1_a+b-c.fifo /run/procalive []"


@needs_root
def test_the_names_of_a_user_lie_in_the_home_of_the_user_database_whatever_the_environment_says(home, program):
    process = program(USERS + "say(procalive.path('@x'), procalive.names_directory())", home, home)
    assert process.first == f"{home}/.local/state/procalive/x.fifo {home}/.local/state/procalive"
    assert os.listdir(home) == []


@needs_root
@pytest.mark.parametrize(("real", "effective", "owner"), [(0, NOBODY, "joe"), (NOBODY, 0, "root"), (0, 0, "root")])
def test_the_effective_user_decides(home, program, real, effective, owner):
    code = USERS.replace(f"become({NOBODY})", f"become({real}, effective={effective})")
    place = f"{home}/.local/state" if owner == "joe" else "/run"
    assert program(code + "say(procalive.path('@x'))", home, home).first == f"{place}/procalive/x.fifo"


@needs_root
def test_hold_makes_the_directory_of_root_readable_for_all_whatever_the_umask(commons, program):
    code = ROOTS + "h = procalive.hold('@x'); say(h.path, procalive.check('@x'), procalive.check(h.path)); order()"
    assert program(code, commons).first == "/run/procalive/x.fifo True True"
    assert mode_of(f"{commons}/run/procalive") == oct(0o755)
    assert mode_of(f"{commons}/run/procalive/x.fifo") == oct(0o600)
    assert procalive.check(f"{commons}/run/procalive/x.fifo")


@needs_root
def test_hold_makes_what_is_missing_below_the_home_directory_for_its_user_alone(home, program):
    code = USERS + "os.umask(0); h = procalive.hold('@x'); say(h.path); order()"
    assert program(code, home, home).first == f"{home}/.local/state/procalive/x.fifo"
    for directory in (".local", ".local/state", ".local/state/procalive"):
        assert mode_of(f"{home}/{directory}") == oct(0o700)
        assert os.stat(f"{home}/{directory}").st_uid == NOBODY


@needs_root
def test_hold_leaves_the_modes_of_the_directories_above_as_they_are(home, program):
    os.makedirs(f"{home}/.local/state")
    for directory in (".local", ".local/state"):
        os.chown(f"{home}/{directory}", NOBODY, NOBODY)
        os.chmod(f"{home}/{directory}", 0o755)
    program(USERS + "h = procalive.hold('@x'); say(0)", home, home)
    assert mode_of(f"{home}/.local") == mode_of(f"{home}/.local/state") == oct(0o755)


@needs_root
@pytest.mark.parametrize(
    "verb", ["check('@x')", "holders('@x')", "wait('@x')", "kill('@x')", "look('@x')", "deleted_holders('@x')"]
)
def test_a_verb_that_makes_no_fifo_makes_no_directory_either(home, program, verb):
    process = program(USERS + f"procalive.{verb}; say(os.listdir(home))", home, home)
    assert process.first == "[]"


@needs_root
def test_wait_up_makes_the_directory_and_the_fifo_to_wait_for(home, program):
    code = USERS + "outcome(procalive.wait, '@x', up=True, timeout=0); " + TREE.format(top="home")
    process = program(code, home, home)
    assert process.first == f"TimedOut {home}/.local/state/procalive/x.fifo: nobody holds it"
    assert process.heard().endswith("'.local/state/procalive/x.fifo']")


@needs_root
def test_every_verb_takes_a_name_and_answers_by_it(home, program):
    code = (
        USERS
        + """
with procalive.hold('@a') as h, procalive.hold_any(['@a', '@b']) as other:
    say(other.path == procalive.path('@b'))
    say([one.pid for one in procalive.holders('@a')] == [os.getpid()], procalive.kill('@a'))
    say(list(procalive.look('@a', b'@b')) == ['@a', b'@b'], procalive.beat_problem('@a', 60))
    threading.Timer(0.2, h.release).start()
    say(procalive.wait('@a', b'@a', '@c'))
"""
    )
    process = program(code, home, home)
    said = [process.first, *(process.heard() for _ in range(3))]
    assert said[:3] == ["True", "True []", "True None"]
    assert said[3] in ("{'@c': None, '@a': None, b'@a': None}", "{'@c': None, b'@a': None, '@a': None}")


@needs_root
def test_bytes_name_too_and_hold_answers_in_kind(home, program):
    code = USERS + "h = procalive.hold(b'@x'); say(h.path, procalive.path(b'@x'))"
    place = f"{home}/.local/state/procalive/x.fifo"
    assert program(code, home, home).first == f"{os.fsencode(place)} {place}"


# --- what is no name ---

WRONG = ["@", "@.x", "@-x", "@_x", "@+x", "@a/b", "@/a", "@a b", "@ä", "@a\n", "@" + "a" * 201, "@@a", "@a\0", "@٣"]


@pytest.mark.parametrize("name", [*WRONG, b"@a/b", b"@\xff", b"@"])
@pytest.mark.parametrize("function", [procalive.path, procalive.hold, procalive.check, procalive.wait, procalive.kill])
def test_what_begins_with_an_at_sign_and_is_no_name_is_refused(tmp_path, monkeypatch, function, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(procalive.Refused, match=r"not a name: .*a file of that name is \./") as caught:
        function(name)
    assert str(caught.value).isprintable()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a", "0", "A.b_c+d-e", "a" * 200, "a..", "9-"])
def test_what_is_a_name(name):
    assert procalive.path(f"@{name}").endswith(f"/procalive/{name}.fifo")


@pytest.mark.parametrize("name", ["./@x", "x@y", "", "/tmp/@x", b"./@x", pathlib.Path("@x"), " @x"])
def test_any_other_path_is_left_as_it_is_and_a_path_object_is_no_name(name):
    assert procalive.path(name) == os.fsdecode(name)


def test_a_path_object_that_begins_with_an_at_sign_is_a_file_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with procalive.hold(pathlib.Path("@x")):
        assert procalive.check("./@x")
    assert (tmp_path / "@x").is_fifo()


# --- directories that cannot be trusted ---


def make_place(home):
    place = f"{home}/.local/state"
    os.makedirs(place)
    for directory in (f"{home}/.local", place):
        os.chown(directory, NOBODY, NOBODY)
    return f"{place}/procalive"


def plant(what, place, target):
    os.mkdir(target)
    os.chmod(target, 0o700)
    os.chown(target, NOBODY, NOBODY)
    if what in ("link", "dangling link"):
        os.symlink(target if what == "link" else f"{target}/missing", place)
    elif what == "file":
        os.close(os.open(place, os.O_CREAT))
    else:
        os.rename(target, place)
        os.mkdir(target)
        os.chown(place, {"root's": 0, "a stranger's": NOBODY - 1}.get(what, NOBODY), NOBODY)
        os.chmod(place, {"for its group": 0o770, "for all": 0o777, "sticky, for all": 0o1777}.get(what, 0o700))


REASONS = {
    "link": "is not a directory of its own, but a link or a file; move it away",
    "dangling link": "is not a directory of its own, but a link or a file; move it away",
    "file": "is not a directory of its own, but a link or a file; move it away",
    "root's": "belongs to root, and not to you",
    "a stranger's": f"belongs to {NOBODY - 1}, and not to you",
    "for its group": "run: chmod go-w ",
    "for all": "run: chmod go-w ",
    "sticky, for all": "run: chmod go-w ",
}


@needs_root
@pytest.mark.parametrize("function", ["path", "hold", "check", "holders", "wait", "kill"])
@pytest.mark.parametrize("what", sorted(REASONS))
def test_a_directory_of_names_that_is_not_the_users_own_is_refused(home, commons, program, what, function):
    place, target = make_place(home), f"{commons}/target"
    plant(what, place, target)
    code = USERS.replace("lambda uid:", "lambda uid: found(uid) if uid != 65534 else").replace(
        "home =", "found = pwd.getpwuid\nhome ="
    )
    process = program(code + f"outcome(procalive.{function}, '@x')", home, home)
    assert process.first.startswith("Refused @x: ")
    assert place in process.first
    assert REASONS[what] in process.first
    assert os.listdir(target) == []
    assert os.path.islink(place) or os.path.isfile(place) or os.listdir(place) == []


@needs_root
@pytest.mark.parametrize("what", ["link", "file", "a stranger's", "for its group"])
def test_root_is_refused_a_directory_of_names_that_is_not_its_own(commons, program, what):
    os.mkdir(f"{commons}/run")
    plant(what, f"{commons}/run/procalive", f"{commons}/target")
    os.lchown(f"{commons}/run/procalive", NOBODY if what == "a stranger's" else 0, 0)
    process = program(ROOTS.replace("os.mkdir('/run')", "0") + "outcome(procalive.hold, '@x')", commons)
    assert process.first.startswith("Refused @x: ")
    assert "/run/procalive" in process.first
    assert os.listdir(f"{commons}/target") == []


@needs_root
def test_a_link_above_the_directory_of_names_is_the_users_own_affair(home, commons, program):
    os.mkdir(f"{commons}/disk")
    os.chown(f"{commons}/disk", NOBODY, NOBODY)
    os.symlink(f"{commons}/disk", f"{home}/.local")
    assert program(USERS + "say(procalive.hold('@x').fd > 0)", home, home).first == "True"
    assert os.path.exists(f"{commons}/disk/state/procalive/x.fifo")


# --- no place for names ---


@needs_root
@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("/", "the home directory of joe is /"),
        ("//", "the home directory of joe is //"),
        ("", "the home directory of joe is ''"),
        ("relative", "the home directory of joe is relative"),
        ("{}/missing", "the home directory {}/missing is missing"),
        ("{}/file", "the home directory {}/file is missing"),
        ("{}/roots", "{}/roots/.local cannot be made (Permission denied)"),
    ],
)
def test_without_a_home_directory_there_is_no_place_and_what_to_do_is_said(commons, program, place, why):
    os.close(os.open(f"{commons}/file", os.O_CREAT))
    os.mkdir(f"{commons}/roots")
    os.chmod(f"{commons}/roots", 0o755)
    process = program(USERS + "outcome(procalive.hold, '@x')", commons, place.format(commons))
    assert why.format(commons) in process.first
    assert process.first.startswith("Refused @")
    assert "use an absolute path in a directory that root makes" in process.first
    assert "d /run/joe 0700 joe - -" in process.first
    assert sorted(os.listdir(commons)) == ["file", "roots"]


@needs_root
def test_a_user_who_is_not_in_the_database_has_no_place_for_names(commons, program):
    process = program("become(2147483640); outcome(procalive.hold, '@x')", commons)
    assert process.first.startswith("Refused @x: user 2147483640 is not in the user database, so there is no place")


@needs_root
def test_a_name_is_held_beside_that_of_another_user(home, commons, program):
    first = program(USERS + "h = procalive.hold('@x'); say(h.path); order()", home, home)
    assert first.first.startswith(home)
    second = program(ROOTS + "h = procalive.hold('@x'); say(h.path); order()", commons)
    assert second.first == "/run/procalive/x.fifo"
