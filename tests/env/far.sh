#!/usr/bin/env bash
# far.sh up NAME [RTT_MS] [MBIT]: two network namespaces, NAME-near (10.97.0.1) and NAME-far (10.97.0.2), with a long
# line between them, 50 ms there and back and 1000 Mbit/s unless said otherwise: far/link.c, since not every
# kernel has netem. Run a server with `ip netns exec NAME-far …` and who asks it with `ip netns exec NAME-near …`.
# far.sh down NAME: takes them away.
set -euo pipefail
# shellcheck source=tests/env/common.sh
source "$(dirname "$0")/common.sh"

here=$(cd "$(dirname "$0")" && pwd)/far
name=${2:-}
[[ ${1:-} == up || ${1:-} == down ]] && [[ -n $name ]] || usage "up|down NAME [RTT_MS] [MBIT]"

down() {
    land "far-$name"
    for side in near far; do ip netns del "$name-$side" 2>/dev/null || true; done
}

up() {
    ((EUID == 0)) || die "network namespaces need root: run this as root"
    need ip gcc
    [[ -e /dev/net/tun ]] || die "this kernel has no TUN device: /dev/net/tun is not there"
    down
    # What has not come up as a whole goes down.
    trap down EXIT
    mkdir -p "$STATE"
    gcc -O2 -Wall -Wextra -Werror -o "$STATE/far-$name.link" "$here/link.c"
    for side in near far; do
        ip netns add "$name-$side"
        ip -n "$name-$side" link set lo up
    done
    launch "far-$name" "$STATE/far-$name.link" "$name-near" "$name-far" "$((${1:-50} / 2))" "${2:-1000}"
    started "far-$name" 10 grep -q ready "$STATE/far-$name.log"
    ip -n "$name-near" addr add 10.97.0.1/30 dev far0
    ip -n "$name-far" addr add 10.97.0.2/30 dev far0
    for side in near far; do ip -n "$name-$side" link set far0 up txqueuelen 10000; done
    trap - EXIT
}

case $1 in
up) up "${@:3}" ;;
down) down ;;
esac
