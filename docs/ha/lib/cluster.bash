# shellcheck shell=bash
# Starting, asking, stopping.

start_etcd() {
    local node=$1 client peer
    client=http://127.0.0.1:$(etcd_port "$node")
    peer=http://127.0.0.1:$(etcd_peer_port "$node")
    # Slow disks delay etcd's heartbeats, and its defaults (100 and 1000) are
    # for a disk of its own. Patroni's ttl leaves room for more.
    start "etcd$node" etcd --name "etcd$node" --data-dir "$dir/etcd$node/data" \
        --listen-client-urls "$client" --advertise-client-urls "$client" \
        --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
        --initial-cluster "$(etcd_members)" --initial-cluster-state new \
        --initial-cluster-token threadkeep-ha \
        --heartbeat-interval 250 --election-timeout 2500 \
        --logger zap --log-outputs stderr
}

start_patroni() { start "patroni$1" patroni "$dir/node$1/patroni.yml"; }

etcd_healthy() { ETCDCTL_API=3 etcdctl --endpoints "$(etcd_hosts)" endpoint health; }

cluster_up() {
    local mode=$1 node began=$SECONDS
    check_mode "$mode"
    make_folder
    say "three etcd members"
    for node in "${nodes[@]}"; do start_etcd "$node"; done
    wait_for 60 "etcd with all its members" etcd_healthy
    say "the first PostgreSQL under Patroni"
    start_patroni 1
    wait_for 120 "a first leader" patroni_says 1 primary
    sql 1 "CREATE ROLE threadkeep LOGIN PASSWORD '$(cat "$dir/threadkeep.secret")'"
    sql 1 "CREATE DATABASE threadkeep OWNER threadkeep"
    say "its standbys"
    for node in "${nodes[@]:1}"; do start_patroni "$node"; done
    # Only now: a first server in strict mode would wait for standbys for ever.
    set_mode "$mode"
    wait_healthy
    say "up after $((SECONDS - began)) s"
    cluster_status
    threadkeep_url
}

check_mode() {
    case $1 in
        async | sync | strict) ;;
        *) fail "no such mode: $1 (async, sync, strict)" ;;
    esac
}

current_mode() { cat "$dir/mode"; }

# Patroni's own settings live in etcd; any node's Patroni passes them on.
set_mode() {
    local sync=false strict=false node
    check_mode "$1"
    [[ $1 == async ]] || sync=true
    [[ $1 != strict ]] || strict=true
    patroni_setting "{\"synchronous_mode\": $sync, \"synchronous_mode_strict\": $strict}"
    echo "$1" >"$dir/mode"
}

patroni_setting() {
    local node
    node=$(leader) || fail "nobody leads"
    curl -fsS -m 5 -o /dev/null -X PATCH -d "$1" "http://127.0.0.1:$(rest_port "$node")/config"
}

# All standbys stream (and not only a first copy of them does), and where replication is to be synchronous both
# PostgreSQL and Patroni know who the synchronous standby is.
healthy() {
    local leads streaming waited
    leads=$(leader) || return 1
    streaming=$(sql "$leads" "SELECT count(*) FROM pg_stat_replication
        WHERE state = 'streaming' AND application_name LIKE 'node%'")
    ((streaming == ${#nodes[@]} - 1)) || return 1
    waited=$(sql "$leads" "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
    if [[ $(current_mode) == async ]]; then
        ((waited == 0))
    else
        ((waited == 1)) && sync_standby
    fi
}

sync_standby() {
    local node
    for node in "${nodes[@]}"; do
        if patroni_says "$node" sync; then
            echo "$node"
            return
        fi
    done
    return 1
}

wait_healthy() { wait_for 180 "a leader with ${#nodes[@]} healthy servers" healthy; }

cluster_status() {
    need_cluster
    echo "mode: $(current_mode)"
    ETCDCTL_API=3 etcdctl --endpoints "$(etcd_hosts)" endpoint status -w table 2>/dev/null || true
    LC_ALL=C.UTF-8 patronictl -c "$dir/node1/patroni.yml" list
}

revive() {
    local node began
    began=$(now)
    for node in "${nodes[@]}"; do pid_of "etcd$node" >/dev/null || start_etcd "$node"; done
    for node in "${nodes[@]}"; do pid_of "patroni$node" >/dev/null || start_patroni "$node"; done
    wait_healthy
    say "all well again after $(seconds $(($(now) - began))) s"
}

cluster_down() {
    [[ -e $dir || -L $dir ]] || return 0
    need_own_folder
    local node pid
    touch "$dir/load/stop"
    # Patroni first, it would start again what is stopped under it.
    for node in "${nodes[@]}"; do end_now "patroni$node"; done
    for node in "${nodes[@]}"; do
        if pid=$(postmaster_of "$node"); then
            kill -QUIT "$pid" 2>/dev/null || true
            wait_for 30 "the end of server $node" gone "$pid"
        else
            remove_leftovers "$node"
        fi
    done
    for node in "${nodes[@]}"; do end_now "etcd$node"; done
    rm -rf -- "$dir"
    say "stopped, $dir removed"
}

gone() { [[ ! -d /proc/$1 ]] || grep -q '^State:.Z' "/proc/$1/status"; }

end_now() {
    local pid
    pid=$(pid_of "$1") || return 0
    kill -KILL "$pid" 2>/dev/null || true
    wait_for 10 "the end of $1" gone "$pid"
}

# A server that was killed leaves its lock on shared memory with the kernel;
# the seventh line of its file names it.
remove_leftovers() {
    local memory
    memory=$(sed -n 7p "$dir/node$1/data/postmaster.pid" 2>/dev/null | awk '{ print $2 }')
    if [[ $memory =~ ^[0-9]+$ ]]; then (as_server ipcrm -m "$memory") 2>/dev/null || true; fi
}
