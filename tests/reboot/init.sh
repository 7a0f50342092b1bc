#!/busybox sh
# shellcheck shell=dash
# The guest's first process: from the initial RAM disk to the ext4 disk.
/busybox mount -t devtmpfs dev /dev
/busybox mount -t proc proc /proc
for module in _ring '' _pci_modern_dev _pci_legacy_dev _pci _blk; do /busybox insmod /virtio$module.ko; done
until [ -b /dev/vda ]; do /busybox usleep 20000; done
/busybox mount -t ext4 /dev/vda /r
/busybox mount --move /dev /r/dev
/busybox mount --move /proc /r/proc
exec /busybox switch_root -c /dev/console /r /bin/busybox sh /guest.sh
