#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts for other shells are quoted; helper.bash assigns
# procalive_guard and procalive_release.
#
# What may happen between a waiting guard G, the holder H and a third party:
#   H ends, G wakes, C takes the FIFO first     G's next probe says alive: it sleeps again, for what is left
#   G and C both probe "dead" and open          one gets the lock; the other closes, probes, says 75
#   C probes while G has opened, not yet locked C says 75; G gets the lock, or whoever had it at that moment did
#   H ends while W is in `procalive wait`       W returns, for G has no read end open before H is gone
#   somebody replaces the FIFO before the lock  the inodes differ: G closes and starts over

load helper
bats_require_minimum_version 1.5.0

# guarded SHELL FIFO: a shell that holds it until it is killed; returns when it does.
guarded() {
    rm -f ready
    start sh_run "$1" 'procalive_guard "$1"; echo "$PROCALIVE_FIFO" >ready; stay' "$2"
    soon test -s ready
}

# end: end the last guarded shell with KILL, and wait until it has let go.
end() {
    kill -KILL "$(procalive who --json F | sed 's/.*"pid": \([0-9]*\).*/\1/')"
    soon bash -c '! procalive check F'
}

@test "guard is 0 and makes the calling shell the holder, until it ends" {
    every_shell "0 0 75 $PWD/F 1 same" 'st procalive_guard F; st procalive check F; st procalive hold -q F -- true
        printf "%s " "$PROCALIVE_FIFO"; procalive who --json F | grep -c "\"pid\": $$,.*\"lock\": true" | tr "\n" " "
        [ "$(readlink F.holder)" = "/proc/$$/fd/9" ] && echo same'
    run -1 procalive check F
}

@test "guard creates the FIFO with mode 0600, whatever the umask" {
    every_shell "600" 'rm -f F; umask 002; procalive_guard F; stat -c %a F'
}

@test "guard takes names with spaces, dashes, globs and newlines" {
    for name in "a b" -x '*' '(' '!' "it's" $'new\nline' '$(id)'; do
        every_shell "0 0 1 " 'st procalive_guard "$1"; st procalive_check "$1"; procalive_release; st procalive_check "$1"' "$name"
    done
}

@test "guard is 75 and check 0 in every shell, whichever shell holds" {
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        guarded "$shell" F
        every_shell "75 0 " 'st procalive_guard F; st procalive_check F'
        run -75 procalive hold -q F -- true
        run python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import procalive; print(procalive.check("F"), flush=True); procalive.hold("F")' "$top"
        [[ $output == True*Held:* ]]
        end
    done
}

@test "guard is 75 while the command or the module holds" {
    hold F
    every_shell "75 0 " 'st procalive_guard F; st procalive_check F'
    start python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import procalive, time; h = procalive.hold("G"); time.sleep(300)' "$top"
    soon test G.holder -ef G
    every_shell "75 0 " 'st procalive_guard G; st procalive_check G'
}

@test "guard takes the SECS that hold -w takes, and no others" {
    good=(0 .5 5. 1e3 1.5E-1m 1e+2s inf INF Infinity infs)
    bad=(e5 1e 1_0 +1 -1 nan 0x10 5x INFD "")
    for secs in "${good[@]}"; do run -0 procalive hold -w "$secs" F -- true; done
    for secs in "${bad[@]}"; do run -125 procalive hold -w "$secs" F -- true; done
    every_shell "0 0 0 0 0 0 0 0 0 0 " 'for secs; do st procalive_guard F "$secs"; procalive_release; done' "${good[@]}"
    every_shell "2 2 2 2 2 2 2 2 2 2 " 'for secs; do st procalive_guard F "$secs" 2>/dev/null; done' "${bad[@]}"
}

@test "guard is 75 when SECS run out, and 0 once the holder has ended" {
    hold F
    every_shell "75 75 " 'st procalive_guard F 0.2; st procalive_guard F .003m'
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        hold G && holder=$!
        start sh_run "$shell" 'procalive_guard G 1h && echo $$ >got; stay'
        soon pgrep -f "procalive._turn.-w.[0-9.]*.--fd.9.--.G" >/dev/null
        kill "$holder"
        soon test -s got
        procalive kill -k 5 G && rm got
    done
}

@test "a waiting guard does not hide the end of the holder from wait" {
    hold F && holder=$!
    start sh_run dash 'procalive_guard F inf && echo >got; stay'
    start bash -c 'procalive wait F && echo >ended'
    for arguments in "_turn.-w.inf.--fd.9.--.F" "wait.F"; do soon pgrep -f "procalive.$arguments" >/dev/null; done
    kill "$holder"
    soon test -e got -a -e ended
    procalive check F
}

