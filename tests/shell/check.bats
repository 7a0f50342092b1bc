#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts for other shells are quoted; helper.bash assigns
# procalive_check, procalive_wait, procalive_beat and the sourcing itself.

load helper
bats_require_minimum_version 1.5.0

@test "all shells are here" {
    local missing=()
    for shell in "${shells[@]}"; do
        here "$shell" || missing+=("$shell")
    done
    [ ${#missing[@]} = 0 ] || skip "not tested in: ${missing[*]}"
}

@test "sourcing prints nothing and leaves only procalive_ names" {
    names='set | sed -n "s/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p" | sort'
    run bash -c "grep -oE '^ *[A-Za-z_]+(\(\)|=)' '$PROCALIVE_SH' | grep -vE 'procalive_|IFS=|LC_ALL='"
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
    for name in job "a b" -x '*' '(' '!' = "it's" "'" $'new\nline' '$(id)'; do
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
    for name in fifo dir file dangling loop link "$long" file/x "file/it's" none/x "none's" /dev/null ''; do
        run procalive check -- "$name"
        every_shell "$status ${output:+$output}" 'st procalive_check "$1" 2>err; cat err' "$name"
    done
}

@test "check and guard are right under set -x, whatever PS4 runs" {
    mkfifo F
    # yash traces what PS4 runs too, and never comes to an end.
    for shell in "${shells[@]}"; do
        if [[ $shell == yash* ]] || ! here "$shell"; then continue; fi
        run sh_run "$shell" 'PS4="+\$(date) "; exec 2>/dev/null; set -x
            st procalive_check F; st procalive_guard none/F; st procalive_guard F 5x; st procalive_guard F; st procalive_check F; procalive_release'
        [ "$output" = "1 2 2 0 0 " ] || { echo "$shell: $output" && return 1; }
    done
}

@test "check and guard are silent where the locale is not installed" {
    for shell in "${shells[@]}"; do
        # ksh93 says once that it cannot go back to it, whatever is done.
        if [ "$shell" = ksh93 ] || ! here "$shell"; then continue; fi
        # What the shell itself says on starting is none of ours.
        invoke "$shell"
        output=$(LC_ALL=xx_XX.UTF-8 "${words[@]}" -c "$prelude; exec 2>&1; rm -f F; st procalive_check F; st procalive_guard F" 2>/dev/null 3>&-)
        [ "$output" = "1 0 " ] || { echo "$shell: $output" && return 1; }
    done
}

@test "no shell is taken for bash or zsh by what is in its environment" {
    hold F
    BASH_VERSION=5 ZSH_VERSION=5 every_shell "0 1 0 " 'st procalive_check F; st procalive_check none; st procalive_guard G'
}

@test "check is 2 where permission is denied" {
    need_root
    need runuser
    chmod 711 . .. && mkfifo -m 600 F && hold F
    every_shell "procalive: $PWD/F: Permission denied 2" 'runuser -u nobody -- "$0" -c true 2>/dev/null || :
        s=0; runuser -u nobody -- env PATH="$PATH" bash -c ". /dev/stdin; procalive_check \"\$1\"" bash "$PWD/F" 2>err <"$PROCALIVE_SH" || s=$?
        echo "$(sed "s/: it belongs to root .*//" err) $s" # whose it is says the command, where nobody may run it'
}

@test "check without or with too many operands is 2" {
    every_shell "procalive: usage: procalive_check FIFO
2 procalive: usage: procalive_check FIFO
2 " 'st procalive_check; st procalive_check a b'
}

@test "the command may be run by any of the shells" {
    hold F && mkfifo dead
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        invoke "$shell"
        run -0 "${words[@]}" "$top/bin/procalive" check -v F
        [[ $output == *"F: alive, held by"* ]]
        run -1 "${words[@]}" "$top/bin/procalive" check -v dead
        run -1 "${words[@]}" "$top/bin/procalive" who dead
    done
}

@test "check of a held FIFO forks nothing" {
    need strace
    hold F
    for shell in "${shells[@]}"; do
        here "$shell" || continue
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
    tools tr
    every_shell "0 1 " 'PATH=$PWD/tools; st procalive_check F; st procalive_check dead'
    rm tools/procalive
    [ -z "$(command -v zsh)" ] || [ "$(sh_run zsh 'PATH=$PWD/tools; st procalive_check F')" = "0 " ]
    every_shell "procalive: procalive is not on the PATH ($PWD/tools), and needed here
2 " 'PATH=$PWD/tools; st procalive_check dead'
}

@test "no function ends a shell that has no PATH" {
    mkfifo dead
    every_shell "0 " 'p=$PATH; unset PATH; procalive_check dead 2>/dev/null || :; PATH=$p; st true'
}

@test "check takes a missing /dev/null for no answer" {
    need_root
    hold F && rm F.holder
    # shellcheck disable=SC2016 # the inner shell's
    run -0 unshare --mount dash -c 'mount -t tmpfs -o ro none /dev; . "$1"; procalive_check F; echo "$?"' dash "$PROCALIVE_SH"
    [ "${lines[-1]}" = 2 ] # nor can the command be looked for
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

# For scripts: old, fresh and beat. The FIFO's time is what `check --max-age` reads.
times='old() { touch -t 202001010000 "$1"; }; fresh() { [ "$(stat -c %Y "$1")" -gt 1600000000 ]; }
beat() { old F; st procalive_beat; st fresh F; }'

@test "beat touches the FIFO of a guard, and is silent outside of one" {
    every_shell "0 0 0 0 0 0 1 " "$times"'; rm -f F; st procalive_beat; procalive_guard F; beat; (beat); procalive_release; beat'
}

@test "beat touches the FIFO of a job of hold, -o and --keep, from its subshells too" {
    printf '%s; %s; beat; (beat); beat | cat\n' "$prelude" "$times" >job
    for option in -q -o --keep; do
        for shell in "${shells[@]}"; do
            here "$shell" || continue
            invoke "$shell"
            output=$(timeout 60 procalive hold "$option" F -- "${words[@]}" job 2>&1 3>&-)
            [ "$output" = "0 0 0 0 0 0 " ] || { echo "$shell $option: $output" && return 1; }
        done
    done
}

@test "beat does not beat for another holder, whatever the environment says" {
    hold F
    every_shell "0 1 0 1 0 1 " "$times"'; export PROCALIVE_FIFO="$PWD/F"; beat; export PROCALIVE_FD=701; beat
        exec 8</dev/null; PROCALIVE_FD=8; beat'
}
