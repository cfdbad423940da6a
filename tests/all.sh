#!/usr/bin/env bash
# all.sh: runs every check of the project, against a real engine, registry, Girder and brokers. Installs and starts
# what is missing (Debian 12, as root), and takes down what it started. The exit code says whether all is well.
# shellcheck disable=SC2317  # what is called by `check` and by `trap`
set -euo pipefail

cd "$(dirname "$0")/.."
# What it starts, and every temporary file of the tests, is in one folder of this call.
GANTLINE_TEST_STATE=$(mktemp -d -t gantline-all.XXXXXX)
export GANTLINE_TEST_STATE
# Some tests are another user's, who is to reach what is his below.
chmod 711 "$GANTLINE_TEST_STATE"
# shellcheck source=tests/env/common.sh
source tests/env/common.sh

take_down() {
    local code=$?
    trap - EXIT
    # With the compilers that it has started.
    if [[ -n ${fuzzing-} ]]; then kill -- "-$fuzzing" 2>/dev/null || true; fi
    tests/env/registry.sh down || true
    tests/env/girder.sh down || true
    tests/env/girder.sh down redis || true
    tests/env/girder.sh down amqp || true
    tests/env/brokers.sh down || true
    tests/env/engine.sh down || true
    rm -rf "$GANTLINE_TEST_STATE"
    exit "$code"
}
trap take_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

summary=()
failed=0

# check NAME COMMAND…: runs one check; the others run as well when it fails.
check() {
    local name=$1 began=$SECONDS result=ok
    shift
    echo "=== $name: $*"
    if ! "$@"; then
        result=FAILED
        failed=1
    fi
    summary+=("$(printf '%-8s %4d s  %s' "$result" $((SECONDS - began)) "$name")")
}

# Nothing is left: no temporary file, no container whose command is gone.
nothing_left() {
    local left deadline=$((SECONDS + 30))
    # An engine or a script of a test that was told to end may be at it still.
    while left=$(what_is_left); [[ -n $left ]]; do
        if ((SECONDS >= deadline)); then
            echo "left behind: $left"
            # A log is read from its end.
            summary+=("left behind: ${left//$'\n'/ }")
            return 1
        fi
        sleep 1
    done
}

what_is_left() {
    local container pid
    find "$TMPDIR" -mindepth 1 -maxdepth 4 -printf '%P (%TT)\n'
    for container in $(docker ps -aq --filter label=gantline.pid); do
        if [[ $there_before == *"$container"* ]]; then continue; fi
        pid=$(docker inspect --format '{{ index .Config.Labels "gantline.pid" }}' "$container" 2>/dev/null) || continue
        if [[ ! -d /proc/$pid ]]; then
            docker inspect --format 'container {{ .Name }} {{ .State.Status }} {{ .Created }} {{ .Path }} {{ .Args }}' "$container"
        fi
    done
}

