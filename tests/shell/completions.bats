#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # scripts for other shells are quoted; helper.bash assigns
# The completions of procalive and procalivectl, in the shells that they are for.

load helper
bats_require_minimum_version 1.5.0

completions=$top/shell/completions
# What is typed behind "procalive", and what it becomes in every shell.
typed=('ch' 'check jo' 'check real' 'hold --f' 'kill -s TERM jo' 'kill -s CON' 'hold -s job.fifo -- onlyc'
    'hold -w 5 job.fifo onlyc' 'hold job.fifo -- onlycommand note' 'check @procalive-tes')
become=('check' 'check job.fifo' 'check real' 'hold --fd' 'kill -s TERM job.fifo' 'kill -s CONT' 'hold -s job.fifo -- onlycommand'
    'hold -w 5 job.fifo onlycommand' 'hold job.fifo -- onlycommand notes' 'check @procalive-test')

fail() { echo "$*" && return 1; }

# A FIFO, a link that a holder left, a file, a command and a name.
prepare() {
    mkfifo job.fifo
    ln -s "$PWD/job.fifo" real.holder
    touch notes
    mkdir commands
    printf '#!/bin/sh\n' >commands/onlycommand
    chmod +x commands/onlycommand
    PATH=$PWD/commands:$PATH
    name=$(procalive path @procalive-test)
    mkdir -p "${name%/*}"
    [ -p "$name" ] || mkfifo "$name"
}

teardown() {
    if [ "${name-}" ]; then rm -f "$name"; fi
}

@test "the completions are what the parsers give today" {
    python=$top/tests/.venv/bin/python
    "$python" -c 'import typer' 2>/dev/null || skip "no typer in tests/.venv"
    mkdir new && "$python" "$completions/generate" new
    for program in procalive procalivectl; do
        for file in "$program.bash-completion" "_$program" "$program.fish"; do diff "$completions/$file" "new/$file"; done
    done
}

@test "every verb and option of procalive -h is in every completion" {
    seen=0
    for verb in hold check wait who kill path; do
        for option in $(procalive "$verb" -h | sed -nE 's/^  (-[-a-zA-Z, ]*[a-z])( .*|$)/\1/p' | tr -d , | grep -oE -- '--?[a-zA-Z-]+'); do
            name=${option#-} && name=${name#-}
            grep -qE "^    \[$verb\]='(.* )?$option( .*)?'" "$completions/procalive.bash-completion"
            sed -n "/_${verb}_options=/,/^)/p" "$completions/_procalive" | grep -qF -- ")${option}["
            grep -qE "_using $verb' .*-[sl] $name " "$completions/procalive.fish"
            seen=$((seen + 1))
        done
    done
    [ "$seen" -gt 40 ]
}

bash_completes() {
    bash -c '. "$1/$2.bash-completion"
        COMP_WORDBREAKS=" \"'\''><=;|&(:"
        COMP_LINE="$2 $3" COMP_POINT=${#COMP_LINE}
        compopt() { :; }
        read -ra COMP_WORDS <<<"$COMP_LINE"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        "_$2"; printf "%s\n" "${COMPREPLY[@]}"' bash "$completions" "$@"
}

@test "bash completes verbs, options, FIFOs, names, signals and commands, and no holder link" {
    need bash
    prepare
    for number in "${!typed[@]}"; do
        words=${become[number]}
        run -0 bash_completes procalive "${typed[number]}"
        [ "$output" = "${words##* }" ] || [[ $output$words == *real ]] || fail "${typed[number]}: $output"
    done
}

@test "bash completes PIDs behind --pid, and the states of procalivectl" {
    need bash
    run -0 bash_completes procalive "wait --pid $$"
    [[ $'\n'$output$'\n' == *$'\n'$$$'\n'* ]]
    run -0 bash_completes procalivectl "ls --state no"
    [ "$output" = no-beat ]
    mkfifo job.fifo
    run -0 bash_completes procalivectl "doctor jo"
    [ "$output" = job.fifo ]
}

@test "zsh completes verbs, options, FIFOs, names, signals and commands, and no holder link" {
    need zsh
    prepare
    cat >try.zsh <<'END'
zmodload zsh/zpty
zpty z 'zsh -f -i'
zpty -w z "stty -echo; fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; bindkey '^I' complete-word; procalive() { print -r -- \"GOT \$* END\" }; PS1=; print READY"
zpty -r -m z l '*READY*'
for line in "${@[2,-1]}"; do
    zpty -w z "procalive $line"$'\t'
    zpty -r -m z l '*GOT*END*' && print -r -- "$l"
done
END
    # As a function procalive tells no path of a name: see the next test.
    run -0 timeout 60 zsh -f try.zsh "$completions" "${typed[@]:0:9}" 3>&-
    for line in "${become[@]:0:9}"; do [[ $output == *"GOT $line END"* ]] || fail "$line: $output"; done
}

@test "zsh completes names" {
    need zsh
    prepare
    cat >try.zsh <<'END'
zmodload zsh/zpty
zpty z 'zsh -f -i'
zpty -w z "stty -echo; fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; bindkey '^I' complete-word; PS1=; print READY"
zpty -r -m z l '*READY*'
zpty -w z $'procalive path @procalive-tes\t'
zpty -r -m z l '*.fifo*' && print -r -- "$l"
END
    run -0 timeout 60 zsh -f try.zsh "$completions" 3>&-
    [[ $output == *"$name"* ]]
}

@test "fish completes verbs, options, FIFOs, names, signals and commands, and no holder link" {
    need fish
    prepare
    export HOME=$PWD
    for number in "${!typed[@]}"; do
        words=${become[number]}
        run -0 fish --no-config -c 'source $argv[1]/procalive.fish; complete -C "procalive $argv[2]"' "$completions" "${typed[number]}"
        [[ ${output%%$'\t'*} = "${words##* }" || $output$words == *real ]] || fail "${typed[number]}: $output"
    done
}

@test "fish completes PIDs behind --pid, and the states of procalivectl" {
    need fish
    export HOME=$PWD
    run -0 fish --no-config -c 'source $argv[1]/procalive.fish; complete -C "procalive wait --pid $argv[2]"' "$completions" $$
    [[ $output == *$$* ]]
    run -0 fish --no-config -c 'source $argv[1]/procalivectl.fish; complete -C "procalivectl ls --state no"' "$completions"
    [[ $output == no-beat* ]]
}

@test "make install puts the completions where bash, zsh and fish look" {
    need make
    for prefix in /usr /usr/local; do
        make -s -C "$top" install PREFIX=$prefix DESTDIR="$PWD/root" >/dev/null
        for program in procalive procalivectl; do
            [ -f "root$prefix/share/bash-completion/completions/$program" ]
            [ -f "root$prefix/share/zsh/site-functions/_$program" ]
        done
    done
    [ -f root/usr/share/fish/vendor_completions.d/procalivectl.fish ]
    [ -f root/etc/fish/completions/procalivectl.fish ]
    for prefix in /usr /usr/local; do make -s -C "$top" uninstall PREFIX=$prefix DESTDIR="$PWD/root"; done
    run -0 find root ! -type d
    [ "$output" = "" ]
}
