# shellcheck shell=bash
# Writers on all sides of N failovers.

client=${THREADKEEP_HA_CLIENT:-psql}
writers=${THREADKEEP_HA_WRITERS:-4}

# Who writes is in lib/client-NAME.bash, which defines
#   client_prepare              once, before: makes room to write, empty
#   client_write WRITER FILE    until $dir/load/stop exists: writes 1, 2, 3, ... in
#                               the name of WRITER; after each acknowledged one
#                               appends "MICROSECONDS NUMBER" to FILE; after an error
#                               tries the same number again, for ever
#   client_present WRITER       afterwards: the numbers that are there, one a line
# shellcheck disable=SC1090
use_client() {
    local file=$here/lib/client-$client.bash
    [[ -r $file ]] || fail "no such client: $client"
    source "$file"
}

load() {
    local count=${1:?how many failovers} cut=''
    [[ ${2:-} != --cut ]] || cut=${3:?seconds}
    wait_healthy
    say "$writers writers ($client), $count failovers, mode $(current_mode)${cut:+, replication cut $cut s before}"
    start_writers
    fail_over "$count" "$cut"
    stop_writers
    report
}

start_writers() {
    local writer
    use_client
    rm -f "$dir"/load/*
    client_prepare
    writer_pids=()
    for ((writer = 1; writer <= writers; writer++)); do
        : >"$dir/load/acked.$writer"
        client_write "$writer" "$dir/load/acked.$writer" 2>>"$dir/log/writer$writer.log" &
        writer_pids+=($!)
    done
    : >"$dir/load/kills"
    trap 'touch "$dir/load/stop"' EXIT
}

stop_writers() {
    touch "$dir/load/stop"
    wait_for 60 "the end of the writers" all_gone "${writer_pids[@]}"
}

all_gone() {
    local pid
    for pid in "$@"; do gone "$pid" || return 1; done
}

fail_over() {
    local count=$1 cut=$2 turn before
    for ((turn = 1; turn <= count; turn++)); do
        # Anywhere between two turns of Patroni's loop, which takes 5 s.
        sleep "$((2 + RANDOM % 5)).$((RANDOM % 10))"
        if [[ -n $cut ]]; then
            cut_replication
            sleep "$cut"
        fi
        kill_leader
        echo "$killed_at $killed_node" >>"$dir/load/kills"
        wait_for 120 "another leader" leader
        before=$(acked_count)
        wait_for 60 "another acknowledged write" acked_more_than "$before"
        sleep 2
        revive
    done
}

acked_count() { cat "$dir"/load/acked.* | wc -l; }
acked_more_than() { (($(acked_count) > $1)); }
