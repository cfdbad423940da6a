#!/usr/bin/env bash
# girder.sh up: a real Girder 5 (girder/serve.py) on a free loopback port, with a redis of its own; prints
# the line that exports GANTLINE_TEST_GIRDER. Its Python environment is kept in the user's cache folder.
# girder.sh down: stops both and removes their data.
# girder.sh python: makes the environment, and prints which Python has it: girder_worker and girder_client as well.
set -euo pipefail
# shellcheck source=tests/env/common.sh
source "$(dirname "$0")/common.sh"

here=$(cd "$(dirname "$0")" && pwd)/girder
data=$STATE/girder

# The environment of just these requirements, made once; others who make it at the same time wait.
environment() {
    local wanted venv
    need python3 flock
    python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
    wanted=$(cat "$here/requirements.txt" "$here/constraints.txt" | sha256sum | cut -c 1-16)
    venv=$CACHE/girder-$wanted
    mkdir -p "$CACHE"
    (
        flock 9
        [[ -e $venv/complete ]] && exit
        say "making the Python environment of Girder in $venv (minutes, once)"
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install -q --disable-pip-version-check \
            -r "$here/requirements.txt" -c "$here/constraints.txt" >&2
        touch "$venv/complete"
    ) 9>"$CACHE/girder.lock"
    echo "$venv"
}

up() {
    if is_up girder && is_up redis && [[ -e $data/url ]] && answers "$(cat "$data/url")/system/version"; then
        export_line
        return
    fi
    down
    # What has not come up as a whole goes down.
    trap down EXIT
    need redis-server
    local venv port redis
    venv=$(environment)
    mkdir -p "$data/assetstore"
    redis=$(free_port)
    launch redis redis-server --port "$redis" --bind 127.0.0.1 --dir "$data" --save '' --appendonly no
    started redis 20 redis-cli -p "$redis" ping
    port=$(free_port)
    GIRDER_NOTIFICATION_REDIS_URL=redis://127.0.0.1:$redis \
        GIRDER_WORKER_BROKER=redis://127.0.0.1:$redis GIRDER_WORKER_BACKEND=redis://127.0.0.1:$redis \
        launch girder "$venv/bin/python" "$here/serve.py" "$port" "$data/assetstore"
    echo "http://127.0.0.1:$port/api/v1" >"$data/url"
    started girder 120 answers "$(cat "$data/url")/system/version"
    trap - EXIT
    export_line
}

export_line() { echo "export GANTLINE_TEST_GIRDER=$(cat "$data/url")"; }

down() {
    land girder
    land redis
    rm -rf "$data"
}

case ${1:-} in
up) up ;;
down) down ;;
python) echo "$(environment)/bin/python" ;;
*) usage "up|down|python" ;;
esac
