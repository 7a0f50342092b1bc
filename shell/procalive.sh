# shellcheck shell=sh disable=SC3013 # test -ef: POSIX has it since 2024, every shell named below did before
# procalive.sh: procalive's verbs inside a shell script.  To be sourced, by any
# POSIX shell (dash, bash, zsh, ksh93, mksh, yash, busybox sh); procalive.sh(3)
# is the manual.
#
#   procalive_check FIFO          0 alive, 1 not alive, 2 cannot tell
#   procalive_guard FIFO [SECS]   this shell holds FIFO from now on; 75 if another does
#   procalive_release             let go before the shell ends
#   procalive_wait FIFO [SECS]    sleep until nobody holds FIFO; 124 if it takes longer
#   procalive_beat                tell `procalive check --max-age` that all is well
#
# FIFO is a path, or a @NAME as everywhere.
#
# These are stable; the other names, procalive_ too, are not.  Sourcing does
# nothing but define functions, and none of them exits the shell.

# Whatever the environment says of it.
unset procalive_directory

# --- check -------------------------------------------------------------------

# By a builtin that is its own: anything may have ZSH_VERSION from its environment.
procalive_in_zsh() { command -v zmodload >/dev/null 2>&1; }

procalive_check() {
    # Builtins alone, for no fork.  The link leads through /proc to the FIFO just as
    # long as the holder that left it keeps it open, and is slow to follow: one test
    # does.  It may only say yes; on any other answer, and for a second operand (the
    # slash makes the first no FIFO), the FIFO itself is asked.
    # shellcheck disable=SC2015,SC2166 # -a: with .holder no name can be taken for an operator
    case ${1-@} in
    @*) procalive_ask "$@" ;;
    *) [ -p "$1${2+/}" ] && [ -w "$1" ] && [ "$1.holder" -ef "$1" -a -h "$1.holder" ] || procalive_ask "$@" ;;
    esac
}
# The same where [[ is fast: it expands only what it comes to, and splits no words.
# By eval, for other shells parse what they do not run, and may know no [[.
if procalive_in_zsh || command -v shopt >/dev/null 2>&1; then
    # shellcheck disable=SC2016 # for the function to expand, and in one line, for some options of zsh
    procalive_rest='[[ $# == 1 && $1 != @* && -p $1 && -w $1 && -L $1.holder && $1.holder -ef $1 ]]'
    eval "procalive_check() { $procalive_rest || procalive_ask \"\$@\"; }"
fi

# By an open(2) of the write end that does not block, which no redirection is.
procalive_ask() {
    ! procalive_in_zsh || emulate -LR sh
    if [ "$#" != 1 ]; then
        procalive_fail "usage: procalive_check FIFO"
    elif ! procalive_locate "$1"; then
        return 2
    elif [ "$procalive_path" != "$1" ]; then
        procalive_check "$procalive_path"
    # A regular file opens too, and would read as alive for ever.
    elif [ -e "$1" ] && [ ! -p "$1" ]; then
        procalive_fail "$1: not a FIFO"
    elif procalive_in_zsh && procalive_sysopen "$1"; then
        return 0
    else
        procalive_dd "$1"
    fi
}

# zsh's open, without a fork.  Why it failed is told in words of the locale only.
procalive_sysopen() {
    zmodload zsh/system 2>/dev/null || return 1
    sysopen -w -o nonblock,cloexec -u procalive_end -- "$1" 2>/dev/null || return 1
    emulate -L zsh # sh's ways forbid the braces
    eval 'exec {procalive_end}>&-'
}

procalive_dd() {
    procalive_answer=$(procalive_tell dd if=/dev/null of="$1" oflag=nonblock conv=nocreat,notrunc status=none) || :
    case $procalive_answer in
    done) return 0 ;;
    "dd: failed to open '': "*) procalive_fail ": No such file or directory" ;;
    "dd: failed to open '/dev/null': "*) procalive_run check -- "$1" ;; # missing, in a chroot say
    # The reason comes last, behind the name in quotes of either kind.
    "dd: failed to open "*": No such device or address" | "dd: failed to open "*": No such file or directory") return 1 ;;
    *) procalive_run check -- "$1" ;; # not GNU's dd, or something to explain
    esac
}

