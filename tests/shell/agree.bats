#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts for other shells are quoted; helper.bash assigns
# One table of situations through the launcher, procalive.py and the shell library:
# they give the same answers and refusals, in the same words.

load helper
bats_require_minimum_version 1.5.0

# A copy that other users can read, and a word to put before commands: as=(COMMAND...).
setup() {
    shared_setup
    chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" .
    mkdir -p copy/bin
    cp "$top/bin/procalive" copy/bin/
    cp "$top/procalive.py" "$PROCALIVE_SH" copy/
    copy/bin/procalive --version >/dev/null
    chmod -R a+rX copy
    PATH=$PWD/copy/bin:$PATH
    as=(env)
}

teardown() {
    local group
    for group in "${started[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
}

# says COMMAND...: its status and what it says, in one word.
says() {
    local status=0 said
    said=$("${as[@]}" timeout 30 "$@" 2>&1 3>&-) || status=$?
    printf '%s%s' "$status" "${said:+ $said}"
}

# by_library FUNCTION FIFO, in a shell each of those whose ways differ.
by_library() {
    local shell
    for shell in dash bash zsh; do
        here "$shell" || continue
        printf '%s: %s\n' "$shell" "$(says "$shell" -c '. "$0"; "$@"' "$PWD/copy/procalive.sh" "$@")"
    done
}

# all_say WHAT LINE...: each of the lines is, behind its first word, WHAT.
all_say() {
    local line
    while read -r line; do
        [ "${line#*: }" = "$1" ] || { printf '%s\nis not\n%s\n' "${line#*: }" "$1" && return 1; }
    done
}

# agree FIFO CHECK HOLD [GUARD]: the statuses of each.  HOLD and GUARD differ in the number
# of a refusal, 125 or 2; where GUARD is given, the guard cannot what hold can.
agree() {
    local checked held guarded
    checked=$(says /usr/bin/python3 -ISE copy/procalive.py check -- "$1")
    [[ "$checked " == "$2 "* ]] || { echo "check $1: $checked" && return 1; }
    [ "$(says procalive check -- "$1")" = "$checked" ] || { echo "launcher, $1: $(says procalive check -- "$1")" && return 1; }
    by_library procalive_check "$1" | all_say "$checked" || { echo "check $1" && return 1; }
    held=$(says procalive hold -q -- "$1" true)
    [[ "$held " == "$3 "* ]] || { echo "hold $1: $held" && return 1; }
    guarded=$(by_library procalive_guard "$1")
    if [ "${4-}" ]; then
        [[ $guarded == "dash: $4"* ]] || { echo "guard $1: $guarded" && return 1; }
    else
        all_say "${held/#125 /2 }" <<<"$guarded" || { echo "guard $1" && return 1; }
    fi
}

@test "all agree on what is there, what is missing and what is no FIFO" {
    mkfifo dead 'a b' ./-x $'new\nline' '*' && mkdir dir && touch file && ln -s dead link && ln -s nowhere dangling && ln -s loop loop
    for name in dead 'a b' -x '*' fresh; do agree "$name" 1 0; done
    agree none/F 1 125
    agree dir 2 125
    agree dir/ 2 125
    agree file 2 125
    agree link 1 125
    agree dangling 1 125
    agree loop 2 125
    agree dead/ 2 125
    agree "$(printf '%0300d' 0)" 2 125
    agree '' 2 125
    agree /dev/null 2 125
    hold held
    agree held 0 75
    rm held.holder
    agree held 0 75
}

@test "all agree for a user who has not all permissions" {
    need_root && need setpriv
    mkfifo -m 600 roots && mkfifo -m 400 readable && mkfifo -m 200 writable && mkfifo -m 000 none && mkfifo -m 600 own
    chown 65534 readable writable none own
    mkdir -m 1755 sticky && mkdir -m 1777 open && mkdir -m 700 closed
    mkfifo -m 666 sticky/F open/F closed/F && chown 1 sticky/F open/F
    as=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
    agree roots 2 125
    agree own 1 0
    agree readable 2 0 2 # a shell opens a FIFO for reading and writing alone
    agree writable 1 125 2
    agree none 2 125
    agree sticky/F 1 0
    agree open/F 1 125
    agree closed/F 2 125
    hold sticky/F
    agree sticky/F 0 75
    chmod 444 sticky/F
    agree sticky/F 2 75 2
}

