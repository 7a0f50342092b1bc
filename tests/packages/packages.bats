# The packages, built from this checkout and installed into a Debian of their own.

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
# shellcheck source=tests/root.sh
source "$TOP/tests/root.sh"

setup_file() {
    export ROOT=$BATS_FILE_TMPDIR/root CLONE=$BATS_FILE_TMPDIR/clone
    git clone -q "$TOP" "$CLONE"
    make -C "$CLONE" deb >"$BATS_FILE_TMPDIR/deb.log" 2>&1 || {
        cat "$BATS_FILE_TMPDIR/deb.log"
        return 1
    }
}

# Made by the first test that needs it.
need_root() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    [ -d "$ROOT/usr" ] || make_root "${PACKAGES_SUITE:-trixie}" "$ROOT" python3 bats mount procps util-linux strace busybox-static ||
        skip "no mmdebstrap, or no Debian to be had"
}

inside() { in_root "$ROOT" "$@"; }

need_installed() {
    need_root
    inside test -x /usr/bin/procalive && return
    cp "$CLONE"/dist/procalive_*.deb "$CLONE"/dist/procalive-fleet_*.deb "$ROOT/tmp/"
    inside sh -ec 'dpkg -i /tmp/procalive*.deb >/dev/null 2>&1'
}

@test "the version of the package is that of the program, and so is the spec's" {
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$TOP/procalive.py")
    [ "$(dpkg-parsechangelog -l "$TOP/packaging/debian/changelog" -S Version)" = "$version" ]
    grep -q "^## $version" "$TOP/NEWS.md"
}

@test "two builds of one commit are equal to the byte" {
    (cd "$CLONE/dist" && sha256sum -- *.deb) >"$BATS_TEST_TMPDIR/first"
    make -C "$CLONE" deb >/dev/null 2>&1
    (cd "$CLONE/dist" && sha256sum -c --quiet "$BATS_TEST_TMPDIR/first")
}

@test "make dist gives the same source archive and wheel twice" {
    python=$TOP/tests/.venv/bin/python
    "$python" -c 'import build' 2>/dev/null || skip "no build"
    make -C "$CLONE" dist PYTHON="$python" >/dev/null 2>&1
    (cd "$CLONE/dist" && sha256sum -- *.whl *.tar.gz) >"$BATS_TEST_TMPDIR/first"
    make -C "$CLONE" dist PYTHON="$python" >/dev/null 2>&1
    (cd "$CLONE/dist" && sha256sum -c --quiet "$BATS_TEST_TMPDIR/first")
    [ "$(wc -l <"$BATS_TEST_TMPDIR/first")" = 2 ]
}

@test "lintian has no warning" {
    command -v lintian >/dev/null || skip "no lintian"
    run -0 lintian --fail-on warning "$CLONE"/dist/*.deb
}

@test "the RPMs have the files of the Debian packages" {
    command -v rpmbuild >/dev/null || skip "no rpmbuild"
    make -C "$CLONE" rpm >"$BATS_TEST_TMPDIR/rpm.log" 2>&1 || {
        cat "$BATS_TEST_TMPDIR/rpm.log"
        return 1
    }
    # Byte code, documents and the place of completions differ by the distribution's rules.
    plain() {
        grep -vE '/$|__pycache__|/doc/|/licenses/|runtime.d|dist-packages' |
            sed -E 's/\.gz$//; s,site-functions,vendor-completions,' | sort -u
    }
    for deb in "$CLONE"/dist/*.deb; do dpkg -c "$deb"; done | awk '{ print substr($6, 2) }' | plain >"$BATS_TEST_TMPDIR/deb"
    for rpm in "$CLONE"/dist/*.rpm; do rpm -qlvp "$rpm" 2>/dev/null; done | awk '!/^d/ { print $9 }' | plain >"$BATS_TEST_TMPDIR/rpm"
    diff "$BATS_TEST_TMPDIR/deb" "$BATS_TEST_TMPDIR/rpm"
    [ -s "$BATS_TEST_TMPDIR/deb" ]
}

@test "rpmlint has nothing to say of the RPMs" {
    command -v rpmlint >/dev/null || skip "no rpmlint"
    compgen -G "$CLONE/dist/*.rpm" >/dev/null || make -C "$CLONE" rpm >/dev/null 2>&1 || skip "no rpmbuild"
    run -0 rpmlint -c "$CLONE/packaging/rpmlint.toml" "$CLONE"/dist/*.rpm
    [[ $output = *' 0 errors, 0 warnings'* ]]
}

@test "installed in a clean Debian, the command, the module, the manual and the byte code are there" {
    need_installed
    run -0 inside procalive hold @demo -- procalive check --mine @demo
    run -0 inside python3 -c 'import procalive; print(procalive.check("/nowhere"))'
    [ "$output" = False ]
    inside sh -c 'ls /usr/share/procalive/__pycache__/procalive.*.pyc'
    inside test -e /usr/share/man/man1/procalive.1.gz
}

@test "the suite passes against the installed program" {
    need_installed
    mkdir -p "$ROOT/srv/source"
    git -C "$CLONE" archive HEAD tests packaging | tar -x -C "$ROOT/srv/source"
    run inside sh -c 'cd /srv/source && mkdir -p debian && AUTOPKGTEST_TMP=/tmp packaging/debian/tests/suite'
    echo "$output" | grep '^not ok' && return 1
    [ "$status" = 0 ]
    echo "$output" | grep -q '^ok'
}

@test "removed and purged, nothing is left but a FIFO that is held, which is named" {
    need_installed
    # One root, one /run: all of it in one call.
    # shellcheck disable=SC2016 # for that shell
    run -0 inside bash -c '
        procalive hold @free -- true
        procalive hold @held -- sleep 60 & job=$!
        procalive wait --up @held
        procalive hold @held -- true && exit 1 # the library of the shell went as well
        dpkg -r procalive-fleet procalive >/dev/null 2>&1
        dpkg -P procalive-fleet procalive
        ls /run/procalive
        kill $job
        find / -xdev -name "*procalive*" -not -path "/srv/*" -not -path "/tmp/*" -not -path "/proc/*" -not -path "/run/*" -not -path "/var/log/*"'
    [[ $output = *"/run/procalive/held.fifo is held"* ]]
    [[ $output = *$'\n'held.fifo* ]]
    [[ $output != *free.fifo* ]]
    [[ $output != */usr/* ]]
    [[ $output != */var/lib/dpkg/info* ]]
}

@test "mypy sees the types of an installed procalive" {
    [ -x "$TOP/tests/.venv/bin/mypy" ] || skip "no mypy"
    "$TOP/tests/.venv/bin/pip" -q wheel --no-deps --no-build-isolation -w "$BATS_TEST_TMPDIR" "$CLONE"
    python3 -m venv "$BATS_TEST_TMPDIR/venv"
    "$BATS_TEST_TMPDIR/venv/bin/pip" -q install --no-deps "$BATS_TEST_TMPDIR"/*.whl
    cd "$BATS_TEST_TMPDIR"
    printf '%s\n' 'import procalive' 'with procalive.hold("/run/x.fifo") as held:' '    reveal_type(held)' \
        'procalive.hold(3)' >user.py
    run "$TOP/tests/.venv/bin/mypy" --strict --python-executable venv/bin/python user.py
    [[ $output = *'Revealed type is "procalive.Hold"'* ]]
    [[ $output = *'Argument 1 to "hold" has incompatible type "int"'* ]]
    [[ $output = *'Found 1 error'* ]]
}
