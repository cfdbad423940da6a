#!/usr/bin/env bash
# rivals.sh [--only CASE]… [--against BINARY] [--json FILE] [--list] [PAIRS]: times gantline against what else could be
# used, and against what the kernel allows, in pairs A B A B on this machine: five pairs, or PAIRS, and more of what is
# short. Prints the table, and writes it into benches/README.md (with --only the rows of those cases); progress goes to
# stderr. With --against another gantline takes the place of the rivals, and nothing is written. GANTLINE is the program,
# else the release build is made. Installs and starts what is missing, as tests/demo.sh does, and takes down what it
# started; the engine stays. It needs root, 12 GiB in /dev/shm and 6 GiB in TMPDIR.
set -euo pipefail

cd "$(dirname "$0")/.."
# shellcheck source=tests/env/common.sh
source tests/env/common.sh
# shellcheck source=benches/nginx.sh
source benches/nginx.sh

export PYTHONDONTWRITEBYTECODE=1
image=gantline-rivals-$$
measuring=
folder=
disk=
path=rivals-$$

clean_up() {
    local code=$? server
    trap - EXIT
    # Whatever cannot be taken down, the rest is.
    set +e
    stop_measuring
    # Before the folders, which they write into: the state is in one of them.
    land worker
    land worker-redis
    for server in nginx-far nginx nginx-many slow-store quick-store; do land "$server"; done
    # Only the one that was started here; another may run for tests.
    [[ -n $folder ]] && GANTLINE_TEST_STATE=$folder/state tests/env/girder.sh down
    [[ -n $folder ]] && GANTLINE_TEST_STATE=$folder/state tests/env/far.sh down "$path"
    if [[ -n $folder ]]; then rm -rf "$folder"; fi
    if [[ -n $disk ]]; then rm -rf "$disk"; fi
    tests/env/image.sh --remove "$image"
    exit "$code"
}

# Ends what is being measured, if that has not ended by itself, and the containers of it.
stop_measuring() {
    local container
    [[ -n $measuring ]] && kill -- "-$measuring" 2>/dev/null
    for container in $(docker ps -aq --filter "ancestor=$image:busybox" 2>/dev/null); do
        docker rm --force "$container" >/dev/null 2>&1
    done
    if [[ -n $measuring ]] && ! wait_for 20 "what is measured does not end" has_stopped; then
        kill -9 -- "-$measuring" 2>/dev/null
    fi
}

has_stopped() { ! kill -0 -- "-$measuring"; }

# wanted CASE…: whether one of these is to be measured.
wanted() {
    local case
    ((${#only[@]})) || return 0
    for case in "$@"; do
        if [[ " ${only[*]} " == *" $case "* ]]; then return; fi
    done
    return 1
}

# The files, which look random, and the record of each as Girder has it.
make_files() {
    local id more
    mkdir -p "$folder"/www/api/v1/file/{big,half,small,summed,far}
    say "making a file of 4 GiB in /dev/shm, and smaller ones"
    # openssl ends with an error when head has had enough.
    { openssl enc -aes-128-ctr -nosalt -K 67616e746c696e65 -iv 0 </dev/zero 2>/dev/null || true; } |
        head -c 4294967296 >"$folder/www/api/v1/file/big/download"
    head -c 2147483648 "$folder/www/api/v1/file/big/download" >"$folder/www/api/v1/file/half/download"
    head -c 33554432 "$folder/www/api/v1/file/big/download" >"$folder/www/api/v1/file/small/download"
    head -c 104857600 "$folder/www/api/v1/file/big/download" >"$folder/www/api/v1/file/far/download"
    ln "$folder"/www/api/v1/file/{half,summed}/download
    for id in big half small summed far; do
        more=
        if [[ $id == summed ]] && wanted checked; then
            more=",\"sha512\":\"$(sha512sum <"$folder/www/api/v1/file/summed/download" | cut -d ' ' -f 1)\""
        fi
        printf '{"_id":"%s","name":"%s.bin","size":%d,"created":"2026-01-01T00:00:00+00:00"%s}' "$id" "$id" \
            "$(stat -c %s "$folder/www/api/v1/file/$id/download")" "$more" >"$folder/www/api/v1/file/$id/record"
    done
}

# An authority, and a certificate of it for 127.0.0.1.
make_certificates() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=gantline rivals' \
        -keyout "$folder/ca.key" -out "$folder/ca.pem" 2>/dev/null
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=127.0.0.1' \
        -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -addext 'subjectAltName=IP:127.0.0.1' \
        -addext 'basicConstraints=critical,CA:FALSE' -keyout "$folder/server.key" -out "$folder/server.pem" 2>/dev/null
}

# A line with 50 ms there and back and 1 Gbit/s, and nginx at its far end.
make_long_path() {
    GANTLINE_TEST_STATE=$STATE tests/env/far.sh up "$path"
    serve nginx-far "listen 10.97.0.2:$port;" ip netns exec "$path-far"
    started nginx-far 10 ip netns exec "$path-near" bash -c "exec 3<>/dev/tcp/10.97.0.2/$port"
}

# girder_worker, as it is installed beside Girder, with a broker of its own.
start_worker() {
    local redis
    need redis-server
    redis=$(free_port)
    export GIRDER_WORKER_BROKER=redis://127.0.0.1:$redis/0 GIRDER_WORKER_BACKEND=redis://127.0.0.1:$redis/1
    launch worker-redis redis-server --port "$redis" --bind 127.0.0.1 --dir "$disk" --save '' --appendonly no
    started worker-redis 20 redis-cli -p "$redis" ping
    # With the folder for temporary volumes, so that it leaves nothing elsewhere.
    mkdir "$disk/worker"
    C_FORCE_ROOT=1 TMPDIR=$disk/worker launch worker "$python" -m celery -A girder_worker.app worker -c 1 -l info
    started worker 60 grep -q ' ready\.' "$STATE/worker.log"
}

only=()
pairs=5
json=()
against=()
while (($#)); do
    case $1 in
    --only) only+=("${2:?--only needs a case}") && shift 2 ;;
    --json) json=(--json "$(realpath "${2:?--json needs a file}")") && shift 2 ;;
    --against) against=("${2:?--against needs a program}") && shift 2 ;;
    --list)
        need python3
        exec python3 benches/rivals --list
        ;;
    [1-9]*) pairs=$1 && shift ;;
    *) usage "[--only CASE]… [--against BINARY] [--json FILE] [--list] [PAIRS]" ;;
    esac
