# tests/root.sh: a small Debian of its own, in a directory, with a PID namespace of its own.
#
#   make_root SUITE DIRECTORY PACKAGE...   mmdebstrap(1), about half a minute
#   in_root DIRECTORY COMMAND...           as root, /proc and /dev mounted; all ends with it; needs the package mount
#
# shellcheck shell=bash

make_root() {
    local suite=$1 directory=$2
    shift 2
    command -v mmdebstrap >/dev/null || return
    # The names of the registries are those of this machine's apt.
    mmdebstrap --quiet --variant=apt --include="$(
        IFS=,
        echo "$*"
    )" "$suite" "$directory" >/dev/null 2>&1 || return
    echo "127.0.0.1 localhost $(uname -n)" >"$directory/etc/hosts" # sudo(8) asks for our own
    # So are the certificates that it trusts.
    if [ -x "$directory/usr/sbin/update-ca-certificates" ]; then
        cp /usr/local/share/ca-certificates/*.crt "$directory/usr/local/share/ca-certificates/" 2>/dev/null || return 0
        chroot "$directory" update-ca-certificates >/dev/null 2>&1
    fi
}

# Not by chroot(2) alone: nsenter --mount would lead out of it again.
in_root() {
    local directory=$1
    shift
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --fork --kill-child --propagation private sh -c '
        mount --bind "$0" "$0" && cd "$0" && # a mount, as a root is: unshare --mount-proc wants one
            mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t sysfs sysfs "$0/sys" &&
            mount -t tmpfs -o mode=755 tmpfs "$0/run" &&
            pivot_root . mnt && umount -l mnt && exec chroot . "$@"' "$directory" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
}
