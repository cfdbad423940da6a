#!/usr/bin/env bash
# registry.sh up: two image registries (Debian's docker-registry) on free loopback ports, one open and one for
# the user gantline with the password `password`, each with the image gantline/busybox:latest. Prints the lines
# that export GANTLINE_TEST_REGISTRY and GANTLINE_TEST_PRIVATE_REGISTRY (host:port). Needs engine.sh and image.sh.
# registry.sh down: stops both and removes their data.
set -euo pipefail
# shellcheck source=tests/env/common.sh
source "$(dirname "$0")/common.sh"

data=$STATE/registry

# serve NAME [AUTH]: one registry; its address is then in $data/NAME.address.
serve() {
    local name=$1 auth=${2:-} port
    port=$(free_port)
    mkdir -p "$data/$name"
    cat >"$data/$name.yml" <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $data/$name}}
http: {addr: "127.0.0.1:$port"}
$auth
END
    launch "registry-$name" docker-registry serve "$data/$name.yml"
    started "registry-$name" 20 answers "http://127.0.0.1:$port/v2/"
    echo "127.0.0.1:$port" >"$data/$name.address"
}

# fill NAME: pushes the test image there, and forgets the name that it was pushed by.
fill() {
    local image
    image=$(cat "$data/$1.address")/gantline/busybox:latest
    docker tag gantline-test:busybox "$image"
    docker --config "$data/docker" push -q "$image" >/dev/null
    docker image rm "$image" >/dev/null
}

up() {
    if ! { is_up registry-open && is_up registry-private && [[ -e $data/filled ]]; }; then
        down
        # What has not come up as a whole goes down.
        trap down EXIT
        need docker-registry python3
        mkdir -p "$data/docker"
        # `password`, by bcrypt.
        # shellcheck disable=SC2016
        echo 'gantline:$2b$04$qnJUsyVGlTemafRM3uPAW.EBr8jTtcqttae4MpRTe1W3As.6fHmsS' >"$data/users"
        serve open
        serve private "auth: {htpasswd: {realm: gantline, path: $data/users}}"
        printf '{"auths":{"%s":{"auth":"%s"}}}' "$(cat "$data/private.address")" \
            "$(printf gantline:password | base64)" >"$data/docker/config.json"
        fill open
        fill private
        touch "$data/filled"
        trap - EXIT
    fi
    echo "export GANTLINE_TEST_REGISTRY=$(cat "$data/open.address")"
    echo "export GANTLINE_TEST_PRIVATE_REGISTRY=$(cat "$data/private.address")"
}

down() {
    land registry-open
    land registry-private
    rm -rf "$data"
}

case ${1:-} in
up) up ;;
down) down ;;
*) usage "up|down" ;;
esac
