#!/usr/bin/env bash
# brokers.sh up: a real RabbitMQ and a real Redis on free loopback ports, with data folders of their own; prints
# the lines that export GANTLINE_TEST_AMQP and GANTLINE_TEST_REDIS (URLs without a path: the tests make vhosts and
# take databases themselves), GANTLINE_TEST_RABBITMQCTL, the command that administers the RabbitMQ, and
# GANTLINE_TEST_PYTHON, a Python with Celery and girder_worker, and GANTLINE_TEST_WARM_PYTHON, the socket where the same
# Python runs scripts at once (warm_python.py).
# brokers.sh down: stops both and removes their data.
set -euo pipefail
# shellcheck source=tests/env/common.sh
source "$(dirname "$0")/common.sh"

data=$STATE/brokers

# Debian's wrappers in /usr/sbin change the user and lose the environment: what they wrap is called.
rabbitmq=/usr/lib/rabbitmq/bin

# The settings of the node, for the server and for rabbitmqctl. Erlang's port mapper is one for a machine by
# default, and stays behind: ours has a port of its own and is stopped. The cookie lies in HOME.
rabbitmq_environment() {
    local port=$1 mapper=$2
    cat <<END
export HOME='$data' RABBITMQ_NODENAME=gantline-$port@localhost RABBITMQ_NODE_PORT=$port RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
export RABBITMQ_DIST_PORT=$3 ERL_EPMD_PORT=$mapper ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_MNESIA_BASE='$data/mnesia' RABBITMQ_LOG_BASE='$data/log' RABBITMQ_LOGS='$data/log/rabbitmq.log'
export RABBITMQ_PID_FILE='$data/rabbitmq.pid' RABBITMQ_ENABLED_PLUGINS_FILE='$data/plugins'
export RABBITMQ_CONFIG_FILE='$data/rabbitmq' RABBITMQ_CONF_ENV_FILE='$data/none'
# Two schedulers and no busy waiting: the machine is for the tests.
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}'
END
}

start_rabbitmq() {
    local port mapper
    port=$(free_port)
    mapper=$(free_port)
    rabbitmq_environment "$port" "$mapper" "$(free_port)" >"$data/environment"
    echo '[].' >"$data/plugins"
    # The test that no memory or disk is left must not be the tests'.
    printf '%s\n' 'disk_free_limit.absolute = 1MB' 'vm_memory_high_watermark.absolute = 4GB' >"$data/rabbitmq.conf"
    cat >"$data/rabbitmqctl" <<END
#!/bin/sh
. '$data/environment'
exec $rabbitmq/rabbitmqctl --quiet "\$@"
END
    chmod +x "$data/rabbitmqctl"
    launch epmd epmd -port "$mapper" -address 127.0.0.1
    # shellcheck disable=SC2016
    launch rabbitmq sh -c '. "$0"; exec "$1"' "$data/environment" "$rabbitmq/rabbitmq-server"
    started rabbitmq 120 listens "$port"
    "$data/rabbitmqctl" await_startup >/dev/null
    echo "amqp://guest:guest@127.0.0.1:$port" >"$data/amqp"
}

# Each test has a database of its own.
start_redis() {
    local port
    port=$(free_port)
    launch broker-redis redis-server --port "$port" --bind 127.0.0.1 --dir "$data" --save '' --appendonly no \
        --databases 4096
    started broker-redis 20 redis-cli -p "$port" ping
    echo "redis://127.0.0.1:$port" >"$data/redis"
}

start_warm_python() {
    launch warm-python "$("$(dirname "$0")/girder.sh" python)" "$(dirname "$0")/warm_python.py" "$data/warm-python"
    started warm-python 60 test -S "$data/warm-python"
}

# listens PORT: whether somebody takes connections there.
listens() { python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)' "$1"; }

up() {
    if ! { is_up rabbitmq && is_up broker-redis && is_up warm-python && [[ -e $data/redis ]]; }; then
        down
        # What has not come up as a whole goes down.
        trap down EXIT
        need redis-server "$rabbitmq/rabbitmq-server" epmd python3
        "$(dirname "$0")/girder.sh" python >/dev/null
        mkdir -p "$data"
        start_rabbitmq
        start_redis
        start_warm_python
        trap - EXIT
    fi
    echo "export GANTLINE_TEST_AMQP=$(cat "$data/amqp")"
    echo "export GANTLINE_TEST_REDIS=$(cat "$data/redis")"
    echo "export GANTLINE_TEST_RABBITMQCTL=$data/rabbitmqctl"
    echo "export GANTLINE_TEST_PYTHON=$("$(dirname "$0")/girder.sh" python)"
    echo "export GANTLINE_TEST_WARM_PYTHON=$data/warm-python"
}

down() {
    land rabbitmq
    land epmd
    land broker-redis
    land warm-python
    rm -rf "$data"
}

case ${1:-} in
up) up ;;
down) down ;;
*) usage "up|down" ;;
esac