@test "kill -9 of the guarded shell frees the FIFO" {
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        guarded "$shell" F
        procalive check F
        end
        every_shell "1 0 " 'st procalive_check F; st procalive_guard F'
    done
}

@test "sixteen shells that contend never hold together, and each has its turn" {
    work='i=0; while [ $i -lt 5 ]; do procalive_guard F 60; mkdir inside || echo overlap; rmdir inside; echo >>turns; procalive_release; i=$((i+1)); done'
    workers=()
    for shell in "${shells[@]}" "${shells[@]::6}"; do
        here "$shell" || continue
        sh_run "$shell" "$work" >>log 2>&1 3>&- &
        workers+=($!)
    done
    wait "${workers[@]}" # not for the watch that bats itself keeps
    [ ! -s log ] || { cat log && return 1; }
    [ $(($(wc -l <turns) % 5)) = 0 ] && [ "$(wc -l <turns)" -ge 20 ]
}

@test "guard is 2 where it must refuse, and creates nothing" {
    mkdir dir && touch file && mkfifo fifo && ln -s fifo link
    no=": a symbolic link; name the FIFO itself"
    every_shell "procalive: link$no
procalive: dir: not a FIFO
procalive: file: not a FIFO but a regular file; if it is an old lock file that nothing uses, remove it
procalive: '': No such file or directory
procalive: none/F: no such directory
procalive: 5x: not a time (90, 1.5, 30s, 5m, 2h, 1d or inf)
procalive: usage: procalive_guard FIFO [SECS]
2222222" 'for args in link dir file "" none/F "new 5x"; do IFS=" "; case $args in new*) procalive_guard new 5x;; *) procalive_guard "$args" ;; esac && echo taken || printf %s $? >>out; done
        procalive_guard || printf %s $? >>out; cat out; rm out; [ ! -e new ]'
}

@test "guard is 2 when its descriptor is in use, and closes nothing" {
    every_shell "procalive: descriptor 9 is in use; set PROCALIVE_GUARD_FD to another digit
2 still open 0 procalive: PROCALIVE_GUARD_FD: 99: not a digit from 3 to 9
2 " 'echo "still open" >file; exec 9<file; st procalive_guard F; read -r line <&9; printf "%s " "$line"
        PROCALIVE_GUARD_FD=8; st procalive_guard F; PROCALIVE_GUARD_FD=99; st procalive_guard G'
}

