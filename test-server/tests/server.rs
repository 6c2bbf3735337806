//! A private server: how it starts, is ended by force, and starts again.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::time::{Duration, Instant};

use threadkeep_test_server::{Server, Settings, Shutdown, or_skip};

fn start(test: &str, settings: Settings) -> Option<Server> {
    or_skip(test, Server::start(settings))
}

#[test]
fn answers_over_the_socket_and_over_tcp() {
    let Some(server) = start("answers_over_the_socket_and_over_tcp", Settings::default()) else {
        return;
    };
    assert_eq!(server.psql("select 1, 'two'").unwrap(), "1|two");
    let tcp = Server::given(server.tcp_url());
    assert_eq!(tcp.psql("select current_user").unwrap(), "threadkeep");
    assert_eq!(server.psql("show server_encoding").unwrap(), "UTF8");
    let other = Server::given(server.create_database("a b").unwrap());
    assert_eq!(other.psql("select current_database()").unwrap(), "a b");
    assert!(server.psql("select nonsense").unwrap_err().to_string().contains("nonsense"));
}

#[test]
fn a_killed_server_keeps_what_was_committed() {
    let Some(server) = start("a_killed_server_keeps_what_was_committed", Settings::default())
    else {
        return;
    };
    server.psql("create table things (id int)").unwrap();
    for round in 1..=3 {
        server.psql(&format!("insert into things values ({round})")).unwrap();
        server.kill().unwrap();
        assert!(!server.is_running().unwrap());
        assert!(server.psql("select 1").is_err());
        server.start_again().unwrap();
        assert_eq!(server.psql("select count(*) from things").unwrap(), round.to_string());
    }
    for shutdown in [Shutdown::Smart, Shutdown::Fast, Shutdown::Immediate] {
        server.stop(shutdown).unwrap();
        server.start_again().unwrap();
        assert_eq!(server.psql("select count(*) from things").unwrap(), "3");
    }
}

#[test]
fn a_server_on_hold_answers_when_it_goes_on() {
    let Some(server) = start("a_server_on_hold_answers_when_it_goes_on", Settings::default())
    else {
        return;
    };
    let hold = Duration::from_millis(300);
    server.pause().unwrap();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.psql("select 1"));
        std::thread::sleep(hold);
        assert!(!asked.is_finished());
        server.resume().unwrap();
        assert_eq!(asked.join().unwrap().unwrap(), "1");
    });
    assert!(begin.elapsed() >= hold);
}

fn terminate(server: &Server) {
    assert_eq!(server.terminate_backends().unwrap(), 1);
}

fn kill_one(server: &Server) {
    assert!(server.kill_one_backend().unwrap());
}

#[test]
fn sessions_are_ended() {
    let Some(server) = start("sessions_are_ended", Settings::default()) else { return };
    std::thread::scope(|scope| {
        for end in [terminate as fn(&Server), kill_one] {
            let session = scope.spawn(|| server.psql("select pg_sleep(60)"));
            let sleeping = "select count(*) from pg_stat_activity where query like '%sleep(60)'";
            while server.psql(sleeping).unwrap() != "1" {}
            end(&server);
            assert!(session.join().unwrap().is_err());
            server.wait_until_ready().unwrap();
        }
    });
}

#[test]
fn a_password_is_asked_for_over_tcp() {
    let settings = Settings { password: Some("sécret:@/'".to_owned()), ..Settings::default() };
    let Some(server) = start("a_password_is_asked_for_over_tcp", settings) else { return };
    assert_eq!(Server::given(server.tcp_url()).psql("select 1").unwrap(), "1");
    let address = server.address().unwrap();
    let none = Server::given(format!("postgres://threadkeep@{address}/postgres"));
    assert!(none.psql("select 1").is_err());
    let wrong = Server::given(format!("postgres://threadkeep:secret@{address}/postgres"));
    assert!(wrong.psql("select 1").unwrap_err().to_string().contains("authentication failed"));
}

#[test]
fn tls_is_required_over_tcp_and_its_certificate_holds() {
    let test = "tls_is_required_over_tcp_and_its_certificate_holds";
    let Some(server) = start(test, Settings { tls: true, ..Settings::default() }) else { return };
    let root = server.root_certificate().unwrap();
    let base = format!("postgres://threadkeep@{}/postgres", server.address().unwrap());
    let full = format!("{base}?sslmode=verify-full&sslrootcert={}", root.display());
    let used = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    assert_eq!(Server::given(full).psql(used).unwrap(), "t");
    assert_eq!(Server::given(server.tcp_url()).psql(used).unwrap(), "t");
    assert!(Server::given(format!("{base}?sslmode=disable")).psql(used).is_err());
}

#[test]
fn settings_reach_the_server() {
    let settings = Settings { max_connections: 7, ..Settings::durable() };
    let settings = settings.line("lock_timeout = '1234ms'");
    let Some(server) = start("settings_reach_the_server", settings) else { return };
    let shown = |name: &str| server.psql(&format!("show {name}")).unwrap();
    assert_eq!(shown("max_connections"), "7");
    assert_eq!(shown("lock_timeout"), "1234ms");
    assert_eq!(shown("fsync"), "on");
    assert_eq!(shown("full_page_writes"), "on");
}

#[test]
fn a_broken_setting_is_an_error_with_the_servers_words() {
    let test = "a_broken_setting_is_an_error_with_the_servers_words";
    if or_skip(test, Server::start(Settings::default())).is_none() {
        return;
    }
    let error = Server::start(Settings::default().line("nonsense = 1")).unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error}");
}