# For $(...): what COMMAND says, in English, and "done" if it succeeds.  In words,
# for under `set -x` dash and ksh93 may have lost the status by the time it is asked.
procalive_tell() {
    # Not before the command alone: where the caller's locale is not installed,
    # bash would complain on going back to it.
    LC_ALL=C
    export LC_ALL
    command "$@" 2>&1 && echo "done"
}

# --- names -------------------------------------------------------------------

# In procalive_path: the FIFO's path, of a @NAME as `procalive path` tells it.
procalive_locate() {
    procalive_path=$1
    case $1 in @*) ;; *) return 0 ;; esac
    if procalive_is_name "${1#@}" && procalive_find_directory; then
        procalive_path=$procalive_directory/${1#@}.fifo
    else # to be made, or refused
        procalive_path=$(procalive_run path "$1") || return 2
    fi
}

# By letters one by one: what lies between two of them is the locale's.
procalive_is_name() {
    procalive_rest=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789
    # shellcheck disable=SC2295 # a pattern
    case $1 in '' | [!$procalive_rest]* | *[!$procalive_rest._+-]*) return 1 ;; esac
    [ "${#1}" -le 200 ] # in quotes: IFS may have digits
}

# The directory of this user's names, if it is there and fit for them: a real one,
# of our own, where nobody else may write.  Looked up once.
procalive_find_directory() {
    [ "${procalive_directory-}" ] || procalive_look_up_directory 2>/dev/null || return 1
    [ -d "$procalive_directory" ] && [ ! -h "$procalive_directory" ] && [ -O "$procalive_directory" ]
}

