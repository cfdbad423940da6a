# What a bench with servers of its own begins and ends with. It is sourced, after tests/env/common.sh.
# shellcheck shell=bash disable=SC2034  # what uses STATE and GANTLINE is elsewhere

# begin NAME TOOL…: makes `folder`, in memory, which goes at the end with the servers that were launched; brings the
# tools, the engine and its image, and the program where GANTLINE does not name one.
begin() {
    folder=$(mktemp -d -p /dev/shm "gantline-$1.XXXXXX")
    STATE=$folder/state
    trap end_bench EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    need "${@:2}"
    unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
    tests/env/engine.sh up
    tests/env/image.sh
    if [[ -z ${GANTLINE-} ]]; then
        cargo build --locked --release --quiet
        GANTLINE=${CARGO_TARGET_DIR:-target}/release/gantline
    fi
    chmod 755 "$folder"
    mkdir -p "$folder/tmp"
}

end_bench() {
    local code=$? launched
    trap - EXIT
    set +e
    for launched in "$STATE"/*.pid; do
        land "$(basename "$launched" .pid)"
    done
    rm -rf "$folder"
    exit "$code"
}
