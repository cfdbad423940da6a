#!/usr/bin/env bash
# girder.sh up: a real Girder 5 (girder/serve.py) on a free loopback port, with a redis of its own; prints
# the line that exports GANTLINE_TEST_GIRDER. Its Python environment is kept in the user's cache folder.
# girder.sh up NAME BROKER BACKEND: another one, which sends its tasks to that broker and reads results from that backend;
# prints the line that exports GANTLINE_TEST_GIRDER_NAME.
# girder.sh down [NAME]: stops both and removes their data.
# girder.sh python: makes the environment, and prints which Python has it: girder_worker and girder_client as well.
set -euo pipefail
# shellcheck source=tests/env/common.sh
source "$(dirname "$0")/common.sh"

here=$(cd "$(dirname "$0")" && pwd)/girder
name=${2:-girder}
data=$STATE/$name
variable=GANTLINE_TEST_GIRDER${2:+_${2^^}}

# The environment of just these requirements, made once; others who make it at the same time wait.
environment() {
    local wanted venv
    need python3 flock
    python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
    wanted=$(cat "$here/requirements.txt" "$here/constraints.txt" "$here/beside.txt" | sha256sum | cut -c 1-16)
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
        "$venv/bin/pip" install -q --disable-pip-version-check \
            --no-deps --target "$venv/beside" -r "$here/beside.txt" >&2
        touch "$venv/complete"
    ) 9>"$CACHE/girder.lock"
    echo "$venv"
}

up() {
    if is_up "$name" && is_up "$name-redis" && [[ -e $data/url ]] && answers "$(cat "$data/url")/system/version"; then
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
    launch "$name-redis" redis-server --port "$redis" --bind 127.0.0.1 --dir "$data" --save '' --appendonly no
    started "$name-redis" 20 redis-cli -p "$redis" ping
    port=$(free_port)
    GIRDER_NOTIFICATION_REDIS_URL=redis://127.0.0.1:$redis \
        GIRDER_WORKER_BROKER=${1:-redis://127.0.0.1:$redis} GIRDER_WORKER_BACKEND=${2:-redis://127.0.0.1:$redis} \
        launch "$name" "$venv/bin/python" "$here/serve.py" "$port" "$data/assetstore"
    echo "http://127.0.0.1:$port/api/v1" >"$data/url"
    started "$name" 120 answers "$(cat "$data/url")/system/version"
    trap - EXIT
    export_line
}

export_line() { echo "export $variable=$(cat "$data/url")"; }

down() {
    land "$name"
    land "$name-redis"
    rm -rf "$data"
}

case ${1:-} in
up) up "${@:3}" ;;
down) down ;;
python) echo "$(environment)/bin/python" ;;
*) usage "up [NAME BROKER BACKEND]|down [NAME]|python" ;;
esac
