#!/bin/bash
# machine.sh DIR: FIFOs across three real boots of a QEMU machine; needs no root.
#
# Boot 1 holds and is reset by its own sysrq-b, boot 2 holds and loses power (the
# emulator is killed), boot 3 looks once more.  What the guest saw is left in
# DIR/serial, a line for each fact: guest.sh says which.  77: not possible here.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$here/../..
cd "$1"

for tool in qemu-system-x86_64 mke2fs busybox dpkg-deb apt-get /usr/bin/python3; do
    command -v "$tool" >/dev/null || {
        echo "no $tool"
        exit 77
    }
done

# --- the kernel: Debian's for clouds has virtio and little else ---

mkdir k
kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }')
if [ -z "$kernel" ] || ! apt-get -qq -o APT::Sandbox::User=root download "$kernel" 2>apt.log; then
    echo "no package linux-image-cloud-amd64 to be had"
    exit 77
fi
dpkg-deb --fsys-tarfile ./*.deb | tar -xC k --wildcards './boot/vmlinuz-*' '*/virtio.ko' '*/virtio_ring.ko' \
    '*/virtio_pci*.ko' '*/virtio_blk.ko'

# --- the disk: this system's Python, busybox's shell, GNU's dd, and procalive ---

mkdir -p root/{bin,data,dev,proc,sys,tmp,srv/bin,gnu,usr/bin,usr/lib,lib64}
cp "$(command -v busybox)" root/bin/busybox
ln -s busybox root/bin/sh
cp "$(command -v dd)" root/gnu/dd
python=$(readlink -f /usr/bin/python3)
cp "$python" root/usr/bin/python3
tar -C / --exclude test --exclude __pycache__ --exclude '*-packages' --exclude 'config-*' -c "usr/lib/${python##*/}" | tar -xC root
ldd "$python" /bin/dd "/usr/lib/${python##*/}"/lib-dynload/*.so | grep -o '/[^ :]*\.so[^ :]*' | sort -u | while read -r library; do
    case $library in */lib-dynload/*) continue ;; esac
    mkdir -p "root${library%/*}"
    cp -L "$library" "root$library"
done
cp "$top/procalive.py" root/srv/
cp "$top/bin/procalive" root/srv/bin/
cp "$here/guest.sh" root/
mke2fs -q -t ext4 -m 0 -d root disk 160M

# --- the first process: the modules for the disk, then the disk ---

mkdir -p i/{dev,proc,r}
cp root/bin/busybox "$here/init.sh" i/
mv i/init.sh i/init
chmod +x i/init
find k -name '*.ko' -exec cp {} i/ \;
(cd i && find . | busybox cpio -oH newc 2>../cpio.log) >initrd

# --- three boots ---

# shellcheck disable=SC2054 # the commas are QEMU's
machine=(qemu-system-x86_64 -machine pc -accel tcg -cpu max -m 256 -nodefaults -display none -net none
    -kernel k/boot/vmlinuz-* -initrd initrd -append "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"
    -drive file=disk,format=raw,if=virtio -serial stdio)
emulator=
end() {
    [ -z "$emulator" ] || kill -9 "$emulator" 2>/dev/null || true
}
trap end EXIT

# run TEXT: the machine until it prints TEXT or panics; then the power goes.
run() {
    "${machine[@]}" </dev/null >>serial 2>&1 &
    emulator=$!
    until grep -qaE "$1|Kernel panic" serial || ! kill -0 "$emulator" 2>/dev/null || [ "$SECONDS" -gt 900 ]; do
        sleep 0.05
    done
    end
    wait "$emulator" 2>/dev/null || true
    emulator=
}

run 'GUEST ready for power loss'
run 'GUEST done'
