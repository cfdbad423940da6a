# shellcheck shell=bash
# What the scripts of the test environment share; sourced by each. Debian 12, as root where a package
# or the engine is missing.

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# What runs, its sockets, data and logs: of this checkout alone.
STATE=${GANTLINE_TEST_STATE:-$REPOSITORY/target/test-env}
# What is worth keeping between checkouts: the Python environment.
# shellcheck disable=SC2034
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/gantline
PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive
# A command that fails inside $(…) fails the script as well.
shopt -s inherit_errexit

# The Debian packages of everything here: the command that is needed, and what brings it.
declare -A PACKAGES=(
    [docker]="docker.io iptables ca-certificates"
    [dockerd]="docker.io iptables ca-certificates"
    [iptables]="iptables"
    [podman]="podman"
    [/bin/busybox]="busybox-static"
    [gcc]="gcc libc6-dev"
    [cc]="gcc libc6-dev"
    [g++]="g++"
    [python3]="python3 python3-venv"
    [redis-server]="redis-server"
    [/usr/lib/rabbitmq/bin/rabbitmq-server]="rabbitmq-server"
    [epmd]="erlang-base"
    [docker-registry]="docker-registry"
    [nginx]="nginx-light"
    [tinyproxy]="tinyproxy"
    [openssl]="openssl"
    [flock]="util-linux"
    [curl]="curl"
    [wget]="wget"
    [ip]="iproute2"
    [/usr/bin/time]="time"
    [systemd-analyze]="systemd"
    [aria2c]="aria2"
    [strace]="strace"
    [perf]="linux-perf"
)

say() { echo "gantline tests: $*" >&2; }

die() {
    say "$*"
    exit 1
}

# need COMMAND…: installs the packages of those that are missing.
need() {
    local command packages=()
    for command in "$@"; do
        if ! command -v "$command" >/dev/null; then
            read -ra words <<<"${PACKAGES[$command]:?no package is known for $command}"
            packages+=("${words[@]}")
        fi
    done
    if ((${#packages[@]})); then install_packages "${packages[@]}"; fi
}

# install_packages PACKAGE…: without starting their services; the package lists are fetched only if they do not do.
install_packages() {
    ((EUID == 0)) || die "cannot install $* as $(id -un): run this as root, or have an administrator install them"
    command -v apt-get >/dev/null || die "cannot install $*: this is not a Debian system; install them by hand"
    say "installing $*"
    local get=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0) log
    log=$(mktemp)
    if ! "${get[@]}" install --no-install-recommends "$@" >"$log" 2>&1 </dev/null; then
        if ! { "${get[@]}" update && "${get[@]}" install --no-install-recommends "$@"; } >>"$log" 2>&1 </dev/null; then
            tail -n 20 "$log" >&2
            rm -f "$log"
            die "cannot install $*: apt-get failed, see above"
        fi
    fi
    rm -f "$log"
    hash -r
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds, looked at ten times a second.
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            say "timed out: $what"
            return 1
        fi
        sleep 0.1
    done
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# answers URL: whether an HTTP server gives a 2xx or a 401 there, without curl.
answers() {
    python3 - "$1" <<'END'
import sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    opener.open(sys.argv[1], timeout=5).close()
except urllib.error.HTTPError as answer:
    sys.exit(answer.code != 401)
END
}

# launch NAME COMMAND…: a server in the background in a session of its own; its log is STATE/NAME.log.
launch() {
    local name=$1
    shift
    mkdir -p "$STATE"
    setsid "$@" >"$STATE/$name.log" 2>&1 </dev/null &
    # A process is its number and the time at which it began: numbers are used again.
    echo "$! $(began $!)" >"$STATE/$name.pid"
}

# began PID: when a process began; nothing for one that has ended and that nobody has reaped.
began() { awk '{ sub(/.*\) /, ""); if ($1 != "Z") print $20 }' "/proc/$1/stat" 2>/dev/null; }

# is_up NAME: whether the server that we launched still runs.
is_up() {
    local pid start
    read -r pid start 2>/dev/null <"$STATE/$1.pid" || return 1
    [[ -n $start && $(began "$pid") == "$start" ]]
}

# is_down NAME: the other way, for wait_for.
is_down() { ! is_up "$1"; }

# land NAME: stops the server if we launched it, and waits until it is gone.
land() {
    local pid start
    if is_up "$1"; then
        read -r pid start <"$STATE/$1.pid"
        kill "$pid" 2>/dev/null || true
        if ! wait_for 20 "$1 does not stop" is_down "$1"; then
            kill -9 "$pid" 2>/dev/null || true
            wait_for 5 "$1 cannot be killed" is_down "$1" || true
        fi
    fi
    rm -f "$STATE/$1.pid"
}

# started NAME SECONDS COMMAND…: waits until the command succeeds. A server that has ended, or takes longer,
# ends the script with its log.
started() {
    local name=$1 end=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if is_down "$name" || ((SECONDS >= end)); then
            tail -n 20 "$STATE/$name.log" >&2 || true
            land "$name"
            die "$name did not start, see above"
        fi
        sleep 0.1
    done
}

usage() { die "usage: $(basename "$0") $1"; }
