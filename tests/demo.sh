#!/usr/bin/env bash
# demo.sh: a file of 1 GiB goes from a depot through a named pipe into a container, and arrives as it left.
# Installs and starts what is missing (Debian 12, as root; Rust must be there). The engine stays, and so does
# the release build; containers, temporary folders and servers go.
# GANTLINE is another program in place of that build, MIB another size of the file in MiB: so all.sh runs it in short.
set -euo pipefail

cd "$(dirname "$0")/.."
# shellcheck source=tests/env/common.sh
source tests/env/common.sh

size=$((${MIB:-1024} << 20))
image=gantline-demo
depot=
folder=

clean_up() {
    local code=$?
    trap - EXIT
    if [[ -n $depot ]]; then
        kill "$depot" 2>/dev/null || true
        wait "$depot" 2>/dev/null || true
    fi
    if [[ -n $folder ]]; then rm -rf "$folder"; fi
    tests/env/image.sh --remove "$image"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A folder for the file: in memory where there is room for it, since a disk would be what is measured.
make_folder() {
    local parent free
    for parent in /dev/shm "${TMPDIR:-/tmp}"; do
        free=$(df --output=avail -B1 "$parent" 2>/dev/null | tail -n 1) || continue
        if ((free > size + size / 2)) && [[ -w $parent ]]; then
            mktemp -d -p "$parent" gantline-demo.XXXXXX
            return
        fi
    done
    die "no room for a file of $((size >> 20)) MiB in /dev/shm or ${TMPDIR:-/tmp}"
}

# job ARGUMENT…: the document of a job that gets these arguments and, as the last, the path of the pipe.
job() {
    local arguments
    arguments=$(printf '"%s", ' "$@")
    cat <<END
{
  "image": "$image:busybox",
  "pull_image": false,
  "girder_api_url": "$url",
  "container_args": [$arguments{
    "type": "Connect",
    "input": {"type": "GirderFileIdToStream", "id": "$id"},
    "output": {"type": "NamedInputPipe", "name": "data"}
  }]
}
END
}

# of_report KEY: the first value of a key in the report.
of_report() { grep -o "\"$1\": *[^,}]*" "$folder/report.json" | head -n 1 | sed 's/^[^:]*: *//; s/"//g'; }

# rate SECONDS: bytes a second, for people.
rate() { awk -v s="$1" -v n="$size" 'BEGIN { if (s > 0) printf "%.2f GB/s", n / s / 1e9; else print "?" }'; }

# run NAME ARGUMENT…: runs such a job; what the container prints is what this prints.
run() {
    job "${@:2}" >"$folder/$1.json"
    "$GANTLINE" run --progress none --report "$folder/report.json" "$folder/$1.json"
}

transfer() {
    printf '  %s, carrier %s; the whole run took %s s\n' \
        "$(rate "$(of_report seconds)")" "$(of_report carrier)" "$(awk -v m="$1" 'BEGIN { printf "%.1f", m / 1000 }')"
}

milliseconds() { date +%s%3N; }

command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs"
need cc openssl
tests/env/engine.sh up
tests/env/image.sh "$image"
if [[ -z ${GANTLINE:-} ]]; then
    echo "Building the release: minutes, the first time; the last crate alone takes one or two"
    CARGO_TARGET_DIR=target cargo build --locked --release
    GANTLINE=target/release/gantline
fi

folder=$(make_folder)
mkdir "$folder/store"
echo "Making a file of $((size >> 20)) MiB that looks random"
# openssl ends with an error when head has had enough.
{ openssl enc -aes-128-ctr -nosalt -K 67616e746c696e65 -iv 0 </dev/zero 2>/dev/null || true; } |
    head -c "$size" >"$folder/store/data.bin"

"$GANTLINE" depot "$folder/store" --listen 127.0.0.1:0 >"$folder/depot.log" 2>&1 &
depot=$!
if ! wait_for 20 "the depot does not answer" grep -q ' data\.bin$' "$folder/depot.log"; then
    cat "$folder/depot.log" >&2
    exit 1
fi
url=$(grep -o 'http://[^ ]*' "$folder/depot.log" | head -n 1)
id=$(awk '/ data\.bin$/ { print $1 }' "$folder/depot.log")
echo "The depot serves it as $url/file/$id"

expected=$(sha256sum <"$folder/store/data.bin" | cut -d ' ' -f 1)
began=$(milliseconds)
actual=$(run hash sha256sum | cut -d ' ' -f 1)
took=$(($(milliseconds) - began))
echo "SHA-256 of the file          $expected"
echo "SHA-256 in the container     $actual"
echo "As fast as the container hashes:"
transfer "$took"

began=$(milliseconds)
bytes=$(run drain drain)
took=$(($(milliseconds) - began))
echo "As fast as the container only reads ($bytes bytes):"
transfer "$took"

if [[ $actual == "$expected" && $bytes == "$size" ]]; then
    echo OK
    cat <<'END'
Next: put the command in your path, and try your own image and file:
  export PATH="$PWD/target/release:$PATH"
  gantline run --image IMAGE --in x=FILE sha256sum {x}
  gantline init && gantline help job
END
else
    echo FAIL
    exit 1
fi
