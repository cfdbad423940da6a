#!/usr/bin/env bash
# static.sh DEPS: a command that is linked with no library of the system runs in an image with nothing else in it, and finds
# names there, by DNS and in /etc/hosts. What cargo has built in the folder DEPS is linked once more, not built for minutes.
# `run_static.rs` runs it.
set -euo pipefail
deps=$1
cd "$(dirname "$0")/../.."
name=gantline-test-static-$$
folder=$(mktemp -d --tmpdir gantline-test-static.XXXXXX)
take_away() {
    docker rm -f "$name-store" &>/dev/null || true
    docker network rm "$name" &>/dev/null || true
    docker rmi -f "$name" &>/dev/null || true
    rm -rf "$folder"
}
trap take_away EXIT

# Of the libraries there, the last one that has the command.
edition=$(sed -n 's/^edition = "\(.*\)"/\1/p' Cargo.toml)
mapfile -t libraries < <(ls -t "$deps"/libgantline-*.rlib)
for library in "${libraries[@]}"; do
    rustc --edition "$edition" -C target-feature=+crt-static -C strip=symbols -L "dependency=$deps" \
        --extern "gantline=$library" -o "$folder/gantline" src/main.rs && break
done
tar -C "$folder" -c gantline | docker import - "$name" >/dev/null

# The engine's own DNS is there in networks that have been made.
docker network create "$name" >/dev/null
mkdir "$folder/data" "$folder/tmp"
echo "by a name" >"$folder/data/file"
docker run -d --name "$name-store" --network "$name" --volume "$folder/data:/data" "$name" \
    /gantline depot /data --listen 0.0.0.0:8080 --token secret >/dev/null
for ((tries = 0; tries < 200; tries++)); do
    id=$(docker logs "$name-store" 2>/dev/null | sed -n 's/^\([0-9a-f]\{24\}\) .* file$/\1/p')
    [[ $id ]] && break
    sleep 0.05
done
address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$name-store")

# run_beside HOST [OPTION…]: a run in a container of the image, of a job whose file comes from that host.
run_beside() {
    docker run --rm --network "$name" "${@:2}" --volume /var/run/docker.sock:/var/run/docker.sock \
        --volume "$folder/tmp:$folder/tmp" --env "TMPDIR=$folder/tmp" --env GIRDER_TOKEN=secret \
        --env "GIRDER_API_URL=http://$1:8080/api/v1" "$name" \
        /gantline run --image gantline-test:busybox --pull never --in "x=$id" cat '{x}'
}

echo "by its DNS name: $(run_beside "$name-store")"
echo "by a name in /etc/hosts: $(run_beside hosted --add-host "hosted:$address")"
