#!/usr/bin/env bash
# trials.sh [KILLS [RESTARTS]]: what the tests of `docker/trials` show, for longer: so many runs that are killed (200), and
# so many engines that are started again (100), at random moments. Minutes each. It needs what `cargo nextest run --test
# docker` needs. The seeds are said; GANTLINE_TEST_SEED=… begins with one of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo test --locked --all-features --test docker --no-run
trials() { GANTLINE_TEST_TRIALS=$1 cargo test --locked --all-features --test docker -- --nocapture "trials::$2"; }
code=0
trials "${1:-200}" kill || code=1
trials "${2:-100}" restart || code=1
exit "$code"
