"""Every input that is a grammar: times, options, signals, names to show."""

import os
import re
import signal
import string
import subprocess

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import procalive

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
numbers = st.from_regex(r"\A([0-9]{1,9}(\.[0-9]{0,6})?|\.[0-9]{1,6})([eE][+-]?[0-9]{1,2})?\Z")
anything = st.text(max_size=12) | st.text(alphabet="0123456789.eE+-_ smhdinfax", max_size=8)


def taken(convert, text):
    """What a converter makes of the text; None where it raises ValueError, nothing else is allowed."""
    try:
        return convert(text)
    except ValueError:
        return None


# --- SECS ---


@given(numbers, st.sampled_from(sorted(UNITS)))
def test_seconds_is_the_number_times_its_unit(number, unit):
    assert procalive.seconds(number + unit) == float(number) * UNITS[unit]


@pytest.mark.parametrize("text", ["inf", "INF", "infinity", "infd", "1e999", "1e308d"])
def test_seconds_is_infinite_for(text):
    assert procalive.seconds(text) == float("inf")


@given(anything)
@example("1_0")
@example("٣")
@example("5 m")
@example("nan")
@example("-0")
@example("+1")
@example("1\n")
def test_seconds_raises_value_error_for_all_else(text):
    valid = re.fullmatch(r"(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity))[smhd]?", text)
    assert (taken(procalive.seconds, text) is not None) == bool(valid and text.isascii())


def is_gnu(tool):
    said = subprocess.run([tool, "--version"], capture_output=True, check=False)
    return b"GNU coreutils" in said.stdout


# Where the two are meant to agree: no sign, no blank, no hexadecimal number, no NUL that argv cannot hold.
sleepy = st.text(alphabet="0123456789.eEsmhdinfty", min_size=1, max_size=6)


@pytest.mark.skipif(not is_gnu("sleep"), reason="needs GNU sleep")
@settings(max_examples=30)
@given(st.lists(sleepy, min_size=1, max_size=30))
def test_seconds_takes_just_what_gnu_sleep_takes(texts):
    # With one operand that is wrong for sure it names all that are, and does not sleep.
    command = ["sleep", "--", *texts, "wrong!"]
    said = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C"}, check=False).stderr
    wrong = re.findall(r"time interval '(.*)'\n", said)
    assert [text for text in texts if taken(procalive.seconds, text) is None] == wrong[:-1]


# --- durations ---


@given(st.floats(min_value=-1e6, max_value=1e12))
def test_duration_is_one_or_two_units_that_lose_less_than_a_part_in_twenty_four(seconds):
    text = procalive.duration(seconds)
    parts = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    told = sum(int(part or 0) * size for part, size in zip(parts.groups(), (86400, 3600, 60, 1)))
    assert 1 <= sum(part is not None for part in parts.groups()) <= 2
    assert 0 <= max(0, int(seconds)) - told <= max(0, seconds) / 24


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m"), (3661, "1h1m"), (11520, "3h12m"), (90000, "1d1h"), (-5, "0s")],
)
def test_duration_is_written_as(seconds, text):
    assert procalive.duration(seconds) == text


# --- names ---


@given(st.binary(max_size=40) | st.text(max_size=40))
@example(b"a\nb\xff\x1b[31m")
@example("\u2028")
@example("")
def test_show_is_one_printable_line_that_is_never_empty_for_any_name(name):
    shown = procalive.escape(name)
    assert shown
    assert shown.isprintable()
    assert len(shown.splitlines()) == 1


@given(st.binary(max_size=20))
def test_show_of_a_decoded_name_is_that_of_the_bytes(name):
    assert procalive.escape(os.fsdecode(name)) == procalive.escape(name)


@given(st.text(alphabet=string.ascii_letters + string.digits + "/._- äß漢", min_size=1))
def test_show_leaves_an_ordinary_name_as_it_is(name):
    assert procalive.escape(name) == name


# --- numbers ---


