# shellcheck shell=bash
# threadkeep itself, one handle a writer, which finds the primary by itself and
# repeats what it is not sure of under the name it had.

steady_writer=$here/../../target/release/examples/steady_writer

client_prepare() {
    (cd "$here/../.." && cargo build --quiet --release -p threadkeep-postgres --example steady_writer)
    # What an earlier run left; the first writer creates the store.
    (
        source "$here/lib/client-psql.bash"
        psql_client -c "DROP SCHEMA IF EXISTS threadkeep CASCADE"
    ) 2>/dev/null
}

client_write() {
    trap - EXIT
    exec "$steady_writer" write "$(threadkeep_url)" "$1" "$2" "$dir/load/stop"
}

client_present() { "$steady_writer" present "$(threadkeep_url)" "$1"; }
