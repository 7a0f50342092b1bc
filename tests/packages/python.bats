# The wheel and the source archive: looked at as PyPI does, installed in each way there is, and used from there.

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
VENV=$TOP/tests/.venv/bin

setup_file() {
    export CLONE=$BATS_FILE_TMPDIR/clone NEEDS=$BATS_FILE_TMPDIR/needs
    "$VENV/python" -c 'import build' 2>/dev/null || return 0
    git clone -q "$TOP" "$CLONE"
    make -C "$CLONE" dist PYTHON="$VENV/python" >"$BATS_FILE_TMPDIR/dist.log" 2>&1 || {
        cat "$BATS_FILE_TMPDIR/dist.log"
        return 1
    }
    # What a build needs is fetched once; it is the only thing here that comes from outside.
    "$VENV/pip" -q download --no-deps -d "$NEEDS" 'setuptools>=77' >/dev/null 2>&1 || rm -rf "$NEEDS"
}

setup() {
    [ -e "$CLONE/dist" ] || skip "no build"
    cd "$BATS_TEST_TMPDIR" || return
    unset "${!PIP_@}" "${!PIPX_@}" "${!UV_@}" PYTHONPATH
    export HOME=$PWD/home PATH=/usr/bin:/bin
    wheel=("$CLONE"/dist/*.whl) archive=("$CLONE"/dist/*.tar.gz)
}

need() { [ -x "$VENV/$1" ] || skip "no $1"; }
need_setuptools() { [ -d "$NEEDS" ] || skip "setuptools, to build with, cannot be fetched"; }

# works COMMAND MANUAL: it holds, checks and refuses; its manual is there, and its version is ours.
works() {
    local fifo=$PWD/job.fifo
    run -0 "$1" --version
    [ "$output" = "$("$TOP/bin/procalive" --version)" ]
    # shellcheck disable=SC2016 # for the inner shell
    run -75 "$1" hold "$fifo" sh -c '"$0" check "$1" && "$0" check --mine "$1" && "$0" hold -q "$1" true' "$1" "$fifo"
    [ "$output" = '' ]
    run -1 "$1" check "$fifo"
    cmp "$2/man1/procalive.1" "$TOP/man/procalive.1"
    cmp "$2/man7/procalive.7" "$TOP/man/procalive.7"
}

with_pip() {
    "$VENV/python" -m venv --without-pip venv
    "$VENV/pip" --python venv/bin/python -q install --no-index --find-links "$NEEDS" "$1"
    works venv/bin/procalive venv/share/man
    run -0 venv/bin/python -c 'import procalive; print(procalive.check("/nowhere"))'
    [ "$output" = False ]
}

with_pipx() {
    own_pipx
    "$VENV/pipx" install "$1"
    works bin/procalive man
    "$VENV/pipx" uninstall procalive
    [ ! "$(ls -A bin)" ]
}

own_pipx() {
    export PIPX_HOME=$PWD/pipx PIPX_BIN_DIR=$PWD/bin PIPX_MAN_DIR=$PWD/man PIP_NO_INDEX=1 PIP_FIND_LINKS=$NEEDS
}

with_uv() {
    export UV_TOOL_DIR=$PWD/tools UV_TOOL_BIN_DIR=$PWD/bin UV_CACHE_DIR=$PWD/cache UV_PYTHON_DOWNLOADS=never
    "$VENV/uv" -q tool install --no-config --no-index --find-links "$NEEDS" "$1"
    works bin/procalive tools/procalive/share/man
    "$VENV/uv" -q tool uninstall procalive
    [ ! "$(ls -A bin)" ]
}

@test "twine check --strict has nothing to say of the wheel and the source archive" {
    need twine
    run -0 "$VENV/twine" check --strict "${wheel[@]}" "${archive[@]}"
    [ "$(grep -c PASSED <<<"$output")" = 2 ]
}

@test "pip installs the wheel, whose command holds and checks" {
    with_pip "${wheel[0]}"
}

@test "pip installs the source archive, whose command holds and checks" {
    need_setuptools
    with_pip "${archive[0]}"
}

@test "pipx installs the wheel, whose command holds and checks" {
    need pipx
    with_pipx "${wheel[0]}"
}

@test "pipx installs the source archive, whose command holds and checks" {
    need pipx
    need_setuptools
    with_pipx "${archive[0]}"
}

@test "pipx install . in a checkout, as the README says, gives a command that holds and checks" {
    need pipx
    need_setuptools
    local line
    line=$("$BATS_TEST_DIRNAME/readme.py" line 'pipx ')
    cp -R "$CLONE" checkout
    own_pipx
    (cd checkout && PATH=$VENV:$PATH && sh -c "$line")
    works bin/procalive man
}

@test "uv tool install takes the wheel, whose command holds and checks" {
    need uv
    with_uv "${wheel[0]}"
}

@test "uv tool install takes the source archive, whose command holds and checks" {
    need uv
    need_setuptools
    with_uv "${archive[0]}"
}
