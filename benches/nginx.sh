# nginx as a store: what the benches download from. It is sourced, after tests/env/common.sh.
# shellcheck shell=bash disable=SC2154  # `folder` is the bench's

# serve NAME LISTEN [WITHIN…]: nginx as the store, with the files from memory.
serve() {
    mkdir -p "$folder/tmp"
    cat >"$folder/$1.conf" <<END_OF_CONFIGURATION
daemon off;
worker_processes 1;
pid $1.pid;
error_log $1.err;
events { worker_connections 256; }
http {
  sendfile on; sendfile_max_chunk 0; tcp_nodelay on; access_log off;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
  default_type application/octet-stream;
  server {
    $2
    root www;
    location ~ ^/api/v1/file/(\w+)\$ { default_type application/json; try_files /api/v1/file/\$1/record =404; }
    location ~ ^/api/v1/file/\w+/download\$ { }
  }
}
END_OF_CONFIGURATION
    launch "$1" "${@:3}" nginx -p "$folder" -c "$1.conf"
}
