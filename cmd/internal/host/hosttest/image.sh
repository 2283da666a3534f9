#!/bin/sh
# Makes the root file system that package hosttest boots: a small system of the
# suite that this machine runs, from the sources that this machine's apt uses.
#
#   image.sh FOLDER PACKAGE...
#
# FOLDER must not exist; it is there only when everything went well. As root.
set -eu
target=$1
shift
packages=$(printf '%s,' "$@")

. /etc/os-release
# The distribution's own sources and nobody else's, in either of apt's formats.
set --
for file in "/etc/apt/sources.list.d/$ID.sources" /etc/apt/sources.list; do
    if grep -Eqs '^(deb |Types:)' "$file"; then
        set -- "$@" "$file"
    fi
done

# What no test looks at is left out. The mirror may be a snapshot that has been
# standing still for longer than its signature is valid.
rm -rf "$target.part"
mmdebstrap --quiet --variant=minbase --mode=root --skip=output/dev \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="${packages%,}" \
    "$VERSION_CODENAME" "$target.part" "$@"

cd "$target.part"
# Nothing may be fetched from within, and no test shall name the mirror.
rm -rf etc/apt/sources.list etc/apt/sources.list.d/* etc/apt/apt.conf.d/99mmdebstrap etc/resolv.conf var/cache/apt/* var/lib/apt/lists/*
# A machine that has been booted before: a first boot would set presets.
echo 6761746577617920686f737474657374 >etc/machine-id
echo gatewaytest >etc/hostname
chmod 644 etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\tgatewaytest\n::1\tlocalhost ip6-localhost ip6-loopback\n' >etc/hosts
# A console, and work that comes by the clock, would only disturb.
chroot . systemctl --quiet mask console-getty.service getty@.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer logrotate.timer \
    systemd-networkd-wait-online.service
mv "$target.part" "$target"
