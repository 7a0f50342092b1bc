# tests/bats/queue.bash: waiters of `hold -w`, for the tests of the queue.

# waits WORD [ARG]...: a waiter whose job writes WORD into the file order; back
# when it sleeps in the queue.  $pid is its PID.
waits() {
    local word=$1
    shift
    in_own_group "$P" hold -w inf "$@" "$F" sh -c 'echo "$1" >>order' sh "$word"
    until_true in_queue "$pid"
}

# in_own_group COMMAND...: as bg, and Ctrl-Z stops it: in a process group without
# a parent outside, which that of the tests may be, the kernel lets it pass.
in_own_group() {
    set -m
    bg "$@"
    set +m
}

# in_queue PID: it sleeps in fcntl(2), behind another that has the mark of order.
in_queue() { grep -q -- "-> POSIX .* $1 " /proc/locks; }

# first_waits PID: it is first, asleep until nobody reads.
first_waits() { [ "$(cat "/proc/$1/wchan")" != 0 ] && asleep_on "$1" "$F" && ! in_queue "$1"; }

# in_order WORD...: those have run, one after the other.
in_order() {
    until_true lines_in_order $#
    same "$(xargs <order)" "$*"
}

lines_in_order() { [ -f order ] && [ "$(wc -l <order)" -ge "$1" ]; }
