#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts for other shells are quoted; helper.bash assigns
# procalive_check, procalive_wait, procalive_beat and the sourcing itself.

load helper
bats_require_minimum_version 1.5.0

@test "all seven shells are here" {
    local missing=()
    for shell in "${shells[@]}"; do
        command -v "$shell" >/dev/null || missing+=("$shell")
    done
    [ ${#missing[@]} = 0 ] || skip "not tested in: ${missing[*]}"
}

@test "sourcing prints nothing and leaves only procalive_ names" {
    names='set | sed -n "s/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p" | sort'
    run bash -c "grep -oE '^ *[A-Za-z_]+(\(\)|=)' '$PROCALIVE_SH' | grep -vE 'procalive_|IFS='"
    [ "$output" = "" ]
    mkfifo F
    every_shell "0 1 " "$names >before; procalive_guard F; st procalive_check F; procalive_release; st procalive_check F
        $names >after; diff before after | grep '^[<>]' | grep -vE '^> procalive_|before|_\$|LINENO|RANDOM|SECONDS|PIPESTATUS|BASH|FUNC' || :"
}

@test "sourcing and checking work under every option of zsh" {
    need zsh
    hold F
    skipped=' exec restricted rcs globalrcs singlecommand shinstdin stdin interactive monitor privileged xtrace verbose sourcetrace zle '
    for option in $(zsh -fc 'print ${(k)options}'); do
        [[ $skipped != *" $option "* ]] || continue
        for sign in -o +o; do
            run timeout 20 zsh -f "$sign" "$option" -c '. "$1"; procalive_check F; a=$?; procalive_check G; b=$?; echo "$a$b"' zsh "$PROCALIVE_SH"
            [ "$output" = 01 ] || { echo "$sign $option: $output" && return 1; }
        done
    done
}

@test "check is 1 for a missing and for a dead FIFO, 0 for a held one, whatever its name" {
    for name in job "a b" -x '*' '(' '!' = $'new\nline' '$(id)'; do
        [ ! -e ./"$name" ] || rm -- "$name"
        every_shell "1 " 'st procalive_check "$1"' "$name"
        hold "./$name"
        every_shell "0 " 'st procalive_check "$1"' "$name"
        every_shell "0 " 'rm -f -- "$1.holder"; st procalive_check "$1"' "$name"
        kill "$!"
        soon bash -c '! procalive check "$1"' bash "./$name"
        every_shell "1 " 'st procalive_check "$1"' "$name"
    done
}

@test "check gives the same status as procalive check, message included" {
    mkfifo fifo && mkdir dir && touch file && ln -s nowhere dangling && ln -s loop loop && ln -s fifo link
    long=$(printf '%0300d' 0)
    for name in fifo dir file dangling loop link "$long" file/x none/x /dev/null ''; do
        run procalive check -- "$name"
        every_shell "$status ${output:+$output}" 'st procalive_check "$1" 2>err; cat err' "$name"
    done
}

@test "check is 2 where permission is denied" {
    need_root
    need runuser
    chmod 711 . .. && mkfifo -m 600 F && hold F
    every_shell "procalive: $PWD/F: Permission denied 2" 'runuser -u nobody -- "$0" -c true 2>/dev/null || :
        s=0; runuser -u nobody -- env PATH="$PATH" bash -c ". /dev/stdin; procalive_check \"\$1\"" bash "$PWD/F" 2>err <"$PROCALIVE_SH" || s=$?
        echo "$(cat err) $s"'
}

@test "check without or with too many operands is 2" {
    every_shell "procalive: usage: procalive_check FIFO
2 procalive: usage: procalive_check FIFO
2 " 'st procalive_check; st procalive_check a b'
}

@test "check of a held FIFO forks nothing" {
    need strace
    hold F
    for shell in "${shells[@]}"; do
        command -v "$shell" >/dev/null || continue
        for script in ':' 'procalive_check F; procalive_check F; procalive_check ./F'; do
            invoke "$shell"
            strace -f -qq -e trace=clone,clone3,fork,vfork,execve -o trace "${words[@]}" -c "$prelude; $script"
            [ "$(wc -l <trace)" = 1 ] || { echo "$shell: $script" && cat trace && return 1; }
        done
    done
}

@test "no link that is dangling, forged or of another file makes check say alive" {
    mkfifo F other && hold other
    start sleep 300 # another program under the PID of a holder that is gone
    for target in /proc/0/fd/9 "/proc/$!/fd/0" "$(readlink other.holder)" other none; do
        ln -sfn "$target" F.holder
        every_shell "1 " 'st procalive_check F'
    done
    rm F.holder && ln F F.holder
    every_shell "1 " 'st procalive_check F'
}

@test "check without GNU dd asks the procalive command, and without both is 2" {
    mkfifo dead && hold F && rm F.holder
    tools tr printf
    every_shell "0 1 " 'PATH=$PWD/tools; st procalive_check F; st procalive_check dead'
    rm tools/procalive
    [ -z "$(command -v zsh)" ] || [ "$(sh_run zsh 'PATH=$PWD/tools; st procalive_check F')" = "0 " ]
    every_shell "procalive: procalive is not on the PATH ($PWD/tools), and needed here
2 " 'PATH=$PWD/tools; st procalive_check dead'
}

@test "wait is 0 when nobody holds, 124 when the time runs out, 2 when it cannot be told" {
    hold F
    every_shell "0 124 procalive: usage: procalive_wait FIFO [SECS]
2 procalive: .: not a FIFO
2 " 'st procalive_wait none; st procalive_wait F 0.1; st procalive_wait; st procalive_wait .'
    start sh_run bash 'procalive_wait F; echo gone >news'
    soon pgrep -P "$!" >/dev/null
    kill "${started[0]}"
    soon grep -q gone news
}

@test "beat touches the FIFO of the job, and is silent outside of one" {
    every_shell "0 3 0 0 " 'st procalive_beat; procalive_guard F; touch -t 202001010000 F
        st procalive check --max-age 60 F; st procalive_beat; st procalive check --max-age 60 F'
}
