# The README, followed to the letter in a minimal Debian 12 and a minimal Debian 13: by root what installs,
# by an ordinary user, ann, all the rest.  The lines come from README.md (readme.py).

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
# shellcheck source=tests/root.sh
source "$TOP/tests/root.sh"

SUITES=(bookworm trixie)

setup_file() {
    export ROOTS=$BATS_FILE_TMPDIR
    [ "$(id -u)" = 0 ] || return 0
    local suite
    for suite in "${SUITES[@]}"; do make_place "$suite" 3>&- & done
    wait
}

# make_place SUITE: a root with ann, her checkout, and stand-ins for the jobs of the recipes.
make_place() {
    local root=$ROOTS/$1 job
    make_root "$1" "$root" make python3 passwd mount || {
        rm -rf "$root"
        return
    }
    cp "$BATS_TEST_DIRNAME/place.sh" "$root/srv/"
    in_root "$root" useradd -m -s /bin/bash ann
    git clone -q "$TOP" "$root/home/ann/procalive"
    in_root "$root" chown -R ann: /home/ann
    # shellcheck disable=SC2016 # the job's own
    for job in backup.sh render.sh b.sh convert.sh; do
        printf '%s\n' '#!/bin/sh' 'echo "${0##*/}" >>~/ran' 'while [ -e ~/slow ]; do sleep 0.05; done' \
            >"$root/usr/local/bin/$job"
        chmod 755 "$root/usr/local/bin/$job"
    done
    files_of "$root" >"$root.files"
}

setup() {
    local suite
    [ "$(id -u)" = 0 ] || skip "needs root"
    for suite in "${SUITES[@]}"; do
        [ -d "$ROOTS/$suite" ] || skip "no mmdebstrap, or no Debian to be had: $suite"
        [ -s "$ROOTS/$suite.files" ] # else it could not be made ready
    done
}

# files_of ROOT: all but what the home of ann and other places of passage have.
files_of() { (cd "$1" && find . -xdev ! -type d ! -path './home/*' ! -path './srv/*' ! -path './tmp/*' | sort); }

readme() { "$BATS_TEST_DIRNAME/readme.py" "$@"; }

# here LINE <<script: root runs the script in each Debian, in ann's checkout, and has LINE in /srv/line.
here() { in_each "$1" "cd /home/ann/procalive && PATH=/usr/local/bin:\$PATH exec bash /srv/script"; }

# ann LINE <<script: so does ann, at home, with the environment of a login.
ann() { in_each "$1" 'exec runuser -l ann -c "exec bash /srv/script"'; }

in_each() {
    local suite script
    [ "$1" ] || return
    script=$(cat)
    for suite in "${SUITES[@]}"; do
        echo "# in $suite"
        printf '%s\n' "$1" >"$ROOTS/$suite/srv/line"
        printf '%s\n' 'source /srv/place.sh' "$script" >"$ROOTS/$suite/srv/script"
        in_root "$ROOTS/$suite" sh -c "$2" </dev/null || return
    done
}

need_installed() {
    [ ! -e "$ROOTS/trixie/usr/local/share/procalive/procalive.py" ] || return 0
    here "$(readme line 'make install')" <<<'follow >/dev/null'
}

@test "each recipe of the README is followed here" {
    local sentence
    readme recipes | sed 's/^"//; s/".*//' >"$BATS_TEST_TMPDIR/recipes"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/recipes")" -ge 6 ]
    while read -r sentence; do
        echo "not followed: $sentence"
        grep -qF "readme recipe '$sentence'" "$BATS_TEST_DIRNAME/readme.bats"
    done <"$BATS_TEST_TMPDIR/recipes"
}

@test "the first screen: the lines of the transcript print what the README shows, as ann in her checkout" {
    local suite
    readme session >"$BATS_TEST_TMPDIR/session"
    for suite in "${SUITES[@]}"; do
        cp "$BATS_TEST_TMPDIR/session" "$ROOTS/$suite/srv/session"
        in_root "$ROOTS/$suite" runuser -l ann -c 'cd procalive && exec bash /srv/session' \
            </dev/null >"$BATS_TEST_TMPDIR/$suite" 2>&1
        readme compare "$BATS_TEST_TMPDIR/$suite"
    done
}

