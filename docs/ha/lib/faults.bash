# shellcheck shell=bash
# What is broken on purpose.

seconds() { awk -v us="$1" 'BEGIN { printf "%.2f", us / 1e6 }'; }

# The whole of a node at once, as if its machine had lost power. Without a
# chance for Patroni to say good-bye, the lease has to run out.
kill_leader() {
    local node pids=() main
    node=$(leader) || fail "nobody leads"
    main=$(postmaster_of "$node") || fail "no server on node $node"
    pids=("$(pid_of "patroni$node")" "$main")
    mapfile -t -O 2 pids < <(pgrep -P "$main")
    kill -KILL "${pids[@]}" 2>/dev/null || true
    killed_node=$node
    killed_at=$(now)
    say "killed node $node (Patroni, PostgreSQL and $((${#pids[@]} - 2)) children)"
}

kill_patroni_alone() {
    local node
    node=$(leader) || fail "nobody leads"
    kill -KILL "$(pid_of "patroni$node")"
    say "killed Patroni of node $node; its PostgreSQL runs on, unwatched"
}

kill_etcd() {
    local node=${1:-$(etcd_leader)}
    [[ $node =~ ^[123]$ ]] || fail "no etcd member $node"
    kill -KILL "$(pid_of "etcd$node")"
    say "killed etcd member $node"
}

etcd_leader() {
    local node
    for node in "${nodes[@]}"; do
        if ETCDCTL_API=3 etcdctl --endpoints "127.0.0.1:$(etcd_port "$node")" \
            endpoint status 2>/dev/null | awk -F', ' '{ exit $5 != "true" }'; then
            echo "$node"
            return
        fi
    done
    return 1
}

# The leader goes on answering, its standbys hear nothing more. The sending
# processes are stopped, so they end with the leader and nothing is to be undone.
cut_replication() {
    local node pid
    node=$(leader) || fail "nobody leads"
    for pid in $(sql "$node" "SELECT pid FROM pg_stat_replication"); do
        kill -STOP "$pid"
    done
    say "replication from node $node stands still"
}