done
need python3
known=$(python3 benches/rivals --list)
for case in "${only[@]}"; do
    grep -qxe "$case" <<<"$known" || die "there is no case $case, only: ${known//$'\n'/ }"
done

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
((EUID == 0)) || die "it makes network namespaces and flushes disks: run it as root"
need gcc nginx openssl curl wget ip /usr/bin/time
command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs"
tests/env/engine.sh up
tests/env/image.sh "$image"
if [[ -z ${GANTLINE-} ]]; then
    CARGO_TARGET_DIR=target cargo build --locked --release --quiet
    GANTLINE=target/release/gantline
fi
folder=$(mktemp -d -p /dev/shm gantline-rivals.XXXXXX)
disk=$(mktemp -d -t gantline-rivals.XXXXXX)
chmod 755 "$folder" "$disk"
STATE=$folder/state
(($(df --output=avail -B1 /dev/shm | tail -n 1) > 12 << 30)) || die "there are no 12 GiB free in /dev/shm"
# Everything here is on this machine.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
mkdir "$folder/bin" "$disk/tmp"
for source in benches/reference/*.c; do
    gcc -static -O2 -Wall -Wextra -o "$folder/bin/$(basename "$source" .c)" "$source"
done
make_files
make_certificates
port=$(free_port)
tls_port=$(free_port)
serve nginx "listen 127.0.0.1:$port; listen 127.0.0.1:$tls_port ssl; ssl_certificate server.pem; ssl_certificate_key server.key;"
started nginx 10 answers "http://127.0.0.1:$port/api/v1/file/small"

many_port=$(free_port)
slow_port=$(free_port)
taker_port=$(free_port)
if wanted small-many small-many-curl small-calls lookups planned; then
    need strace
    serve_many nginx-many "$many_port"
    started nginx-many 10 answers "http://127.0.0.1:$many_port/api/v1/folder/many"
fi
if wanted small-slow small-upload; then
    launch slow-store python3 benches/rivals/slow_store.py "$slow_port"
    started slow-store 10 answers "http://127.0.0.1:$slow_port/requests"
fi
if wanted large-upload; then
    launch quick-store python3 benches/rivals/quick_store.py "$taker_port"
    started quick-store 10 answers "http://127.0.0.1:$taker_port/"
fi
if wanted far; then need aria2c; fi
if wanted small-calls; then need perf; fi

real_girder=(girder-download girder-upload small-girder small-girder-client)
python=
if wanted girder-worker "${real_girder[@]}"; then python=$(tests/env/girder.sh python); fi
if wanted girder-worker; then start_worker; fi
if wanted "${real_girder[@]}"; then
    exports=$(GANTLINE_TEST_STATE=$STATE tests/env/girder.sh up)
    eval "$exports"
fi
if wanted long-path far; then make_long_path; fi

# In a session of its own, so that a signal ends all of it.
TMPDIR=$disk/tmp setsid python3 benches/rivals --pairs "$pairs" "${only[@]/#/--only=}" "${json[@]}" \
    --folder "$folder" --disk "$disk" --image "$image:busybox" --port "$port" --tls-port "$tls_port" \
    --python "$python" --near "$path-near" --girder "${GANTLINE_TEST_GIRDER:-}" --gantline "$GANTLINE" \
    --many-port "$many_port" --slow-port "$slow_port" --taker-port "$taker_port" "${against[@]/#/--against=}" &
measuring=$!
wait "$measuring"
