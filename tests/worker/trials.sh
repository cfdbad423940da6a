#!/usr/bin/env bash
# trials.sh [BROKER [TRIAL…]]: what the worker's tests show, for longer: tests/worker/python/trials.py names the trials.
# BROKER is amqp, redis or both. It starts a RabbitMQ and a Redis of its own, which it also restarts, and needs the engine
# and the image of tests/env. GANTLINE is the program, else target/debug/gantline; with GANTLINE_TEST_GIRDER_AMQP and
# GANTLINE_TEST_GIRDER_REDIS set, one more kills workers of their brokers, and those of `cargo nextest` run as well: RUNS
# times the cases (20), a Girder and a broker that are away for 20 s, and on RabbitMQ what is tested on Redis alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
GANTLINE=${GANTLINE:-$PWD/target/debug/gantline}
given_amqp=${GANTLINE_TEST_AMQP-} given_redis=${GANTLINE_TEST_REDIS-}
GANTLINE_TEST_STATE=$(mktemp -d -t gantline-trials.XXXXXX)
export GANTLINE GANTLINE_TEST_STATE PYTHONDONTWRITEBYTECODE=1

take_down() {
    tests/env/brokers.sh down || true
    rm -rf "$GANTLINE_TEST_STATE"
}
trap take_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

brokers=${1:-both}
if [[ $brokers == both ]]; then brokers="amqp redis"; fi
failed=0
exports=$(tests/env/brokers.sh up)
own=$exports
if [[ -n ${GANTLINE_TEST_GIRDER_AMQP-} && -n ${GANTLINE_TEST_GIRDER_REDIS-} && -n $given_amqp ]]; then
    export TRIAL_GIRDERS_AMQP=$given_amqp TRIAL_GIRDERS_REDIS=$given_redis
fi
for broker in $brokers; do
    (
        eval "$own"
        "$GANTLINE_TEST_PYTHON" tests/worker/python/trials.py "$broker" "${@:2}"
    ) || failed=1
done
if [[ $# -lt 2 && -n ${TRIAL_GIRDERS_AMQP-} ]]; then
    export GANTLINE_TEST_AMQP=$given_amqp GANTLINE_TEST_REDIS=$given_redis
    GANTLINE_TEST_AWAY=20 cargo nextest run --locked --test worker troubles:: || failed=1
    GANTLINE_TEST_ONE_BROKER=amqp cargo nextest run --locked --test worker one:: || failed=1
    for ((run = 1; run <= ${RUNS:-20}; run++)); do
        cargo nextest run --locked --test worker --no-fail-fast cases:: jobs:: 2>&1 | tail -3 || failed=1
    done
fi
exit "$failed"