@given(anything)
@example("9" * 5000)
@example("0o17")
@example("1_0")
@example("²")
def test_small_numbers_are_decimal_digits_in_range_or_value_error(text):
    digits = text.isascii() and text.isdigit() and len(text) < 4000
    assert taken(procalive._status, text) == (int(text) if digits and int(text) <= 255 else None)
    assert taken(procalive._descriptor, text) == (int(text) if digits and int(text) < 2**31 else None)


@given(st.integers(0, 0o777), st.sampled_from(["{:o}", "{:03o}", "{:04o}"]))
def test_a_mode_is_octal(mode, form):
    assert procalive._mode(form.format(mode)) == mode


@pytest.mark.parametrize("text", ["1000", "8", "0o600", "-1", "u=rw", "", " 600", "6_0"])
def test_a_mode_raises_value_error_for(text):
    assert taken(procalive._mode, text) is None


# --- signals ---

LONG_S = "\u017f"  # whose capital is S


@pytest.mark.parametrize("number", sorted(signal.Signals))
@pytest.mark.parametrize("form", ["{0}", "{1}", "SIG{1}", "sig{2}", "{2}"])
def test_a_signal_is_taken_by_number_and_by_name_with_sig_or_without(number, form):
    name = number.name[3:]
    assert procalive._signal_number(form.format(int(number), name, name.lower())) == number


@given(st.integers(0, signal.SIGRTMAX - signal.SIGRTMIN), st.sampled_from(["RTMIN", "SIGRTMIN", "rtmin"]))
def test_a_real_time_signal_is_counted_from_rtmin(offset, name):
    assert procalive._signal_number(f"{name}+{offset}") == signal.SIGRTMIN + offset
    assert procalive._signal_number(f"{name.upper().replace('MIN', 'MAX')}-{offset}") == signal.SIGRTMAX - offset


@given(st.text(max_size=12))
@example("TERM+1")
@example("RTMIN+31")
@example("RTMIN+")
@example("RTMAX-31")
@example("RTMAX+1")
@example("RTMIN-1")
@example("RTMIN++1")
@example("65")
@example("_DFL")
@example("_BLOCK")
@example(LONG_S + "igterm")
@example("-9")
@example("")
@example("9" * 5000)
def test_a_signal_raises_value_error_for_all_else(text):
    name = text.upper()
    assume(name not in signal.Signals.__members__ and f"SIG{name}" not in signal.Signals.__members__)
    assume(not (text.isascii() and text.isdigit() and len(text) < 3 and int(text) < signal.NSIG))
    assume(not re.fullmatch(r"(SIG)?RT(MIN\+|MAX-)[0-9]+", name) or text.endswith("31"))
    assert taken(procalive._signal_number, text) is None


def test_a_signal_of_letters_that_only_look_like_it_raises_value_error():
    assert taken(procalive._signal_number, LONG_S + "igterm") is None


# --- options ---

VALUES = {
    "SECS": (["0", "1.5", "5m", "inf"], procalive.seconds),
    "CODE": (["0", "75", "255"], int),
    "MODE": (["600", "0622"], lambda text: int(text, 8)),
    "N": (["0", "9", "255"], int),
    "SIGNAL": (["TERM", "9", "SIGRTMIN+1"], procalive._signal_number),
}
verbs = st.sampled_from(sorted(procalive._SPECS))
operands = st.lists(st.sampled_from(["F", "-", "--", "-q", "--any", "-w", "cmd", "-x=1", "", "ä\udcff"]), max_size=5)


def options_of(verb):
    return procalive._SPECS[verb][2:]


