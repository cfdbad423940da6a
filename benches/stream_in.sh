#!/usr/bin/env bash
# stream_in.sh [PAIRS]: `gantline run` against the reference program, in pairs A B A B on one file of 4 GiB that
# nginx serves from memory: plain HTTP into a FIFO that a container reads. Prints the table that README shows.
# Installs and starts what is missing, as tests/demo.sh does, and takes down what it started.
set -euo pipefail

cd "$(dirname "$0")/.."
# shellcheck source=tests/env/common.sh
source tests/env/common.sh

image=gantline-bench
folder=

clean_up() {
    local code=$?
    trap - EXIT
    if [[ -n $folder ]]; then
        if [[ -e $folder/nginx.pid ]]; then kill "$(cat "$folder/nginx.pid")" || true; fi
        rm -rf "$folder"
    fi
    tests/env/image.sh --remove "$image"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

need gcc python3 nginx openssl /usr/bin/time
tests/env/engine.sh up
tests/env/image.sh "$image"
CARGO_TARGET_DIR=target cargo build --locked --release --quiet
folder=$(mktemp -d -p /dev/shm gantline-bench.XXXXXX)
chmod 755 "$folder"
gcc -O2 -Wall -Wextra -o "$folder/splice_in" benches/reference/splice_in.c

port=$(free_port)
mkdir -p "$folder/www/api/v1/file/big" "$folder/tmp"
# openssl ends with an error when head has had enough.
{ openssl enc -aes-128-ctr -nosalt -K 67616e746c696e65 -iv 0 </dev/zero 2>/dev/null || true; } |
    head -c 4294967296 >"$folder/www/api/v1/file/big/download"
cat >"$folder/nginx.conf" <<END
worker_processes 1;
pid nginx.pid;
error_log nginx.err;
events { worker_connections 64; }
http {
  sendfile on; sendfile_max_chunk 0; tcp_nodelay on; access_log off;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  default_type application/octet-stream;
  server {
    listen 127.0.0.1:$port;
    root www;
    location = /api/v1/file/big {
      default_type application/json;
      return 200 '{"_id":"big","name":"big.bin","size":4294967296}';
    }
    location = /api/v1/file/big/download { }
  }
}
END
nginx -p "$folder" -c nginx.conf
python3 benches/stream_in.py "$folder" "$port" "$image:busybox" "${1:-5}"