@test "a guarded script calls others that guard as well, with the same digit for all" {
    printf '. "$PROCALIVE_SH"; procalive_guard "$1" || exit; procalive_check outer || exit
        procalive_check "$1" && procalive_release && ! procalive_check "$1" && procalive_guard "$1" && echo "$1"
        shift; [ $# = 0 ] || "$@"\n' >script
    expected=$'inner\ninnermost\nbelow hold\n75\nprocalive: descriptor 9 is in use; set PROCALIVE_GUARD_FD to another digit\n2'
    printf '. "$PROCALIVE_SH"; exec 9<script; procalive_guard own; echo $?\n' >user_of_9
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        invoke "$shell"
        run sh_run "$shell" 'procalive_guard outer; "$@" script inner dash script innermost; procalive hold X -- "$@" script "below hold"
            "$@" script outer || echo $?; "$@" user_of_9; :' "${words[@]}"
        [ "$output" = "$expected" ] || { echo "$shell: $output" && return 1; }
    done
}

@test "guard is 2 in ksh93 with a DEBUG trap, where it would be 2 without" {
    need ksh93
    touch file && hold F
    run -0 sh_run ksh93 'exec 2>/dev/null; trap : DEBUG; PROCALIVE_GUARD_FD=0; st procalive_guard G; PROCALIVE_GUARD_FD=9
        st procalive_guard; st procalive_guard G 5x; st procalive_guard file; st procalive_guard F; st procalive_guard F 0.1'
    [[ $output == "2 2 2 2 75 75 " && ! -e file.holder && ! -e G ]]
}

@test "guard says it in one line where awk is missing, and where tr is" {
    tools mkfifo touch ln cat
    unset 'shells[-1]' # busybox sh has its own
    for present in cat tr; do
        tools "$present"
        every_shell "procalive: awk is not on the PATH ($PWD/tools), and needed here
2 procalive: tools: not a FIFO
2 " 'PATH=$PWD/tools; st procalive_guard F 5; st procalive_guard tools'
    done
}

@test "guard is 2 and names the culprit when a process that does not read has the lock" {
    mkfifo F
    start python3 -c 'import fcntl, os, time
r = os.open("F", os.O_RDONLY | os.O_NONBLOCK); w = os.open("F", os.O_WRONLY); os.close(r)
fcntl.flock(w, fcntl.LOCK_EX); open("ready", "w").write("x"); time.sleep(300)'
    soon test -s ready
    run sh_run dash 'st procalive_guard F'
    [[ $output == *"F: locked by $! (python3), which does not read it"*"2 " ]]
}

@test "guard is 2 for a stranger's FIFO in a sticky directory, 0 for one of root's" {
    need_root
    mkdir -m 1777 tmp && mkfifo tmp/F tmp/G && chown nobody tmp/F
    every_shell "procalive: tmp/F: belongs to user nobody, in a directory where anybody may create files; use a name such as @job, or a directory of your own
2 0 " 'st procalive_guard tmp/F; st procalive_guard tmp/G'
}

@test "guard leaves no link in a directory that it may not write, and all else works" {
    need_root && need runuser
    mkdir -m 755 ro && mkfifo -m 666 ro/F && chmod 711 . ..
    install -m 644 "$PROCALIVE_SH" lib.sh
    run -0 runuser -u nobody -- bash -c '. ./lib.sh; procalive_guard ro/F; echo $?; procalive_check ro/F; echo $?; ls ro' 3>&-
    [ "$output" = $'0\n0\nF' ]
}

@test "guard keeps its hands off a file or directory in the place of the link" {
    mkfifo F && echo mine >F.holder
    every_shell "0 0 mine" 'st procalive_guard F; st procalive_check F; cat F.holder'
    rm F.holder && mkdir F.holder
    every_shell "0 0 " 'st procalive_guard F; st procalive_check F; ls F.holder'
}

@test "guard without flock locks by procalive hold --fd" {
    tools tr mkfifo touch ln cat
    every_shell "0 0 75 /proc/self" 'p=$PATH; PATH=$PWD/tools; st procalive_guard F; PATH=$p; st procalive check F; st procalive hold -q F -- true
        [ "$(readlink F.holder)" = "/proc/$$/fd/9" ] && echo /proc/self'
    hold G && rm -f tools/procalive
    every_shell "75 procalive: procalive is not on the PATH ($PWD/tools), and needed here
2 " 'PATH=$PWD/tools:$1; st procalive_guard G; PATH=$PWD/tools; st procalive_guard H' "$(dirname "$(type -P dd)")"
}

@test "guard knows its directory without PWD" {
    every_shell "0 0 " 'unset PWD; st procalive_guard F; st test "$PROCALIVE_FIFO" = "$1/F"; procalive_release' "$(pwd -P)"
}

@test "guard in a subshell lasts as long as the subshell" {
    every_shell "0 1 " '(procalive_guard F; [ F.holder -ef F ]; procalive who F >/dev/null; st procalive_check F); st procalive_check F'
}

@test "release lets go, and restores what an outer hold had said" {
    every_shell "0 1 75 /outer 701" 'export PROCALIVE_FIFO=/outer PROCALIVE_FD=701; procalive_release; procalive_guard F; st procalive_check F
        procalive_release; st procalive_check F; procalive_release; printf "75 %s %s\n" "$PROCALIVE_FIFO" "$PROCALIVE_FD"'
    every_shell "unset" 'procalive_guard F; procalive_release; echo "${PROCALIVE_FIFO-unset}"'
}

@test "release in a child leaves the FIFO to the shell alone" {
    every_shell "0 1 " 'rm -f go; mkfifo go; (procalive_guard F; (procalive_release; echo >go; exec sleep 2 >out 2>&1) & read -r line <go; st procalive_check F); st procalive_check F'
}

@test "guard does not lock a FIFO that was replaced before the lock" {
    tools tr mkfifo touch ln cat rm dd
    printf '#!/bin/sh\n[ -e once ] || { >once; rm F; mkfifo F; }\nPATH=%s exec flock "$@"\n' "$PATH" >tools/flock && chmod +x tools/flock
    every_shell "0 75 " 'rm -f once; p=$PATH; PATH=$PWD/tools; st procalive_guard F; PATH=$p; st procalive hold -q F -- true'
}

# --- waiting, and where /proc is another -----------------------------------------

# waits PATTERN...: a process of that command line sleeps.
waits() { pgrep -f "procalive._turn.*$1" >turns && grep -q '^State:.S' "/proc/$(tail -n 1 turns)/status"; }

@test "a waiting guard is one process beside the shell, which ends with the shell and reads nothing" {
    hold F
    start sh_run dash 'procalive_guard F inf; stay'
    soon waits "$PWD/F|-- F"
    [ "$(procalive who --json F | wc -l)" = 1 ]
    turn=$(tail -n 1 turns)
    [ "$(pgrep -fc "_turn.*-- F$")" = 1 ] || pgrep -fa "_turn"
    kill -KILL -- "-${started[-1]}"
    soon bash -c "! kill -0 $turn"
}

@test "Ctrl-C ends a shell whose guard waits" {
    hold F
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        invoke "$shell"
        start "${words[@]}" -c '. "$PROCALIVE_SH"; procalive_guard "$PWD/F" inf; echo went on'
        guard=$!
        soon waits "-- $PWD/F"
        kill -INT -- "-$guard"
        soon bash -c "! kill -0 $guard" || { echo "$shell" && return 1; }
        soon bash -c "! pgrep -f '[p]rocalive._turn.*-- $PWD/F'"
    done
}

@test "guards and hold -w are served in the order in which they came" {
    hold F && holder=$!
    for i in 1 2 3 4 5 6; do
        if [ $((i % 2)) = 1 ]; then
            start sh_run dash 'procalive_guard F 1m; echo "$1" >>order' "$i"
        else
            start procalive hold -w 1m F -- sh -c "echo $i >>order"
        fi
        soon in_queue F "$i"
    done
    cp /proc/locks locks
    kill "$holder"
    soon lines_in order 6
    [ "$(tr "\n" " " <order)" = "1 2 3 4 5 6 " ] || { cat order locks && return 1; }
}
lines_in() { [ "$(wc -l <"$1")" = "$2" ]; }

# in_queue FIFO N: the holder has its mark (a lock on byte 0), and N wait for it.
in_queue() { [ "$(grep -c " POSIX .*:$(stat -c %i "$1") 0 0$" /proc/locks)" -gt "$2" ]; }

@test "guard is 75 at once where its own ancestor holds, and says so" {
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        invoke "$shell"
        run -75 timeout 60 procalive hold F -- "${words[@]}" -c '. "$PROCALIVE_SH"; procalive_guard F inf || exit' 3>&-
        [[ $output == "procalive: F: held by your own ancestor "* ]] || { echo "$shell: $output" && return 1; }
    done
}

@test "guard is 75 behind a holder of a FIFO of that name that was deleted" {
    hold F && rm F
    every_shell "75 1 " 'st procalive_guard F; st test -e F'
}

@test "guard is not refused by a keeper that cannot run just now, though its job has ended" {
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        start procalive hold -o F -- sleep 300
        job=$!
        soon test F.holder -ef F
        keeper=$(readlink F.holder | cut -d / -f 3)
        kill -STOP "$keeper"
        kill -KILL "$job"
        soon bash -c "! kill -0 $job"
        start sh_run "$shell" 'st procalive_guard "$1" >answer' "$PWD/F"
        guard=$!
        soon pgrep -f "_turn -w 0 .*-- $PWD/F"
        kill -CONT "$keeper"
        soon bash -c "! kill -0 $guard"
        [ "$(cat answer)" = "0 " ] || { echo "$shell: $(cat answer)" && return 1; }
    done
}

@test "guard needs no more of /proc than processes, with SECS too" {
    need_root && need unshare
    hold G
    run -0 unshare -m sh -c 'mount -t proc -o subset=pid proc /proc && . "$PROCALIVE_SH"
        procalive_guard F 1m && procalive check F && ! procalive hold -q F true && procalive_guard_other() { PROCALIVE_GUARD_FD=8; procalive_guard G 0.2; }
        procalive_guard_other; [ $? = 75 ]' 3>&-
    [ "$output" = "" ]
}

@test "guard cannot tell without a /proc, and is right under that of an outer PID namespace" {
    need_root && need unshare
    for shell in "${shells[@]}"; do
        here "$shell" || continue
        invoke "$shell"
        run -2 unshare -m sh -c 'while umount -l /proc 2>/dev/null; do :; done; exec "$@"' sh "${words[@]}" -c '. "$PROCALIVE_SH"; procalive_guard F; exit $?' 3>&-
        [[ $output == "procalive: procalive_guard needs /proc"* && ! -e F ]] || { echo "$shell: $output" && return 1; }
        run -0 unshare -pf "${words[@]}" -c '. "$PROCALIVE_SH"; procalive_guard G 1m && procalive check G && ! procalive hold -q G true; exit $?' 3>&-
        [ "$output" = "" ] || { echo "$shell: $output" && return 1; }
        run -1 procalive check G
    done
}

@test "release takes the link away, but not in a subshell" {
    every_shell "0 1 " 'procalive_guard F; (procalive_release) & wait; st test -h F.holder; procalive_release; st test -h F.holder'
}
