#!/usr/bin/env bash
# worker.sh [PAIRS]: times `gantline worker` against Girder Worker, in pairs on one Redis of its own: an empty job from
# .delay() to .get(), 256 MiB through a pipe, and what an idle worker holds in memory. It needs the engine; GANTLINE is
# the program, else the release build is made.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/env/common.sh
source tests/env/common.sh
# shellcheck source=benches/nginx.sh
source benches/nginx.sh
# shellcheck source=benches/begin.sh
source benches/begin.sh

begin worker nginx redis-server python3
python=$(tests/env/girder.sh python)
mkdir -p "$folder/www/api/v1/file/file"
head -c 256M /dev/urandom >"$folder/www/api/v1/file/file/download"
echo '{"_id": "file", "_modelType": "file", "name": "file", "size": 268435456}' >"$folder/www/api/v1/file/file/record"
port=$(free_port)
serve nginx "listen 127.0.0.1:$port;"
started nginx 10 answers "http://127.0.0.1:$port/api/v1/file/file"
redis=$(free_port)
launch redis redis-server --port "$redis" --bind 127.0.0.1 --dir "$folder" --save '' --appendonly no
started redis 20 redis-cli -p "$redis" ping
GIRDER_WORKER_BROKER=redis://127.0.0.1:$redis GIRDER_WORKER_BACKEND=redis://127.0.0.1:$redis TMPDIR=$folder/tmp \
    C_FORCE_ROOT=1 "$python" benches/worker.py "$GANTLINE" "http://127.0.0.1:$port/api/v1" "${1:-10}"
