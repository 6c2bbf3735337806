# shellcheck shell=bash
# The folder, the passwords, and Patroni's settings for each node.

secret() { od -An -tx1 -N16 /dev/urandom | tr -d ' \n'; }

make_folder() {
    [[ ! -e $dir && ! -L $dir ]] || fail "$dir exists: 'down' first"
    mkdir -m 700 "$dir"
    mkdir "$dir/run" "$dir/log" "$dir/load"
    local name port
    for name in superuser replication threadkeep; do
        secret >"$dir/$name.secret"
    done
    for node in "${nodes[@]}"; do
        mkdir -m 700 "$dir/node$node" "$dir/etcd$node"
        patroni_config "$node" >"$dir/node$node/patroni.yml"
        port=$(pg_port "$node")
        printf '127.0.0.1:%s:*:postgres:%s\n' "$port" "$(cat "$dir/superuser.secret")"
        printf '127.0.0.1:%s:*:threadkeep:%s\n' "$port" "$(cat "$dir/threadkeep.secret")"
    done >"$dir/pgpass"
    chmod 600 "$dir/pgpass" "$dir"/*.secret "$dir"/node*/patroni.yml
    if ((EUID == 0)); then chown -R "$(server_user):" "$dir"; fi
}

threadkeep_url() {
    local hosts
    hosts=$(for node in "${nodes[@]}"; do echo "127.0.0.1:$(pg_port "$node")"; done | paste -sd,)
    echo "postgres://threadkeep:$(cat "$dir/threadkeep.secret")@$hosts/threadkeep"
}

etcd_members() {
    for node in "${nodes[@]}"; do
        echo "etcd$node=http://127.0.0.1:$(etcd_peer_port "$node")"
    done | paste -sd,
}

etcd_hosts() {
    for node in "${nodes[@]}"; do echo "127.0.0.1:$(etcd_port "$node")"; done | paste -sd,
}

# loop_wait + 2 * retry_timeout must not exceed ttl, and 20 is the least ttl
# that Patroni's manual allows. A dead leader is noticed when its ttl is over.
patroni_config() {
    local node=$1
    cat <<YAML
scope: threadkeep
name: node$node
restapi:
  listen: 127.0.0.1:$(rest_port "$node")
  connect_address: 127.0.0.1:$(rest_port "$node")
etcd3:
  hosts: $(etcd_hosts)
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 5
    retry_timeout: 5
    maximum_lag_on_failover: 1048576
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters:
        max_connections: 60
  initdb:
    - encoding: UTF8
    - locale: C
    - data-checksums
postgresql:
  listen: 127.0.0.1:$(pg_port "$node")
  connect_address: 127.0.0.1:$(pg_port "$node")
  data_dir: $dir/node$node/data
  bin_dir: $(postgres_bin)
  pgpass: $dir/node$node/pgpass
  basebackup:
    - checkpoint: fast
  remove_data_directory_on_diverged_timelines: true
  authentication:
    superuser: {username: postgres, password: "$(cat "$dir/superuser.secret")"}
    replication: {username: replicator, password: "$(cat "$dir/replication.secret")"}
  pg_hba:
    - host replication replicator 127.0.0.1/32 scram-sha-256
    - host all all 127.0.0.1/32 scram-sha-256
  parameters:
    unix_socket_directories: $dir/node$node
    password_encryption: scram-sha-256
    # In the folder instead of /dev/shm, where a killed server leaves it behind.
    dynamic_shared_memory_type: mmap
    shared_buffers: 32MB
YAML
}