# From the user database, never by HOME: cron, sudo and a login are to mean the same.
procalive_look_up_directory() {
    procalive_rest=$(command id -u) || return 1
    if [ "$procalive_rest" = 0 ]; then
        procalive_rest=/run/procalive
    else
        procalive_rest=$(command getent passwd "$procalive_rest") || return 1
        procalive_rest=${procalive_rest%:*}
        procalive_rest=${procalive_rest##*:}
        case $procalive_rest in *[!/]*) ;; *) return 1 ;; esac
        procalive_rest=${procalive_rest%/}/.local/state/procalive
    fi
    case $procalive_rest in /*) ;; *) return 1 ;; esac
    [ -n "$(command find "$procalive_rest" -prune ! -perm -020 ! -perm -002)" ] || return 1
    procalive_directory=$procalive_rest
}

# --- guard -------------------------------------------------------------------

# Here /proc/self is this very shell, for builtins open it; $$ would be wrong in
# a subshell.
#
# The read end is opened only where the probe said dead.  What is not a FIFO that
# nobody holds is left to `procalive _turn`: it makes the FIFO, or waits in the
# queue of `hold -w`, and tells when this shell may open it.  A guard that slept with an
# open read end would look alive to everybody.
#
# Each return here has a number: without, and with a DEBUG trap, ksh93 gives the
# status of the trap, and a refusal would be taken for success.
procalive_guard() {
    ! procalive_in_zsh || emulate -LR sh
    if [ "$#" != 1 ] && [ "$#" != 2 ]; then
        procalive_fail "usage: procalive_guard FIFO [SECS]"
        return 2
    fi
    procalive_start "${2-0}" || return 2
    procalive_locate "$1" || return 2
    procalive_fifo=$procalive_path procalive_turn=
    while :; do
        procalive_status=0
        procalive_try "$procalive_fifo" || procalive_status=$?
        case $procalive_status in
        0) break ;;
        1) procalive_turn= ;; # lost a race: look again
        75) procalive_await "$1" "${2-0}" || return "$?" ;;
        *) return 2 ;;
        esac
    done
    procalive_publish "$procalive_fifo"
}

procalive_start() {
    procalive_choose || return 2
    if [ -e "/proc/self/fd/$procalive_fd" ]; then
        procalive_fail "descriptor $procalive_fd is in use; set PROCALIVE_GUARD_FD to another digit"
    elif [ ! -d /proc/self/fd ]; then
        procalive_fail "procalive_guard needs /proc, and one that knows this shell"
    else
        procalive_races=0 procalive_since=
        IFS=' ' read -r procalive_pid procalive_rest </proc/self/stat
        procalive_rest=$(procalive_left "$1") || :
        [ "$procalive_rest" ] || return 2
        case $1 in 0 | inf) return 0 ;; esac
        # Missing where /proc shows processes alone: then each wait gets the whole of SECS.
        [ ! -r /proc/uptime ] || IFS=' ' read -r procalive_since procalive_rest </proc/uptime
    fi
}

# One digit: a redirection takes no more in most shells.
procalive_choose() {
    procalive_fd=${PROCALIVE_GUARD_FD:-9}
    case $procalive_fd in
    [3-9]) ;;
    *)
        procalive_fail "PROCALIVE_GUARD_FD: $procalive_fd: not a digit from 3 to 9"
        return 2
        ;;
    esac
    while [ "$procalive_fd" -gt 3 ] && procalive_inherited "$procalive_fd"; do
        procalive_fd=$((procalive_fd - 1))
    done
}

# By the guard of a script that called this one: no fault of either, if both use
# the same digit.
procalive_inherited() {
    eval "procalive_path=\${procalive_guarded_$1-} procalive_rest=\${procalive_outer_$1-}"
    [ "$procalive_path" ] && [ -z "$procalive_rest" ] && [ "/proc/self/fd/$1" -ef "$procalive_path" ]
}

# 0: held from now on; 1: look again; 75: another holds, or it is missing; 2: an error.
procalive_try() {
    if [ -h "$1" ]; then
        procalive_refuse "$1" "a symbolic link; name the FIFO itself"
    elif [ ! -e "$1" ]; then
        return 75
    elif [ ! -p "$1" ]; then
        procalive_refuse "$1" "not a FIFO"
    elif procalive_planted "$1"; then
        procalive_refuse "$1" "belongs to another user, in a directory where anybody may create files"
    else
        # If it is this shell's turn, the FIFO has been asked.
        procalive_status=1
        if [ ! "$procalive_turn" ]; then
            procalive_status=0
            procalive_check "$1" || procalive_status=$?
        fi
        case $procalive_status in
        0) return 75 ;;
        1) procalive_take "$1" ;;
        *) return 2 ;;
        esac
    fi
}

# In /tmp anybody can put a FIFO in place, keep it open and block the script.
procalive_planted() {
    case $1 in
    /*) procalive_path=$1 ;;
    *) procalive_path=./$1 ;;
    esac
    [ ! -O "$1" ] && [ -k "${procalive_path%/*}/" ] && [ -z "$(command find "$procalive_path" -prune -user 0)" ] &&
        [ "$(command find "${procalive_path%/*}/" -prune -perm -1002)" ]
}

procalive_take() {
    if ! eval "command exec $procalive_fd<>\"\$1\"" 2>/dev/null; then
        procalive_refuse "$1" "cannot be opened for reading and writing; see CAVEATS in procalive.sh(3)"
        return "$?"
    fi
    procalive_status=0
    procalive_lock "$1" || procalive_status=$?
    # Unlinked or replaced meanwhile: what we locked is nobody's FIFO, or a file
    # that <> has created.
    if [ "$procalive_status" = 0 ] && [ -p "$1" ] && [ "/proc/self/fd/$procalive_fd" -ef "$1" ]; then
        return 0
    fi
    procalive_close
    [ "$procalive_status" != 0 ] || return 1
    return "$procalive_status"
}

# mksh keeps a descriptor that `exec` closes as number 10, and so the FIFO alive,
# unless something else has that number: here its copy of standard input or error.
procalive_close() {
    eval "command exec $procalive_fd>&-" <&- 2>&-
}

# 0: locked; 1: another has the lock; 2: an error.
procalive_lock() {
    procalive_status=0
    # ksh93 and mksh pass on to commands only what is redirected there.
    if procalive_flock_will_do; then
        eval "command flock -x -n $procalive_fd $procalive_fd<&$procalive_fd" || procalive_status=$?
    else
        procalive_found procalive || return 2
        eval "command procalive hold --fd $procalive_fd -q -E 1 -- \"\$1\" $procalive_fd<&$procalive_fd" || procalive_status=$?
    fi
    [ "$procalive_status" -le 1 ] || return 2
    # No holder can come and go unseen this often.
    procalive_races=$((procalive_races + procalive_status))
    if [ "$procalive_races" -gt 100 ]; then
        procalive_fail "$1: locked by a process that cannot be seen, which does not read it: not held, yet nobody can hold it; end that process"
        return 2
    fi
    return "$procalive_status"
}

# Behind a lost race it is the command that finds a process which has the lock
# and does not read.
procalive_flock_will_do() {
    command -v flock >/dev/null 2>&1 || return 1
    [ "$procalive_races" = 0 ] || ! command -v procalive >/dev/null 2>&1
}

# Say why FIFO cannot be held: in the words of the command, else in these.
procalive_refuse() {
    procalive_status=0
    ! command -v procalive >/dev/null 2>&1 || procalive_ask_turn "$1" 0 || procalive_status=$?
    [ "$procalive_status" != 0 ] || procalive_fail "$1: $2" || procalive_status=2
    return "$procalive_status"
}

# As `hold` does: a beat, the link for checks that do not fork, the environment.
procalive_publish() {
    case $1 in
    /*) procalive_path=$1 ;;
    *)
        procalive_path=${PWD:-$(command pwd)}
        procalive_path=${procalive_path%/}/$1
        ;;
    esac
    [ "$procalive_turn" ] || procalive_show # else the command has, to save this shell two
    eval "procalive_outer_$procalive_fd=\${PROCALIVE_FD-}:\${PROCALIVE_FIFO-}"
    eval "procalive_holder_$procalive_fd=\$procalive_pid"
    eval "export procalive_guarded_$procalive_fd=\"\$procalive_path\""
    export PROCALIVE_FD="$procalive_fd" PROCALIVE_FIFO="$procalive_path"
}

procalive_show() {
    command touch -c -- "$procalive_path" 2>/dev/null || :
    if [ -h "$procalive_path.holder" ] || [ ! -e "$procalive_path.holder" ]; then
        command ln -sfn -- "/proc/$procalive_pid/fd/$procalive_fd" "$procalive_path.holder" 2>/dev/null || :
    fi
}

procalive_release() {
    ! procalive_in_zsh || emulate -LR sh
    procalive_choose || return 2
    eval "procalive_rest=\${procalive_outer_$procalive_fd-}"
    [ "$procalive_rest" ] || return 0
    procalive_unpublish
    procalive_close
    # What an outer `hold` or guard had said is true again.
    unset "procalive_outer_$procalive_fd" "procalive_guarded_$procalive_fd" PROCALIVE_FD PROCALIVE_FIFO
    [ "${procalive_rest%%:*}" = "" ] || export PROCALIVE_FD="${procalive_rest%%:*}"
    [ "${procalive_rest#*:}" = "" ] || export PROCALIVE_FIFO="${procalive_rest#*:}"
}

# Take the link away, or it would say alive if ever the number led to a write end of
# this FIFO.  Not in a subshell: it is the shell around that goes on holding.
procalive_unpublish() {
    eval "procalive_path=\${procalive_guarded_$procalive_fd-} procalive_pid=\${procalive_holder_$procalive_fd-}"
    IFS=' ' read -r procalive_status procalive_answer </proc/self/stat
    if [ "$procalive_status" = "$procalive_pid" ] && [ -h "$procalive_path.holder" ] &&
        [ "$procalive_path.holder" -ef "/proc/self/fd/$procalive_fd" ]; then
        command rm -f -- "$procalive_path.holder" 2>/dev/null || :
    fi
}

# --- wait, beat --------------------------------------------------------------

procalive_wait() {
    case $# in
    1) procalive_run wait -- "$1" ;;
    2) procalive_run wait -t "$2" -- "$1" ;;
    *) procalive_fail "usage: procalive_wait FIFO [SECS]" ;;
    esac
}

# By one who holds alone: the environment goes on when the hold is over, and would
# have a stranger beat for the next holder.
procalive_beat() {
    [ "${PROCALIVE_FIFO-}" ] || return 0
    if [ ! "/proc/self/fd/${PROCALIVE_FD-}" -ef "$PROCALIVE_FIFO" ]; then
        procalive_status=0
        procalive_kept || procalive_status=$?
        case $procalive_status in
        0) ;;
        1) return 0 ;;
        *) return 2 ;;
        esac
    fi
    command touch -c -- "$PROCALIVE_FIFO" || return 2
}

# Whether a keeper holds for this shell (`hold -o`); $$ is the same in its subshells.
procalive_kept() {
    procalive_run check --mine -- "$PROCALIVE_FIFO" || [ "$?" = 1 ] || return 2
    procalive_answer=$(procalive_run who -- "$PROCALIVE_FIFO") || [ "$?" = 1 ] || return 2
    case $procalive_answer in *"keeps $$ ("*) ;; *) return 1 ;; esac
}

# Where another holds, or the FIFO is missing: 0 when this shell may open it, 75
# when the time ran out, 2: an error.
procalive_await() {
    procalive_rest=$(procalive_left "$2")
    if [ -e "$procalive_fifo" ]; then
        [ "$procalive_rest" != 0 ] || procalive_may_be_over || return 75
        procalive_found procalive || return 2
    elif ! command -v procalive >/dev/null 2>&1; then
        procalive_make "$procalive_fifo"
        return "$?"
    fi
    procalive_ask_turn "$1" "$procalive_rest" && procalive_turn=1
}

# Whether what holds may be a keeper whose job has ended, or has ended since: nobody
# is refused by that, and the command can tell.
procalive_may_be_over() {
    command -v procalive >/dev/null 2>&1 || return 1
    procalive_answer=$(command readlink -- "$procalive_fifo.holder" 2>/dev/null) || return 1
    { IFS= read -r procalive_answer <"${procalive_answer%/fd/*}/comm"; } 2>/dev/null || return 0
    [ "$procalive_answer" = procalive ]
}

# In the background of a subshell, for the command goes on until this shell has
# opened the FIFO: so long it keeps its place in the queue.
procalive_ask_turn() {
    procalive_answer=
    # There ksh93 would wait for the command too; but not in a pipe.
    if [ "${KSH_VERSION-}" ] && (eval ': "${.sh.version}"') 2>/dev/null; then
        # shellcheck disable=SC2030 # in ksh93 it is this shell that reads
        command procalive _turn -w "$2" --fd "$procalive_fd" -- "$1" "$procalive_pid" | IFS= read -r procalive_answer || :
    else
        procalive_answer=$(exec procalive _turn -w "$2" --fd "$procalive_fd" -- "$1" "$procalive_pid" &)
    fi
    # shellcheck disable=SC2031
    case $procalive_answer in
    0) return 0 ;;
    75) return 75 ;;
    *) return 2 ;;
    esac
}

procalive_make() {
    procalive_answer=$(procalive_tell mkfifo -m 600 -- "$1") || :
    [ "$procalive_answer" = "done" ] || [ -e "$1" ] || procalive_fail "$1: cannot be created: ${procalive_answer##*: }"
}

# What is left of SECS, counted from $procalive_since; nothing if it is no time.
procalive_left() {
    case $1 in
    0 | inf) printf '%s\n' "$1" ;;
    *)
        procalive_found awk || return 2
        # With csh_junkie_quotes zsh takes only lines that end in a backslash.
        command awk -v "secs=$1" -v "since=$procalive_since" 'BEGIN { \
            if (secs ~ /^[Ii][Nn][Ff]([Ii][Nn][Ii][Tt][Yy])?[smhd]?$/) { print "inf"; exit } \
            if (secs !~ /^([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?[smhd]?$/) exit 1; \
            size["m"] = 60; size["h"] = 3600; size["d"] = 86400; \
            unit = substr(secs, length(secs)); \
            getline now < "/proc/uptime"; \
            left = since - now + secs * (unit in size ? size[unit] : 1); \
            print (left > 0 ? left : 0) \
        }' || procalive_fail "$1: not a time (90, 1.5, 30s, 5m, 2h, 1d or inf)"
        ;;
    esac
}

# --- all ---------------------------------------------------------------------

procalive_run() {
    procalive_found procalive || return 2
    command procalive "$@"
}

procalive_found() {
    command -v "$1" >/dev/null 2>&1 || procalive_fail "$1 is not on the PATH (${PATH-}), and needed here"
}

# One line, whatever is in a name; and the status for "cannot tell".
procalive_fail() {
    procalive_rest=$({ printf '%s' "$1" | command tr '\001-\037\177' '?'; } 2>/dev/null) || :
    [ "$procalive_rest" ] || procalive_rest=$1 # no tr
    case $procalive_rest in
    :*) printf "procalive: ''%s\n" "$procalive_rest" >&2 ;;
    *) printf 'procalive: %s\n' "$procalive_rest" >&2 ;;
    esac
    return 2
}