# In a /run of its own, for root's names.
agree_on_names() {
    declare -f says by_library all_say agree here >functions
    unshare -m bash -c 'mount -t tmpfs none /run; as=(env); . ./functions; '"$1" bash
}

@test "all agree on names, and on directories that are not to be trusted" {
    need_root && need unshare
    agree_on_names 'set -e
        agree @a 1 0; agree "@A.b_c+d-9" 1 0; [ "$(stat -c %a:%F /run/procalive)" = 755:directory ]; [ -p /run/procalive/a.fifo ]
        mkfifo ./@file; agree ./@file 1 0
        for name in @ @.x @-x @a/b "@a b" @é "@$(printf "%0201d" 0)"; do agree "$name" 2 125; done
        agree "@$(printf "%0200d" 0)" 1 0
        procalive hold @h -- sleep 300 3>&- & procalive wait --up -t 10 @h; agree @h 0 75; kill $!
        chmod 775 /run/procalive; agree @a 2 125; chmod 755 /run/procalive
        chown 1 /run/procalive; agree @a 2 125; chown 0 /run/procalive
        mv /run/procalive /run/real; ln -s real /run/procalive; agree @a 2 125; rm /run/procalive; touch /run/procalive; agree @a 2 125'
}

@test "all agree that names lie in the home directory of the user database, whatever HOME says" {
    need_root && need unshare
    mkdir -p home/user wrong && chown 65534 home/user wrong && chmod a+rx home
    sed "s,^nobody:.*,nobody:x:65534:65534::$PWD/home/user:/bin/sh," /etc/passwd >passwd
    declare -f says by_library all_say agree here >functions
    unshare -m bash -c 'mount --bind passwd /etc/passwd; . ./functions; set -e
        as=(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$PWD/wrong" XDG_STATE_HOME="$PWD/wrong")
        agree @a 1 0; [ -p home/user/.local/state/procalive/a.fifo ]; [ "$(stat -c %a home/user/.local/state/procalive)" = 700 ]
        [ -z "$(ls -A wrong)" ]
        rm -rf home/user; agree @a 2 125'
}

@test "names are right and nothing is said whatever IFS is" {
    need_root && need unshare
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        invoke "$shell"
        run -0 unshare -m sh -c 'mount -t tmpfs none /run && exec "$@"' sh "${words[@]}" -c '
            IFS=/0123456789; . "$PROCALIVE_SH"; procalive_guard @a 1; echo "$?"; procalive_check @a; echo "$?"' 3>&-
        [ "$output" = $'0\n0' ] || { echo "$shell: $output" && return 1; }
    done
}

@test "a name takes one getent, once for all functions, and the command where there is none" {
    need_root && need unshare
    mkdir -p home/user count bare && chown 65534 home/user && chmod a+rx home
    sed "s,^nobody:.*,nobody:x:65534:65534::$PWD/home/user:/bin/sh," /etc/passwd >passwd
    printf '#!/bin/sh\necho "$*" >>%q\nexec %s "$@"\n' "$PWD/home/user/asked" "$(type -P getent)" >count/getent
    chmod +x count/getent
    for tool in id find dd flock touch ln cat tr sh rm mkfifo; do ln -s "$(type -P "$tool")" bare/; done
    printf '#!/bin/sh\necho "$1" >>%q\nPATH=%q exec procalive "$@"\n' "$PWD/home/user/delegated" "$PATH" >bare/procalive
    chmod +x bare/procalive
    run -0 unshare -m bash -c 'mount --bind passwd /etc/passwd; set -e
        as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
        script=". copy/procalive.sh; procalive_guard @a && procalive_check @a && procalive_beat && procalive_release && ! procalive_check @a && procalive_wait @a"
        procalive --version; "${as[@]}" procalive hold @made true
        "${as[@]}" env PATH="$PWD/count:$PATH" dash -c "$script"
        "${as[@]}" env PATH="$PWD/bare" "$(type -P dash)" -c ". copy/procalive.sh; ! procalive_check @a"' 3>&-
    [ "$(cat home/user/asked)" = "passwd 65534" ]
    [ "$(sort -u home/user/delegated)" = path ]
}
