#!/usr/bin/env bash
# own_engine.sh FOLDER [OPTION…]: an engine of one test, which may stop it as it likes. It is a dockerd with these
# options, beside a containerd that runs on, in a network namespace of its own, with the image of the tests; containers
# in it have no network.
#
# Each line of standard input is a command, and is answered with `done`: `start`, `term` and `kill` (the signal of that
# name; the engine is gone when it is answered). When the input ends, whatever became of the test, everything is
# removed. The engine listens at FOLDER/engine.sock.
set -uo pipefail
# shellcheck source=tests/env/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=tests/env/obeying.sh
source "$(dirname "$0")/obeying.sh"

folder=$1
shift
options=("$@")
namespace=gantline-${folder##*/}
socket=unix://$folder/engine.sock

ours() { DOCKER_HOST=$socket docker "$@"; }

start() {
    # Not `ip netns exec`: that has mounts of its own, which the next engine would not see. `--bridge=none` is for a
    # namespace only: in the host's it takes docker0 away.
    nsenter --net="/run/netns/$namespace" dockerd --host "$socket" --data-root "$folder/data" \
        --exec-root "$folder/exec" --containerd "$folder/containerd.sock" --pidfile "$folder/engine.pid" --bridge=none --iptables=false \
        "${options[@]}" >>"$folder/log" 2>&1 </dev/null &
    service=$!
    wait_for 60 "the engine of a test does not answer" ours version || tail -n 20 "$folder/log" >&2
}

start_containerd() {
    cat >"$folder/containerd.toml" <<END
version = 2
root = "$folder/exec/containerd-data"
state = "$folder/exec/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$folder/containerd.sock"
END
    mkdir -p "$folder/exec"
    containerd --config "$folder/containerd.toml" >>"$folder/log" 2>&1 </dev/null &
    containerd=$!
    wait_for 30 "the containerd of a test does not answer" test -S "$folder/containerd.sock"
}

clean_up() {
    if [[ -z $service ]]; then start; fi
    ours ps -aq | xargs -r env DOCKER_HOST="$socket" docker rm -f >/dev/null 2>&1
    stop TERM
    kill "$containerd" 2>/dev/null && wait "$containerd" 2>/dev/null
    # What a killed engine has left.
    local process
    for process in /proc/[0-9]*; do
        if grep -qaF -- "$folder/" "$process/cmdline" 2>/dev/null; then
            kill -9 "${process#/proc/}" 2>/dev/null
        fi
    done
    for _ in 1 2 3; do unmount "$folder"; done
    ip netns del "$namespace" 2>/dev/null
    rm -rf "$folder"
}

need docker dockerd ip
trap clean_up EXIT
trap : INT TERM HUP
ip netns add "$namespace" && ip -n "$namespace" link set lo up || exit 1
start_containerd
start
docker save gantline-test:busybox | ours load >/dev/null || exit 1
obey