@test "make install gives an ordinary user the command that works, its version and the manual" {
    need_installed
    ann "$(readme line 'make install')" <<'END'
[ "$(command -v procalive)" = /usr/local/bin/procalive ]
[ "$(procalive --version)" = "$(procalive/bin/procalive --version)" ]
[ -r /usr/local/share/man/man1/procalive.1 ]
ends 0 procalive hold @backup -- procalive check --mine @backup
[ -p /home/ann/.local/state/procalive/backup.fifo ]
[ "$(stat -c %U ~/.local/state/procalive/backup.fifo)" = ann ]
END
    here "$(readme line 'make install')" <<'END'
ends 0 procalive hold @backup -- procalive check --mine @backup
[ -p /run/procalive/backup.fifo ]
END
}

@test "the line for cron runs the backup, and is silent with status 0 while the previous run goes on" {
    need_installed
    ann "$(readme recipe 'cron starts my backup again while the previous run still goes on')" <<'END'
as_cron() { timeout 120 env -i HOME="$HOME" LOGNAME=ann SHELL=/bin/sh PATH=/usr/bin:/bin sh -c "$(cut -d ' ' -f 6- /srv/line)"; }
ends 0 as_cron
[ ! "$printed" ] && ran backup.sh
slowly
as_cron & first=$!
until_true ran backup.sh backup.sh
ends 0 as_cron
[ ! "$printed" ]
rm slow
ended 0 "$first"
ran backup.sh backup.sh
END
}

@test "the guard line: the script runs once with its arguments, and a second run exits 75 and says who holds" {
    need_installed
    ann "$(readme recipe 'my script must never run twice')" <<'END'
{
    echo '#!/bin/sh'
    cat /srv/line
    echo 'printf "%s;" "$@" >>~/ran; while [ -e ~/slow ]; do sleep 0.05; done'
} >script
chmod +x script
slowly
./script 'a b' c & first=$!
until_true test -s ran
ends 75 timeout 120 ./script second
[[ $printed = "procalive: /home/ann/.local/state/procalive/x.fifo: held by $first (script) for "* ]]
rm slow
ended 0 "$first"
[ "$(cat ran)" = 'a b;c;' ]
ends 0 ./script later
[ "$(cat ran)" = 'a b;c;later;' ]
END
}

@test "the newer run replaces the older one, which ends with 143, of TERM" {
    need_installed
    ann "$(readme recipe 'the newer run shall replace the older one')" <<'END'
slowly
follow & older=$!
until_true ran render.sh
follow & newer=$!
ended 143 "$older"
until_true ran render.sh render.sh
rm slow
ended 0 "$newer"
END
}

@test "the job that hangs is ended, and one that beats, is young or is absent is not" {
    need_installed
    local line
    line=$(readme recipe 'a job hangs and nobody notices')
    [[ $line = *' 2h '* ]]
    BEAT=$(readme inline 'touch -c')
    # The job is not two hours old, so that the last part takes a second for them.
    ann "$line" <<END
ends 0 follow # nobody
[ ! "\$printed" ]
fifo=~/.local/state/procalive/sync.fifo
start() {
    rm -f ready
    procalive hold @sync -- sh -c "\$1"'; touch ~/ready; exec sleep 600' & job=\$!
    until_true test -e ready
}
start 'touch -c -d "3 hours ago" "\$PROCALIVE_FIFO"; $BEAT'
[ "\$(find \$fifo -mmin -90)" ] # the beat is one
ends 0 follow
procalive check @sync
touch -c -d '3 hours ago' \$fifo
ends 0 follow # it is young
procalive check @sync
gone() {
    sh -c "\$(sed 's/ 2h / 1s /' /srv/line)"
    ! procalive check @sync
}
until_true gone
ended 143 "\$job"
END
}

