#!/usr/bin/env bash
# own_podman.sh FOLDER: a podman of one test, which serves Docker's API at FOLDER/engine.sock, with the image of the
# tests. Its containers have no network. It says `done` when it answers. Each line of standard input is a command, and is
# answered with `done`: `start`, `term` and `kill` (the signal of that name, to its service). When the input ends,
# everything is removed.
set -uo pipefail
# shellcheck source=tests/env/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=tests/env/obeying.sh
source "$(dirname "$0")/obeying.sh"

folder=$1
socket=unix://$folder/engine.sock
export CONTAINERS_CONF=$folder/containers.conf

# Podman wants this one to have at most 50 characters.
runroot=$(mktemp -d -p /run gantline.XXXXXX)
ours=(podman --root "$folder/data" --runroot "$runroot" --tmpdir "$folder/tmp" --storage-driver vfs)

start() {
    "${ours[@]}" system service --time=0 "$socket" >>"$folder/log" 2>&1 </dev/null &
    service=$!
    wait_for 60 "the podman of a test does not answer" env DOCKER_HOST="$socket" docker version ||
        { tail -n 20 "$folder/log" >&2; return 1; }
}

clean_up() {
    stop TERM
    "${ours[@]}" rm --all --force --time 0 >/dev/null 2>&1
    unmount "$folder" "$runroot"
    rm -rf "$folder" "$runroot"
}

need podman docker
# What is asked for by default is more than everybody may have.
cat >"$folder/containers.conf" <<'END'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
trap clean_up EXIT
trap : INT TERM HUP
start || exit 1
docker save gantline-test:busybox | DOCKER_HOST=$socket docker load >/dev/null || exit 1
obey
