//! The proxy before a real server and before one that sends everything back.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use threadkeep_test_server::{Proxy, Server, Settings, or_skip};

/// A server that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut back = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn ask(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(b"ping")?;
    stream.read_exact(&mut [0; 4])
}

#[test]
fn a_delay_is_added_to_each_turn_and_not_to_each_piece() {
    let proxy = Proxy::start(echo()).unwrap();
    let stream = connect(&proxy);
    ask(&stream).unwrap();
    proxy.reset_counters();
    let one_way = Duration::from_millis(20);
    proxy.set_latency(one_way);

    let begin = Instant::now();
    for _ in 0..5 {
        ask(&stream).unwrap();
    }
    let turns = begin.elapsed();
    assert!(turns >= 10 * one_way, "{turns:?}");
    assert_eq!(proxy.round_trips(), 5);
    assert_eq!(proxy.bytes(), 40);

    // Hundreds of pieces take little longer than one: 16 MB at one delay a piece would be 10 s.
    let begin = Instant::now();
    let size = 16 << 20;
    thread::scope(|scope| {
        scope.spawn(|| (&stream).write_all(&vec![7; size]).unwrap());
        let mut back = vec![0; size];
        (&stream).read_exact(&mut back).unwrap();
        assert!(back.iter().all(|byte| *byte == 7));
    });
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn connections_are_cut_and_refused_and_let_in_again() {
    let proxy = Proxy::start(echo()).unwrap();
    let streams = [connect(&proxy), connect(&proxy)];
    for stream in &streams {
        ask(stream).unwrap();
    }
    assert_eq!((proxy.accepted(), proxy.open_connections()), (2, 2));

    proxy.refuse(true).unwrap();
    ask(&streams[0]).unwrap();
    let refused = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    proxy.cut_all();
    for stream in &streams {
        assert!(ask(stream).is_err());
    }
    proxy.refuse(false).unwrap();
    ask(&connect(&proxy)).unwrap();
    assert_eq!(proxy.accepted(), 3);
}

#[test]
fn a_black_hole_holds_what_it_is_given() {
    let proxy = Proxy::start(echo()).unwrap();
    let stream = connect(&proxy);
    ask(&stream).unwrap();
    proxy.black_hole(true);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let held = ask(&stream).unwrap_err();
    assert_eq!(held.kind(), ErrorKind::WouldBlock);
    proxy.black_hole(false);
    stream.set_read_timeout(None).unwrap();
    (&stream).read_exact(&mut [0; 4]).unwrap();

    // A connection in a black hole can be cut.
    proxy.black_hole(true);
    thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&stream));
        thread::sleep(Duration::from_millis(50));
        proxy.cut_all();
        assert!(asked.join().unwrap().is_err());
    });
}

#[test]
fn a_cut_after_bytes_lets_exactly_these_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
    let mut stream = connect(&proxy);
    let (mut end, _) = listener.accept().unwrap();
    proxy.cut_after_bytes(6);
    stream.write_all(b"0123").unwrap();
    end.read_exact(&mut [0; 4]).unwrap();
    assert!(proxy.is_cut_pending());
    stream.write_all(b"456789").unwrap();
    let mut rest = Vec::new();
    end.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"45");
    assert!(!proxy.is_cut_pending());
    assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn a_server_that_is_not_there_closes_the_connection() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(gone).unwrap();
    assert!(ask(&connect(&proxy)).is_err());
}

#[test]
fn a_commit_happens_although_its_answer_is_lost() {
    let test = "a_commit_happens_although_its_answer_is_lost";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let proxy = Proxy::start(server.address().unwrap()).unwrap();
    let through = Server::given(proxy.url(&server.tcp_url()));
    server.psql("create table things (id int)").unwrap();

    // Everything but the statement itself: asking for TLS and, refused, for a session.
    assert_eq!(through.psql("select 1").unwrap(), "1");
    let connecting = proxy.round_trips() - 1;
    assert_eq!(connecting, 2);
    proxy.reset_counters();
    proxy.cut_before_reply(connecting + 1);
    assert!(through.psql("insert into things values (1)").is_err());
    assert_eq!(server.psql("select id from things").unwrap(), "1");

    proxy.cut_before_reply_to("values (2)");
    through.psql("select 2").unwrap();
    assert!(proxy.is_cut_pending());
    assert!(through.psql("insert into things values (2)").is_err());
    assert_eq!(server.psql("select count(*) from things").unwrap(), "2");
    assert!(!proxy.is_cut_pending());
}

#[test]
fn a_cut_before_the_end_of_a_statement_leaves_nothing() {
    let test = "a_cut_before_the_end_of_a_statement_leaves_nothing";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let proxy = Proxy::start(server.address().unwrap()).unwrap();
    let through = Server::given(format!("{}?sslmode=disable", proxy.url(&server.tcp_url())));
    server.psql("create table things (id int)").unwrap();
    // More than what connecting takes, and less than the statement.
    proxy.cut_after_bytes(500);
    let rows = vec!["(1)"; 1000].join(",");
    assert!(through.psql(&format!("insert into things values {rows}")).is_err());
    assert_eq!(server.psql("select count(*) from things").unwrap(), "0");
}
