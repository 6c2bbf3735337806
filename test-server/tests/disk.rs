//! A small disk runs full, and takes writes again when there is room.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use threadkeep_test_server::{Error, Server, Settings, or_forbidden, or_skip};

#[test]
fn a_small_disk_runs_full_and_recovers() {
    let test = "a_small_disk_runs_full_and_recovers";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let Some(disk) = or_forbidden(test, server.small_disk(16)) else { return };
    server.psql(&format!("create table things (text text) tablespace {}", disk.name())).unwrap();
    let add = |rows: u32| {
        server.psql(&format!(
            "insert into things select repeat(md5(i::text), 30) from generate_series(1, {rows}) i"
        ))
    };
    let rows = || server.psql("select count(*) from things").unwrap();
    let is_full = |result: Result<String, Error>| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("No space left on device"), "{error}");
    };
    add(100).unwrap();
    disk.fill().unwrap();
    is_full(add(100));
    disk.empty().unwrap();
    add(100).unwrap();
    assert_eq!(rows(), "200");

    is_full(add(1_000_000));
    is_full(add(100));
    disk.resize(32).unwrap();
    add(100).unwrap();
    assert_eq!(rows(), "300");
}

#[test]
fn a_small_disk_goes_with_its_server() {
    let test = "a_small_disk_goes_with_its_server";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let Some(disk) = or_forbidden(test, server.small_disk(8)) else { return };
    let folder = disk.folder().display().to_string();
    let mounted = || std::fs::read_to_string("/proc/mounts").unwrap().contains(&folder);
    assert!(mounted());
    // The server goes first here; the watchdog has to unmount.
    drop(server);
    assert!(!mounted());
    drop(disk);
}
