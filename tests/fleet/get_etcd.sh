#!/usr/bin/env bash
# get_etcd.sh DIRECTORY: etcd and etcdctl in DIRECTORY/usr/bin, unpacked from
# Debian's packages: those of Debian 13 (etcd 3.5) where they can be had, else
# those of this machine's own release.
#
# Unpacked and not installed: the package would start a server of its own, and
# those of another release do not belong among this machine's packages.
set -eu
place=$1
release=trixie # Debian 13
[ ! -x "$place/usr/bin/etcdctl" ] || exit 0
mkdir -p "$place/apt/lists/partial" "$place/apt/cache/archives/partial"
cd "$place"

# shellcheck disable=SC2016 # apt-get's own fields
# Where this machine has Debian's packages from, whatever mirror that is.
mirror=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
    awk '$1 == "Debian" && $2 == "main" && $3 !~ /security/ { print $3; exit }')

private=(-o "Dir::Etc::sourcelist=$place/apt/debian.sources" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$place/apt/lists" -o "Dir::Cache=$place/apt/cache")
apt() { timeout 240 apt-get -qq -o APT::Sandbox::User=root "$@" >/dev/null 2>&1; }

if [ "$mirror" ]; then
    printf '%s\n' 'Types: deb' "URIs: $mirror" "Suites: $release" 'Components: main' \
        'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >apt/debian.sources
    if apt "${private[@]}" update; then apt "${private[@]}" download etcd-server etcd-client || rm -f ./*.deb; fi
fi
ls ./*.deb >/dev/null 2>&1 || { apt update && apt download etcd-server etcd-client; }
for package in ./*.deb; do dpkg-deb -x "$package" .; done
rm -rf apt ./*.deb
usr/bin/etcd --version >/dev/null && usr/bin/etcdctl version >/dev/null
