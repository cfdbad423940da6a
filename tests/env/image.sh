#!/usr/bin/env bash
# image.sh [NAME]: makes the image that tests run, gantline-test or NAME, from a static busybox and the
# programs in image/: NAME:busybox, and NAME:user1000, the same with USER 1000. Nothing is done where
# the engine has them already, as they would be made now.
# image.sh --remove [NAME]: removes both.
set -euo pipefail
# shellcheck source=tests/env/common.sh
source "$(dirname "$0")/common.sh"

here=$(cd "$(dirname "$0")" && pwd)
if [[ ${1:-} == --remove ]]; then
    docker image rm --force "${2:-gantline-test}:busybox" "${2:-gantline-test}:user1000" >/dev/null 2>&1 || true
    exit
fi
name=${1:-gantline-test}

need /bin/busybox gcc
# Debian's package `busybox` has a dynamic one at the same place.
if ldd /bin/busybox >/dev/null 2>&1; then install_packages busybox-static; fi

content=$(cat "$0" "$here"/image/*.c /bin/busybox | sha256sum | cut -d ' ' -f 1)
made() { [[ $(docker image inspect --format '{{ index .Config.Labels "gantline.content" }}' "$1" 2>/dev/null) == "$content" ]]; }
if made "$name:busybox" && made "$name:user1000"; then exit; fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root"/{bin,dev,etc,mnt,proc,root,sys,home/user}
mkdir -m 1777 "$root/tmp"
cp /bin/busybox "$root/bin/busybox"
for applet in $(/bin/busybox --list); do
    [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
done
for source in "$here"/image/*.c; do
    gcc -static -O2 -Wall -Wextra -Werror -o "$root/bin/$(basename "$source" .c)" "$source"
done
printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nuser:x:1000:\n' >"$root/etc/group"
# What must not be run, for the tests of exit code 126.
echo 'not a program' >"$root/etc/not-executable"
chown -R 1000:1000 "$root/home/user"

import() {
    tar -C "$root" --numeric-owner -c . | docker import --change 'ENV PATH=/bin' --change 'CMD ["sh"]' \
        --change "LABEL gantline.content=$content" "${@:2}" - "$1" >/dev/null
}
import "$name:busybox"
import "$name:user1000" --change 'USER 1000'
say "made the images $name:busybox and $name:user1000"