# One or two that fail are run again three times, to say whether they fail always or now and then. The whole has failed
# in either case: a test that fails now and then is a fault.
the_tests() {
    local failed again=() test binary name
    nextest 2>&1 | tee "$GANTLINE_TEST_STATE/tests.log" && return
    mapfile -t failed < <(which_failed | sed 's/.*) //' | sort -u)
    if ((${#failed[@]} < 1 || ${#failed[@]} > 2)); then return 1; fi
    for test in "${failed[@]}"; do
        read -r binary name <<<"$test"
        again+=(-E "binary_id($binary) and test(=$name)")
    done
    if nextest --stress-count 3 "${again[@]}"; then
        summary+=("${failed[@]/#/failed once, and then passed three times: }")
    fi
    return 1
}

nextest() { cargo nextest run --locked --all-features --profile ci --color never "$@"; }

# A line of nextest's for each.
which_failed() {
    awk '/^ *Summary \[/ { ended = 1; next } ended && /^ +[A-Z][A-Z0-9\/ ]* \[ *[0-9.]+s\]/' "$GANTLINE_TEST_STATE/tests.log"
}

# Which tests failed, and the words of each: a log is read from its end.
what_failed() {
    which_failed
    awk '/ panicked at / { words = 8 } /stack backtrace:|RUST_BACKTRACE|^ *$/ { words = 0 }
        words-- > 0 && !seen[$0]++ { print substr($0, 1, 300) }' "$GANTLINE_TEST_STATE/tests.log" | head -n 60
}

# What times the rivals takes too long to be run here, but is not broken.
rivals_are_whole() {
    gcc -fsyntax-only -Wall -Wextra -Werror benches/reference/*.c && benches/rivals.sh --list
}

target_folder() { cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'; }

# With what was built for the tests, and few bytes: that it works, not how fast.
the_demo() {
    local target
    target=$(target_folder)
    GANTLINE=$target/debug/gantline MIB=16 tests/demo.sh
}

# What an embedder takes: the library without features, whose dependencies do not grow unnoticed. The tests bring
# features of their own to the dependencies, so the library is looked at without them first.
the_library_by_itself() {
    local most=108 crates
    crates=$(cargo tree --locked -e normal --no-default-features --prefix none --no-dedupe | sort -u | wc -l)
    echo "$crates crates without features"
    if ((crates > most)); then
        echo "at most $most are wanted: cargo tree -e normal --no-default-features"
        return 1
    fi
    cargo clippy --locked --no-default-features --lib -- -D warnings &&
        cargo clippy --locked --no-default-features --all-targets -- -D warnings &&
        the_face
}

# What the worker takes beside that. And that whatever the command takes, the C that is compiled is ring's alone, and no
# library of the system is linked: so the command can be static (docker::run_static).
the_workers_dependencies() {
    local most=60 without with compiled everything=(--locked -e normal,build --all-features --prefix none)
    without=$(cargo tree --locked -e normal --no-default-features --prefix none --no-dedupe | sort -u | wc -l)
    with=$(cargo tree --locked -e normal --no-default-features --features worker --prefix none --no-dedupe | sort -u | wc -l)
    echo "$((with - without)) crates more for the worker"
    if ((with - without > most)); then
        echo "at most $most are wanted: cargo tree -e normal --no-default-features --features worker"
        return 1
    fi
    compiled=$(cargo tree "${everything[@]}" --depth 1 -i cc | sed 1d | cut -d ' ' -f 1 | sort -u)
    if [[ $compiled != ring ]]; then
        echo "C is compiled for: $compiled"
        return 1
    fi
    if cargo tree "${everything[@]}" -i pkg-config 2>/dev/null; then
        echo "a library of the system is linked: the command could not be static"
        return 1
    fi
}

# What it shows to those who embed it, without a warning. Rustdoc alone is told that it may do what is not stable: if
# the compiler were told so, every dependency would be built anew.
the_face() {
    local rustdoc=$GANTLINE_TEST_STATE/rustdoc
    printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n' >"$rustdoc"
    chmod +x "$rustdoc"
    RUSTDOCFLAGS="-D warnings" RUSTDOC=$rustdoc cargo rustdoc --locked --no-default-features --lib \
        -- -Z unstable-options --output-format json &&
        tests/face.py "${CARGO_TARGET_DIR:-target}/doc/gantline.json" Cargo.lock
}

# Whether Cargo.lock, or what may be in it, is another than in the commit that landed last: main, or the one before.
dependencies_changed() {
    local landed
    landed=$(git rev-parse --quiet --verify origin/main || git rev-parse --quiet --verify main) || return 0
    if [[ $landed == "$(git rev-parse HEAD)" ]]; then
        landed=$(git rev-parse --quiet --verify HEAD^) || return 0
    fi
    ! git diff --quiet "$landed" -- Cargo.lock .cargo/deny.toml
}

# Licences, banned crates, and where crates come from. Only for new dependencies: it takes minutes to install.
dependencies_are_fit() {
    cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
    cargo deny --locked check bans licenses sources
}

# What is published builds by itself, and passes what it can show without an engine. The dependencies are the ones that
# are built already; its own code is new each time (`tar -m`), so that nothing is taken from an earlier one. What is run is
# not looked at before.
the_package() {
    local package=$GANTLINE_TEST_STATE/package target
    target=$(target_folder)
    mkdir -p "$package"
    rm -f "$target/package/gantline-"*.crate
    cargo package --locked --allow-dirty --no-verify &&
        tar -xmf "$target/package/gantline-"*.crate -C "$package" --strip-components 1 &&
        (export CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0 && cd "$package" &&
            cargo check --locked --bins --examples --benches --test '*' && cargo nextest run --locked --lib --test it --profile ci \
                -E 'kind(lib) + test(/^(cli|message|plan|spec)/)')
}

# They are built and run beside the checks whose compilers have one thread, which leaves a processor to others, and wait
# while the tests run, which leave none. There is no unsafe code for a sanitizer to watch, and without one they are built
# and run in a fraction of the time.
begin_fuzz_targets() {
    mkdir "$GANTLINE_TEST_STATE/fuzz"
    # As a process group; a session would have a share of the processors of its own, whatever its priority.
    set -m
    TMPDIR=$GANTLINE_TEST_STATE/fuzz bash -c each_fuzz_target &>"$GANTLINE_TEST_STATE/fuzz.log" </dev/null &
    fuzzing=$!
    set +m
}

each_fuzz_target() {
    local programs
    programs=fuzz/target/$(rustc -vV | sed -n 's/^host: //p')/release
    RUSTC_BOOTSTRAP=1 nice -n 19 cargo fuzz build --sanitizer none || return
    while [[ ! -e $GANTLINE_TEST_STATE/tested ]]; do sleep 1; done
    cargo fuzz list | nice -n 5 xargs -I '{}' bash -c 'one_fuzz_target "$@"' - "$programs" '{}'
}

fuzz_targets_have_ended() {
    local code=0
    wait "$fuzzing" || code=1
    cat "$GANTLINE_TEST_STATE/fuzz.log"
    return "$code"
}

# one_fuzz_target PROGRAMS TARGET: runs it for 10 s.
one_fuzz_target() {
    local code=0 ours corpus=$GANTLINE_TEST_STATE/corpus/$2
    mkdir -p "$corpus" "fuzz/artifacts/$2"
    # New inputs go to the first folder; the second holds ours.
    mapfile -t ours < <(find "fuzz/corpus/$2" -maxdepth 0 2>/dev/null)
    "$1/$2" "-artifact_prefix=fuzz/artifacts/$2/" -max_total_time=10 "$corpus" "${ours[@]}" &>"$corpus.log" || code=1
    printf -- '--- %s\n%s\n' "$2" "$(cat "$corpus.log")"
    return "$code"
}
export -f each_fuzz_target one_fuzz_target

command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs"
need cc python3 nginx openssl ip systemd-analyze tinyproxy podman
cargo nextest --version >/dev/null 2>&1 || cargo install cargo-nextest --locked
if [[ -d fuzz ]]; then
    need g++
    cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
fi
tests/env/engine.sh up
# An engine that was there may have had some of others.
there_before=$(docker ps -aq)
tests/env/image.sh
exports=$(tests/env/girder.sh up && tests/env/registry.sh up && tests/env/brokers.sh up)
eval "$exports"
# A Girder for each broker, whose jobs the worker runs.
exports=$(tests/env/girder.sh up redis "$GANTLINE_TEST_REDIS/0" "$GANTLINE_TEST_REDIS/0" \
    && tests/env/girder.sh up amqp "$GANTLINE_TEST_AMQP//" rpc://)
eval "$exports"
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
export TMPDIR=$GANTLINE_TEST_STATE/tmp
mkdir "$TMPDIR"

# What a second build would be quicker by makes a first one slower.
if [[ ! -d $(target_folder)/debug/incremental ]]; then export CARGO_INCREMENTAL=0; fi
if [[ -d fuzz ]]; then begin_fuzz_targets; fi
check "format" cargo fmt --check
check "lints" cargo clippy --locked --all-targets --all-features -- -D warnings
check "library by itself" the_library_by_itself
check "worker's dependencies" the_workers_dependencies
if dependencies_changed; then check "dependencies" dependencies_are_fit; fi
check "tests" the_tests
touch "$GANTLINE_TEST_STATE/tested"
# Each bench once, untimed, so that none rots.
check "benches" cargo test --locked --benches
check "rivals" rivals_are_whole
check "demo" the_demo
check "nothing left" nothing_left
check "package" the_package
check "doc tests" cargo test --locked --doc
check "docs" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --all-features
if [[ -d fuzz ]]; then check "fuzz targets" fuzz_targets_have_ended; fi

echo "=== summary"
printf '%s\n' "${summary[@]}"
what_failed
exit "$failed"
