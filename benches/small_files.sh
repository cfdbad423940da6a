#!/usr/bin/env bash
# small_files.sh [--against BINARY] [--only CASE]… [PAIRS]: many small files down and up, and a checked download, in
# pairs A B A B (three, or PAIRS) on this machine, against an older gantline, and against what each case is measured by:
# a client of four kept connections that makes the same requests, `openssl dgst`, `curl -T`. It needs the engine, and 3 GiB in
# /dev/shm; GANTLINE is the program, else the release build is made. Prints a table; five minutes with three pairs.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/env/common.sh
source tests/env/common.sh
# shellcheck source=benches/begin.sh
source benches/begin.sh

export PYTHONDONTWRITEBYTECODE=1
begin small nginx python3 openssl gcc
gcc -O2 -Wall -o "$folder/keepalive" benches/reference/keepalive.c -lpthread
port=$(free_port)
python3 benches/small_files/tree.py "$folder/www"
cat >"$folder/nginx.conf" <<END
daemon off;
worker_processes 1;
pid nginx.pid;
error_log nginx.err;
events { worker_connections 256; }
http {
  sendfile on; tcp_nodelay on; access_log off; keepalive_requests 1000000;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  default_type application/json;
  server {
    listen 127.0.0.1:$port;
    root www;
    location = /api/v1/folder { return 200 '[]'; }
    location ~ ^/api/v1/folder/many$ { return 200 '{"_id": "many", "name": "many"}'; }
    location = /api/v1/item { try_files /items/\$arg_offset /items/none; }
    location ~ ^/api/v1/item/(?<id>[^/]+)/files$ {
      return 200 '[{"_id": "\$id", "name": "\$id.bin", "size": 2048}]';
    }
    location = /api/v1/file/large { try_files /large.json =404; }
    location = /api/v1/file/large/download { try_files /large =404; }
    location ~ ^/api/v1/file/[^/]+/download$ { try_files /small =404; }
  }
}
END
launch nginx nginx -p "$folder" -c nginx.conf
started nginx 10 answers "http://127.0.0.1:$port/api/v1/file/large"
store=$(free_port)
launch store python3 benches/small_files/store.py "$store"
started store 10 answers "http://127.0.0.1:$store/requests"
taker=$(free_port)
launch taker python3 benches/small_files/quick.py "$taker"
started taker 10 answers "http://127.0.0.1:$taker/"
TMPDIR=$folder/tmp python3 benches/small_files/measure.py --program "$GANTLINE" --folder "$folder" \
    --port "$port" --store "$store" --taker "$taker" "$@"
