#!/usr/bin/env bats
# The three ways to install, each into a throw-away prefix, and used from there.

load helper

# works COMMAND: hold, check, wait, who and kill with this procalive, in a fresh PATH.
works() {
    go_cmd "$1" hold "$F" sh -c '"$1" check "$2" && "$1" who "$2" >/dev/null && "$1" hold -q "$2" true' sh "$1" "$F"
    ends 75
    go_cmd "$1" check "$F"
    ends 1
    go_cmd "$1" wait "$F"
    ends 0
    go_cmd "$1" kill "$F"
    ends 1
    go_cmd "$1" --version
    ends 0 '' "$("$P" --version)"
}

# source_copy: a clone in ./source; what is built there does not litter the checkout.
source_copy() {
    mkdir source
    tar -C "$TOP" -cf - --exclude='./.*' --exclude='./tests' --exclude='./build' --exclude='*.egg-info' \
        --exclude=__pycache__ . | tar -C source -xf -
}

# wheel DIRECTORY: built from the source there, into ./dist.
wheel() {
    VENV=$TOP/tests/.venv/bin
    [ -x "$VENV/python" ] || skip "no tests/.venv (tests/run makes it)"
    "$VENV/python" -m build --no-isolation --wheel --outdir dist "$1" >build.log 2>&1 || {
        tail -n 20 build.log
        return 1
    }
}

# into_venv: what is in ./dist, installed in ./venv.
into_venv() {
    "$VENV/python" -m venv venv
    venv/bin/pip -q install --no-index --no-deps dist/*.whl
}

files_in() { (cd "$1" && find . ! -type d ! -path '*/__pycache__/*' | sort); }

make_install() { make -s -C "$TOP" "$@" >make.log 2>&1 || { cat make.log && false; }; }

@test "the single file works as a command anywhere" {
    mkdir bin
    install "$LIB" bin/procalive
    works "$PWD/bin/procalive"
    go_cmd env PATH="$PWD/bin:$PATH" procalive hold "$F" echo held
    ends 0 '' held
}

@test "a checkout works in a directory with blanks and quotes in its name" {
    local odd="it's a  \"copy\" *"
    mkdir -p "$odd/bin"
    cp "$P" "$odd/bin/"
    cp "$LIB" "$odd/"
    works "$PWD/$odd/bin/procalive"
    cd "$odd/bin"
    works ./procalive
}

@test "make install puts command, module and manual under DESTDIR and PREFIX, and they work" {
    need make
    make_install install PREFIX=/usr DESTDIR="$PWD/dest"
    works "$PWD/dest/usr/bin/procalive"
    local page
    for page in bin/procalive share/procalive/procalive.py share/man/man1/procalive.1 share/man/man7/procalive.7 \
        share/procalive/{examples/guard.sh,cron/procalive.cron,systemd/procalive-job.service}; do
        [ -f "dest/usr/$page" ]
    done
    [ -x dest/usr/share/procalive/examples/guard.sh ]
    same "$(ls dest)" usr
}

@test "make install honours PREFIX alone, and a link to the command works" {
    need make
    make_install install PREFIX="$PWD/prefix"
    mkdir bin
    ln -s ../prefix/bin/procalive bin/procalive
    works "$PWD/bin/procalive"
}

@test "make uninstall removes what make install put there, and nothing else" {
    need make
    mkdir -p dest/usr/bin
    touch dest/usr/bin/other
    make_install install PREFIX=/usr DESTDIR="$PWD/dest"
    make_install uninstall PREFIX=/usr DESTDIR="$PWD/dest"
    same "$(files_in dest)" ./usr/bin/other
}

@test "make install and uninstall take a PREFIX with blanks, and touch nothing beside it" {
    need make
    mkdir a
    touch a/precious
    make_install install PREFIX="$PWD/a b's c" DESTDIR="$PWD/a d"
    works "$PWD/a d$PWD/a b's c/bin/procalive"
    same "$(printf '%s\n' a*)" $'a\na d'
    make_install uninstall PREFIX="$PWD/a b's c" DESTDIR="$PWD/a d"
    same "$(find a* -type f)" a/precious
}

@test "make install with umask 077 leaves nothing that another user cannot read" {
    need make
    (umask 077 && make_install install PREFIX="$PWD/prefix")
    same "$(find prefix ! -perm -a=r -o -type d ! -perm -a=x)" ''
}

@test "make install with umask 077 makes a command that every user can run" {
    need make
    another_user
    (umask 077 && make_install install PREFIX="$PWD/prefix")
    P=$PWD/prefix/bin/procalive
    as=("${other[@]}")
    go --version
    ends 0 '' 'procalive *'
}

@test "make install compiles the module, so that no user need do it" {
    need make
    make_install install PREFIX="$PWD/prefix"
    compgen -G 'prefix/share/procalive/__pycache__/procalive.*.pyc'
}

@test "pip install gives command, module and manual, and pip uninstall takes them away" {
    source_copy
    wheel source
    into_venv
    works "$PWD/venv/bin/procalive"
    [ -f venv/share/man/man1/procalive.1 ] && [ -f venv/share/man/man7/procalive.7 ]
    go_cmd venv/bin/python -c 'import procalive; print("procalive", procalive.__version__)'
    ends 0 '' "$("$P" --version)"
    go_cmd venv/bin/pip show procalive
    [[ $output = *"Version: $("$P" --version | cut -d ' ' -f 2)"* ]]
    venv/bin/pip -q uninstall -y procalive
    same "$(find venv -name '*procalive*')" ''
}

@test "the sdist makes the same wheel" {
    source_copy
    wheel source
    "$VENV/python" -m build --no-isolation --sdist --outdir sdist source >/dev/null 2>&1
    mkdir unpacked
    tar -C unpacked --strip-components=1 -xf sdist/*.tar.gz
    local wheel
    wheel=$(echo dist/*.whl)
    "$VENV/python" -m zipfile -l "$wheel" | awk '{print $1}' | sort >from_source
    rm -r dist
    wheel unpacked
    same "$("$VENV/python" -m zipfile -l "$wheel" | awk '{print $1}' | sort)" "$(<from_source)"
}
