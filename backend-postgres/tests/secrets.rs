//! A password is in no error, no `Debug` form, no trace and no list of sessions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::options;
use threadkeep_core::{
    Applied, Error, ErrorKind, LogFilter, LogQuery, LogStore as _, Store as _, ThreadId,
    ThreadStore as _,
};
use threadkeep_postgres::{PostgresOptions, PostgresStore};
use threadkeep_test_server::{Server, Settings, or_skip};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const PASSWORD: &str = "hunter2-Grünkohl";
/// As it stands in a URL.
const ESCAPED: &str = "hunter2%2DGr%C3%BCnkohl";

/// Writes down whatever is traced, of all crates.
#[derive(Clone, Default)]
struct Traced(Arc<Mutex<String>>);

impl Traced {
    fn note(&self, metadata: &Metadata<'_>, values: impl FnOnce(&mut Values)) {
        let mut text = Values(format!("{} {}", metadata.target(), metadata.name()));
        values(&mut text);
        let mut all = self.0.lock().unwrap();
        all.push_str(&text.0);
        all.push('\n');
    }
}

struct Values(String);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Traced {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.note(span.metadata(), |values| span.record(values));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut text = Values(String::new());
        values.record(&mut text);
        self.0.lock().unwrap().push_str(&text.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.note(event.metadata(), |values| event.record(values));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Everything an error says.
fn all_of(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {:?}", error.hint_text());
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, " {cause} {cause:?}");
        source = cause.source();
    }
    text
}

fn assert_silent(what: &str, text: &str, passwords: &[&str]) {
    for password in passwords {
        assert!(!text.contains(password), "{what} has the password {password}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_password_is_told_to_nobody() {
    let test = "a_password_is_told_to_nobody";
    let traced = Traced::default();
    tracing::subscriber::set_global_default(traced.clone()).unwrap();
    tracing::trace!("whether it hears");
    let settings = Settings { password: Some(PASSWORD.to_owned()), ..Settings::default() };
    let Some(server) = or_skip(test, Server::start(settings)) else { return };
    let url = server.tcp_url();
    let at = url.split_once('@').unwrap().1;
    assert!(url.contains(ESCAPED), "{url}");
    let secrets = [PASSWORD, ESCAPED, "wrong-Passwort", "Grünkohl", "Gr%C3%BCnkohl", "hunter2"];
    let quick = |url: &str| options(url).deadline(Duration::from_millis(600));

    let opened = PostgresStore::open_with(quick(&url)).await.unwrap();
    opened.write(common::step(1, 0)).await.unwrap();
    opened.append(common::entries(1, 0)).await.unwrap();
    let debug = format!("{:?} {:#?}", quick(&url), quick(&url));
    assert_silent("Debug", &debug, &secrets);
    let sessions = server.psql("select pg_stat_activity.*::text from pg_stat_activity").unwrap();
    assert!(sessions.contains("threadkeep"), "{sessions}");
    assert_silent("pg_stat_activity", &sessions, &secrets);

    let port = server.port().unwrap();
    let refused = [
        // What is refused, as what, and whether it has to be in time.
        (format!("postgres://threadkeep:wrong-Passwort@{at}"), ErrorKind::InvalidInput),
        (format!("postgres://nobody:{ESCAPED}@{at}"), ErrorKind::InvalidInput),
        (format!("postgres://threadkeep@{at}?password=wrong-Passwort"), ErrorKind::InvalidInput),
        (format!("postgres://threadkeep:{ESCAPED}@127.0.0.1:{port}/absent"), ErrorKind::NotFound),
        (
            format!("postgres://threadkeep:{ESCAPED}@no-such-host.invalid:{port}/postgres"),
            ErrorKind::Unavailable,
        ),
        (format!("postgres://threadkeep:{ESCAPED}@127.0.0.1:1/postgres"), ErrorKind::Unavailable),
        (format!("postgres://threadkeep:{ESCAPED}@{at}?sslmode=require"), ErrorKind::Unavailable),
        (format!("postgres://threadkeep:{ESCAPED}@{at}?sslmode=hunter2"), ErrorKind::InvalidInput),
        (
            format!(
                "postgres://threadkeep:{ESCAPED}@{at}?sslrootcert=/no/such/file&sslmode=verify-ca"
            ),
            ErrorKind::Unavailable,
        ),
        (format!("postgres://threadkeep:{ESCAPED}@127.0.0.1:port/x"), ErrorKind::InvalidInput),
        (format!("postgres://threadkeep:{ESCAPED}@{at}?passwort=hunter2"), ErrorKind::InvalidInput),
        (format!("postgres://threadkeep:{ESCAPED}@{at}?namespace="), ErrorKind::InvalidInput),
    ];
    let tries = refused.iter().map(|(url, kind)| async move {
        let error = match PostgresOptions::from_url(url) {
            Err(error) => error,
            Ok(_) => PostgresStore::open_with(quick(url)).await.map(drop).unwrap_err(),
        };
        (url, kind, error)
    });
    for (url, kind, error) in futures_util::future::join_all(tries).await {
        println!("{test}: {error:?}");
        assert_silent("an error", &all_of(&error), &secrets);
        assert_silent("its copy", &all_of(&error.duplicate()), &secrets);
        assert!(!all_of(&error).contains(url.as_str()), "{error:?}");
        assert!(error.hint_text().is_some(), "{error:?}");
        let file = url.contains("sslrootcert");
        assert!(error.kind() == *kind || file, "{url}: {error:?}");
    }

    // Errors of a handle that was opened before, one that also listens for others' entries.
    opened.changed(u64::MAX, Duration::from_millis(300)).await.unwrap();
    server.kill().unwrap();
    let errors: [threadkeep_core::Result<()>; 7] = tokio::join!(
        async { opened.write(common::step(1, 1)).await.map(drop) },
        async { opened.append(common::entries(1, 1)).await.map(drop) },
        async { opened.threads(vec![ThreadId::new()]).await.map(drop) },
        async { opened.query(LogQuery::new(LogFilter::new())).await.map(drop) },
        async { opened.stats().await.map(drop) },
        async { opened.check().await.map(drop) },
        async { opened.maintain(Duration::from_secs(1)).await.map(drop) },
    )
    .into();
    for error in errors {
        let error = error.unwrap_err();
        assert_silent("an error", &all_of(&error), &secrets);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        // An append is one message, and the server may have had it.
        let unknown = error.operation() == Some("append");
        assert!(unknown || error.outcome() == Applied::NotApplied, "{error:?}");
        assert!(error.is_retryable(), "{error:?}");
    }
    opened.close().await.unwrap();
    let closed = opened.write(common::step(1, 1)).await.unwrap_err();
    assert_silent("an error", &all_of(&closed), &secrets);

    let traced = traced.0.lock().unwrap();
    println!("{test}: {} bytes were traced", traced.len());
    assert!(traced.contains("whether it hears"), "nothing was traced: {traced}");
    assert_silent("a trace", &traced, &secrets);
}
