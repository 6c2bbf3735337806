//! Streaming replicas: following, waiting for them, and making one the primary.

use threadkeep_test_server::{Server, Settings, or_skip};

#[test]
fn a_synchronous_standby_has_every_commit_when_it_is_promoted() {
    let test = "a_synchronous_standby_has_every_commit_when_it_is_promoted";
    let Some(primary) = or_skip(test, Server::start(Settings::default())) else { return };
    primary.psql("create table things (id int)").unwrap();
    let standby = primary.standby(true, "second-host").unwrap();
    for id in 0..20 {
        primary.psql(&format!("insert into things values ({id})")).unwrap();
    }
    let refused = standby.psql("insert into things values (99)").unwrap_err();
    assert!(refused.to_string().contains("read-only transaction"), "{refused}");

    primary.kill().unwrap();
    standby.promote().unwrap();
    assert_eq!(standby.psql("select count(*) from things").unwrap(), "20");
    standby.psql("insert into things values (20)").unwrap();
    // Its own restarts keep it a primary, and it waits for nobody.
    standby.kill().unwrap();
    standby.start_again().unwrap();
    standby.psql("insert into things values (21)").unwrap();
    assert_eq!(standby.psql("select count(*) from things").unwrap(), "22");
}

#[test]
fn a_primary_without_its_synchronous_standby_waits() {
    let test = "a_primary_without_its_synchronous_standby_waits";
    let Some(primary) = or_skip(test, Server::start(Settings::default())) else { return };
    primary.psql("create table things (id int)").unwrap();
    let standby = primary.standby(true, "second").unwrap();
    standby.kill().unwrap();
    std::thread::scope(|scope| {
        let write = scope.spawn(|| primary.psql("insert into things values (1)"));
        std::thread::sleep(std::time::Duration::from_millis(400));
        assert!(!write.is_finished(), "a commit was acknowledged without the standby");
        primary.forget_standbys().unwrap();
        write.join().unwrap().unwrap();
    });
}

#[test]
fn an_asynchronous_standby_catches_up() {
    let test = "an_asynchronous_standby_catches_up";
    let settings = Settings { password: Some("p".to_owned()), tls: true, ..Settings::default() };
    let Some(primary) = or_skip(test, Server::start(settings)) else { return };
    let standby = primary.standby(false, "replica").unwrap();
    standby.pause().unwrap();
    primary.psql("create table things as select generate_series(1, 1000) as id").unwrap();
    standby.resume().unwrap();
    standby.catch_up_with(&primary).unwrap();
    assert_eq!(standby.psql("select count(*) from things").unwrap(), "1000");
}
