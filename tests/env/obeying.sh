# shellcheck shell=bash
# What the scripts share whose engine is one test's, which stops and starts it; sourced by each. It has `start`, which
# says in `service` which process the engine is.

service=

# stop SIGNAL: when it comes back, the engine is gone.
stop() {
    [[ -n $service ]] || return
    kill "-$1" "$service" 2>/dev/null
    wait "$service" 2>/dev/null
    service=
}

# obey: says `done` once for what was done before, then after each command, a line of standard input.
obey() {
    local command
    echo done
    while read -r command; do
        case $command in
        start) start ;;
        term) stop TERM ;;
        kill) stop KILL ;;
        esac
        echo done
    done
}

# unmount FOLDER…: whatever is mounted below them.
unmount() {
    local folder
    for folder in "$@"; do
        awk -v under="$folder/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
            xargs -r umount -l 2>/dev/null
    done
}
