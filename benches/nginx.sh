# nginx as a store: what the benches download from. It is sourced, after tests/env/common.sh.
# shellcheck shell=bash disable=SC2154  # `folder` is the bench's

# serve NAME LISTEN [WITHIN…]: nginx as the store, with the files from memory.
serve() {
    configured "$1" "$2" www <<'END_OF_SERVER'
    sendfile_max_chunk 0;
    location ~ ^/api/v1/file/(\w+)$ { default_type application/json; try_files /api/v1/file/$1/record =404; }
    location ~ ^/api/v1/file/\w+/download$ { }
END_OF_SERVER
    launch "$1" "${@:3}" nginx -p "$folder" -c "$1.conf"
}

# serve_many NAME PORT: nginx as a store with a folder of many small files, as small_tree.py makes it.
serve_many() {
    python3 benches/rivals/small_tree.py "$folder/many"
    configured "$1" "listen 127.0.0.1:$2;" many <<'END_OF_SERVER'
    keepalive_requests 1000000;
    default_type application/json;
    location = /api/v1/folder { return 200 '[]'; }
    location ~ ^/api/v1/folder/many$ { return 200 '{"_id": "many", "name": "many"}'; }
    location = /api/v1/item { try_files /items/$arg_offset /items/none; }
    location ~ ^/api/v1/item/(?<id>[^/]+)/files$ {
      return 200 '[{"_id": "$id", "name": "$id.bin", "size": 2048}]';
    }
    location ~ ^/api/v1/file/[^/]+/download$ { try_files /small =404; }
END_OF_SERVER
    launch "$1" nginx -p "$folder" -c "$1.conf"
}

# configured NAME LISTEN ROOT <LOCATIONS: writes NAME.conf.
configured() {
    mkdir -p "$folder/tmp"
    cat >"$folder/$1.conf" <<END_OF_CONFIGURATION
daemon off;
worker_processes 1;
pid $1.pid;
error_log $1.err;
events { worker_connections 256; }
http {
  sendfile on; tcp_nodelay on; access_log off;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  default_type application/octet-stream;
  server {
    $2
    root $3;
$(cat)
  }
}
END_OF_CONFIGURATION
}