@test "b.sh runs when A has ended with 0, and does not when A ended with 3 or nobody held, with status 3 and 125" {
    need_installed
    [ "$(printf '%s\n' 6.15 "$(uname -r)" | sort -V | head -n 1)" = 6.15 ] || skip "wait --status needs Linux 6.15"
    ann "$(readme recipe 'run B when A has ended well')" <<'END'
ends 125 follow
[ ! -e ran ]
for status in 0 3; do
    rm -f end ran
    procalive hold @a -- sh -c "until [ -e ~/end ]; do sleep 0.05; done; exit $status" & holder=$!
    held @a
    follow & waiter=$!
    until_true waits @a pidfd
    [ ! -e ran ]
    touch end
    ended "$status" "$waiter"
    ended "$status" "$holder"
    [ "$status" = 0 ] || [ ! -e ran ]
    [ "$status" = 3 ] || ran b.sh
done
END
}

@test "of three conversions two run at once, and the third when one has ended" {
    need_installed
    ann "$(readme recipe 'at most two at once, the others wait in order')" <<'END'
slowly
runs=()
for _ in 1 2 3; do follow & runs+=($!); done
until_true ran convert.sh convert.sh
until_true waits @slot1 eventpoll
ran convert.sh convert.sh
rm slow
for run in "${runs[@]}"; do ended 0 "$run"; done
ran convert.sh convert.sh convert.sh
END
}

@test "the lines of Python hold and check, and raise Held with the holder's PID, from the checkout and as installed" {
    need_installed
    ann "$(readme python)" <<'END'
try() {
    {
        echo 'import procalive'
        sed 's/^    \.\.\.$/    print(procalive.check("@job"))/; s/^procalive.check("@job")/print(&)/' /srv/line
    } | env "$@" python3 -
}
cd procalive
for where in "$PWD" /usr/local/share/procalive; do
    ends 0 try "PYTHONPATH=$where"
    [ "$printed" = $'True\nFalse' ]
done
procalive hold @job -- sleep 600 & holder=$!
held @job
sed 's/^/    /; 1i import procalive\ntry:' /srv/line >held.py
echo 'except procalive.Held as conflict: print([holder.pid for holder in conflict.holders])' >>held.py
ends 0 env "PYTHONPATH=$PWD" python3 held.py
[ "$printed" = "[$holder]" ]
END
}

@test "the line for a shell script: the first run goes on, and a second one exits 75 and is silent" {
    need_installed
    ann "$(readme inline '. /usr/local/share')" <<'END'
for shell in dash bash; do
    rm -f ran
    slowly
    printf '%s\n' "#!/bin/$shell" "$(cat /srv/line)" backup.sh >script
    chmod +x script
    ./script & first=$!
    until_true ran backup.sh
    ends 75 timeout 120 ./script
    [ ! "$printed" ]
    rm slow
    ended 0 "$first"
    ran backup.sh
done
END
}

@test "make uninstall leaves no file behind" {
    need_installed
    local suite
    here "$(readme line 'make install')" <<<'make uninstall >/dev/null'
    for suite in "${SUITES[@]}"; do
        files_of "$ROOTS/$suite" | diff "$ROOTS/$suite.files" -
    done
}

@test "the single file has every verb" {
    here "$(readme line 'install ')" <<'END'
rm -rf /usr/local/share/procalive
follow
END
    ann "$(readme line 'install ')" <<'END'
[ "$(head -n 1 /usr/local/bin/procalive)" = "$(head -n 1 procalive/procalive.py)" ]
procalive hold @single -- sleep 600 & holder=$!
held @single
ends 0 procalive check @single
ends 0 procalive who @single
[[ $printed = *" $holder "* ]]
ends 75 procalive hold @single -- true
ends 0 procalive kill -k 10 @single
ended 143 "$holder"
ends 0 procalive wait @single
ends 1 procalive check @single
END
    here "$(readme line 'install ')" <<<'rm /usr/local/bin/procalive'
}