@st.composite
def command_lines(draw):
    """(verb, words, the attributes that they set, operands)."""
    verb = draw(st.sampled_from([verb for verb in sorted(procalive._SPECS) if options_of(verb)]))
    chosen = draw(st.lists(st.sampled_from(options_of(verb)), max_size=6))
    assume({"quiet", "verbose"} - {attribute for _, attribute, *_ in chosen})
    words, expected, cluster = [], {}, "-"
    for flags, attribute, value, meaning, _ in chosen:
        flag = draw(st.sampled_from(flags))
        text = None if value is None else draw(st.sampled_from(VALUES[value][0]))
        expected[attribute] = (meaning or True) if text is None else VALUES[value][1](text)
        glue = draw(st.booleans())
        if flag.startswith("--") or not glue:
            words += [cluster] if cluster != "-" else []
            cluster = "-"
        if flag.startswith("--"):
            words += [flag] if text is None else [f"{flag}={text}"] if glue else [flag, text]
            continue
        cluster += flag[1]
        if text is not None:
            words += [cluster + text] if glue else [cluster, text]
            cluster = "-"
    rest = draw(operands)
    words += [cluster] if cluster != "-" else []
    # Behind the FIFO only hold's command has options of its own.
    dashed = any(word.startswith("-") and word != "-" for word in (rest[:1] if verb == "hold" else rest))
    return verb, [*words, *(["--"] if dashed or draw(st.booleans()) else []), *rest], expected, rest


@settings(max_examples=400)
@given(command_lines())
def test_options_in_every_spelling_parse_to_the_same_and_operands_are_left_alone(line):
    verb, words, expected, rest = line
    before = list(words)
    options, found = procalive._parse(verb, words)
    assert (vars(options), found, words) == (expected, rest, before)


@pytest.mark.parametrize("verb", ["check", "wait", "who", "kill", "path"])
def test_an_option_behind_the_fifo_is_refused_and_not_taken_for_a_missing_fifo(verb):
    with pytest.raises(procalive._Usage, match="-v: options go before the FIFO"):
        procalive._parse(verb, ["F", "-v"])
    assert procalive._parse(verb, ["--", "F", "-v"])[1] == ["F", "-v"]


@settings(max_examples=300)
@given(verbs, st.lists(anything | st.sampled_from(["-q", "-s", "--", "-", "--any=", "-w", "--fd"]), max_size=5))
def test_any_words_at_all_parse_or_are_a_usage_error_of_one_line(verb, words):
    try:
        said = str(procalive._parse(verb, words)[1])
    except procalive._Usage as error:
        said = str(error)
    assert said.isprintable()


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("hold", ["-z"]), ("hold", ["--quite"]), ("hold", ["-w"]), ("hold", ["-w", "x"]), ("hold", ["-w="]),
        ("hold", ["-qv"]), ("hold", ["-q-", "F"]), ("hold", ["-q-fd", "9", "F"]), ("hold", ["-fd", "9"]),
        ("hold", ["--fd="]), ("hold", ["--f", "9"]), ("check", ["-w", "1"]), ("wait", ["--any=1"]),
        ("wait", ["--any="]), ("who", ["-v"]), ("kill", ["-s", "NONE"]), ("kill", ["-k", "-1"]), ("kill", ["-1"]),
    ],
)  # fmt: skip
def test_a_wrong_option_is_a_usage_error_that_names_the_verb(verb, words):
    with pytest.raises(procalive._Usage, match=f"^{verb}: "):
        procalive._parse(verb, words)


def test_the_last_of_an_option_given_twice_counts():
    assert procalive._parse("hold", ["-w1", "--timeout", "2", "F"])[0].timeout == 2
    for words, shared in ((["-s", "-x"], False), (["-x", "--shared"], True), (["-se"], False), (["-es"], True)):
        assert procalive._parse("hold", [*words, "F"])[0].shared is shared


def test_no_wait_wins_over_a_time_to_wait_wherever_it_stands():
    for words in (["-n", "-w5"], ["-w5", "--nb"], ["-w", "inf", "--nonblock"]):
        assert procalive._parse("hold", [*words, "F"])[0].waits == 0


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("verb", sorted(procalive._SPECS))
def test_every_verb_takes_the_options_for_help(verb, flag):
    assert procalive._parse(verb, [flag])[0].help is True
