#!/usr/bin/env bash
# engine.sh up: a Docker engine answers. Installed from Debian's packages and started if none did.
# engine.sh down: stops the engine that `up` started, and no other.
set -euo pipefail
# shellcheck source=tests/env/common.sh
source "$(dirname "$0")/common.sh"

up() {
    need docker
    if docker version >/dev/null 2>&1; then return; fi
    [[ -z ${DOCKER_HOST:-} ]] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST: start it, or unset DOCKER_HOST"
    ((EUID == 0)) || die "no Docker engine answers $(id -un): start one, join the group docker, or run this as root"
    need dockerd iptables
    if [[ -d /run/systemd/system ]]; then
        systemctl start docker
        wait_for 60 "the engine does not answer; see journalctl -u docker" docker version
        return
    fi
    launch engine dockerd
    started engine 60 docker version
    say "started dockerd"
}

case ${1:-} in
up) up ;;
down) land engine ;;
*) usage "up|down" ;;
esac
