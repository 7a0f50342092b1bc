# The tests of the tests: where the program is broken on purpose, they must fail.

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

setup() {
    git clone -q "$TOP" "$BATS_TEST_TMPDIR/clone"
    cd "$BATS_TEST_TMPDIR/clone" || return
    ln -s "$TOP/tests/.venv" tests/.venv
}

# spoil FROM TO: in the program's text, where FROM stands exactly once.
spoil() {
    python3 - "$@" <<'PY'
import sys
text = open("procalive.py").read()
assert text.count(sys.argv[1]) == 1, text.count(sys.argv[1])
open("procalive.py", "w").write(text.replace(sys.argv[1], sys.argv[2]))
PY
}

# suite FILE PATTERN: some of its tests; a broken program may well hang.
suite() { BATS_TEST_TIMEOUT=10 bats --tap -f "$2" "tests/bats/$1.bats"; }

@test "a program that calls the dead alive makes the suite fail" {
    spoil '            _prove_dead(path)
            return None' '            return posix.open("/dev/null", _WRITE_END)'
    run ! suite wait 'nobody holds'
    [[ $output = *"not ok"* ]]
}

@test "a program that lets two hold makes the suite fail" {
    spoil '    except BlockingIOError:
        return False' '    except BlockingIOError:
        return True'
    sed -i 's/^        if not shared and _reads_now(path, unknown=False):$/        if False:/' procalive.py
    run ! suite contention 'do not wait'
    [[ $output = *"not ok"* ]]
}

@test "a program that never wakes up makes the suite fail" {
    spoil 'self._epoll.register(fd, select.EPOLLOUT | select.EPOLLET)' 'self._epoll.register(fd, 0)'
    run ! suite wait 'holder'
    [[ $output = *"not ok"* ]]
}

@test "fewer results than tests are a failure, though bats ends with 0" {
    mkdir stub
    printf '#!/bin/sh\necho 1..3\necho "ok 1 a in 1ms"\n' >stub/bats
    chmod +x stub/bats
    PATH=$PWD/stub:$PATH run ! tests/run self
    [[ $output = *"1 results of 3 tests"* ]]
    [[ $output = *"FAILED: self"* ]]
}

@test "the same with all its results passes" {
    mkdir stub
    printf '#!/bin/sh\necho 1..1\necho "ok 1 a in 1ms"\n' >stub/bats
    chmod +x stub/bats
    PATH=$PWD/stub:$PATH run -0 tests/run self
    [[ $output = *"all passed: self"* ]]
}
