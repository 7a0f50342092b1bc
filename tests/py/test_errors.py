"""The exceptions: one line each, and safe to carry from process to process."""

import copy
import errno
import os
import pickle

import pytest

import procalive

ERRORS = [
    procalive.ProcaliveError("/run/f", "text"),
    procalive.NotAFifo("/run/f"),
    procalive.Refused("/run/f", "a symbolic link"),
    procalive.Held("/run/f", []),
    procalive.Obstructed("/run/f", 1),
    procalive.Obstructed("/run/f", None),
    procalive.Stale("/run/f", 11525.5),
    procalive.FutureBeat("/run/f", 3600.0),
    procalive.TimedOut("/run/f", "still there"),
    procalive.Unseen("/run/f"),
]
every_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


@every_error
def test_every_error_is_a_procalive_error_of_one_line_that_names_the_path(error):
    assert isinstance(error, procalive.ProcaliveError)
    assert str(error).startswith("/run/f: ")
    assert "\n" not in str(error)


@every_error
@pytest.mark.parametrize("carry", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_every_error_can_be_copied_and_pickled(error, carry):
    other = carry(error)
    assert type(other) is type(error)
    assert (str(other), repr(other), other.__dict__) == (str(error), repr(error), error.__dict__)
    assert getattr(other, "errno", None) == getattr(error, "errno", None)
    assert getattr(other, "filename", None) == getattr(error, "filename", None)


def test_a_worker_process_can_raise_held_to_its_pool(fifo):
    import concurrent.futures
    import multiprocessing

    pool = concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    with pool, procalive.hold(fifo), pytest.raises(procalive.Held, match="held by") as caught:
        pool.submit(procalive.hold, fifo).result()
    assert len(caught.value.holders) == 1


def test_timed_out_is_a_timeout_error_with_errno_and_filename():
    error = procalive.TimedOut("/run/f", "still there")
    assert isinstance(error, TimeoutError)
    assert (error.errno, error.filename, error.path) == (errno.ETIMEDOUT, "/run/f", "/run/f")
    assert str(error) == "/run/f: still there"


def test_every_public_name_is_there_and_says_what_it_is():
    for name in procalive.__all__:
        assert getattr(procalive, name).__doc__ or name == "__version__", name


NO_TIMES = [float("nan"), float("-inf"), -1, -0.001]
CALLS = [
    (procalive.hold, "timeout"), (procalive.hold, "replace"), (procalive.hold, "max_age"),
    (procalive.wait, "timeout"), (procalive.wait, "max_age"), (procalive.check, "max_age"), (procalive.kill, "grace"),
    (lambda path, **options: procalive.hold_any([path], **options), "timeout"),
    (procalive.beat_problem, "max_age"),
]  # fmt: skip
every_call = pytest.mark.parametrize(("function", "option"), CALLS, ids=lambda one: getattr(one, "__name__", one))


@every_call
@pytest.mark.parametrize("seconds", NO_TIMES)
def test_a_time_that_is_none_is_a_value_error_before_anything_is_done(fifo, holder, function, option, seconds):
    process = holder(fifo)
    with pytest.raises(ValueError, match="not a time"):
        function(fifo, **{option: seconds})
    assert process.runs()


@every_call
def test_a_time_that_is_none_makes_no_fifo(fifo, function, option):
    with pytest.raises(ValueError, match="not a time"):
        function(fifo, **{option: -1})
    assert not os.path.lexists(fifo)


def test_import_needs_no_module_that_costs_milliseconds():
    import subprocess
    import sys

    from support import ROOT

    code = f"import sys; sys.path.insert(0, {ROOT!r}); import procalive; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-ISE", "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"argparse", "typing", "dataclasses", "signal", "threading", "json", "subprocess"} & set(loaded.split())
