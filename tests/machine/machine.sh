#!/bin/bash
# machine.sh DIRECTORY: Debian 13 with systemd as its first process, in QEMU, with the
# package installed; two boots.  DIRECTORY/facts has what proof.sh found, by a serial
# line of its own (getty hangs up the first one), DIRECTORY/console what the machine
# said.  77: not possible here.  Takes some five minutes, most of them in the emulated
# processor.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$here/../..
cd "$1"

[ "$(id -u)" = 0 ] || exit 77
for tool in qemu-system-x86_64 mke2fs mmdebstrap dpkg-buildpackage; do
    command -v "$tool" >/dev/null || {
        echo "no $tool"
        exit 77
    }
done

git clone -q "$top" clone
make -C clone deb >deb.log 2>&1
mmdebstrap --quiet --variant=apt \
    --include=systemd-sysv,linux-image-amd64,initramfs-tools,python3,dbus,libpam-systemd,cron,udev,login,passwd,procps,util-linux \
    trixie root >mmdebstrap.log 2>&1 || {
    echo "no Debian 13 to be had"
    exit 77
}
# By apt, as a user would.
cp clone/dist/procalive_*.deb root/tmp/
chroot root sh -c 'apt-get -qq install -y /tmp/procalive_*.deb >/dev/null 2>&1 && useradd -m -s /bin/bash someone'
install -m 755 "$here/proof.sh" root/usr/local/sbin/proof.sh
cat >root/etc/systemd/system/proof.service <<'UNIT'
[Unit]
After=multi-user.target cron.service systemd-logind.service
[Service]
Type=exec
ExecStart=/usr/local/sbin/proof.sh
KillMode=process
UNIT
mkdir -p root/etc/systemd/system/multi-user.target.wants
ln -s ../proof.service root/etc/systemd/system/multi-user.target.wants/
echo '/dev/vda / ext4 defaults 0 1' >root/etc/fstab
cp root/boot/vmlinuz-* kernel
cp root/boot/initrd.img-* initrd
rm -rf root/boot/* root/var/cache/apt/* root/usr/share/doc
mke2fs -q -t ext4 -m 0 -d root disk 1500M
rm -rf root

# shellcheck disable=SC2054 # the commas are QEMU's
timeout -k 10 "${MACHINE_SECONDS:-1500}" qemu-system-x86_64 -machine pc -accel tcg -cpu max -smp 2 -m 1024 \
    -nodefaults -display none -net none -kernel kernel -initrd initrd \
    -append "root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off" \
    -drive file=disk,format=raw,if=virtio -serial file:console -serial file:facts </dev/null
grep -q '^GUEST done' facts
