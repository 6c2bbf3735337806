//! `import-codex`.

mod bad;
mod files;
mod logs;
mod places;
mod shapes;
mod twice;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};

use crate::support::{Setup, id};

/// Threads as the first versions kept them: times in seconds, no word of who wrote.
const FIRST: &str = "
    CREATE TABLE threads (
        id TEXT PRIMARY KEY, rollout_path TEXT NOT NULL, created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL, source TEXT NOT NULL, model_provider TEXT NOT NULL,
        cwd TEXT NOT NULL, title TEXT NOT NULL, sandbox_policy TEXT NOT NULL,
        approval_mode TEXT NOT NULL, tokens_used INTEGER NOT NULL DEFAULT 0,
        archived INTEGER NOT NULL DEFAULT 0, archived_at INTEGER);
    CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, checksum BLOB NOT NULL);
    INSERT INTO _sqlx_migrations VALUES (1, x'00ff');";

/// Where they came from, added by later ones.
const GIT: &str = "
    ALTER TABLE threads ADD COLUMN git_sha TEXT;
    ALTER TABLE threads ADD COLUMN git_branch TEXT;
    ALTER TABLE threads ADD COLUMN git_origin_url TEXT;";

/// What was said first, and of which kind the agent is.
const WORDS: &str = "
    ALTER TABLE threads ADD COLUMN has_user_event INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE threads ADD COLUMN cli_version TEXT NOT NULL DEFAULT '';
    ALTER TABLE threads ADD COLUMN first_user_message TEXT NOT NULL DEFAULT '';
    ALTER TABLE threads ADD COLUMN agent_role TEXT;
    ALTER TABLE threads ADD COLUMN memory_mode TEXT NOT NULL DEFAULT 'enabled';";

/// The newest: times in milliseconds beside those in seconds, names in a column of their own.
const NEWEST: &str = "
    ALTER TABLE threads ADD COLUMN model TEXT;
    ALTER TABLE threads ADD COLUMN created_at_ms INTEGER;
    ALTER TABLE threads ADD COLUMN updated_at_ms INTEGER;
    ALTER TABLE threads ADD COLUMN preview TEXT NOT NULL DEFAULT '';
    ALTER TABLE threads ADD COLUMN recency_at_ms INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE threads ADD COLUMN name TEXT;
    ALTER TABLE threads ADD COLUMN name_state TEXT NOT NULL DEFAULT 'unknown';";

/// The tools of threads, before and after they had namespaces.
const TOOLS: &str = "
    CREATE TABLE thread_dynamic_tools (
        thread_id TEXT NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL,
        description TEXT NOT NULL, input_schema TEXT NOT NULL, PRIMARY KEY (thread_id, position));";
const NAMESPACES: &str = "
    ALTER TABLE thread_dynamic_tools ADD COLUMN defer_loading INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE thread_dynamic_tools ADD COLUMN namespace TEXT;";

/// Log entries, with the older and the newer name of the message.
const OLD_LOGS: &str = "
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, ts INTEGER NOT NULL, ts_nanos INTEGER NOT NULL,
        level TEXT NOT NULL, target TEXT NOT NULL, message TEXT, module_path TEXT, file TEXT,
        line INTEGER, thread_id TEXT);";
const LOGS: &str = "
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, ts INTEGER NOT NULL, ts_nanos INTEGER NOT NULL,
        level TEXT NOT NULL, target TEXT NOT NULL, feedback_log_body TEXT, module_path TEXT,
        file TEXT, line INTEGER, thread_id TEXT, process_uuid TEXT,
        estimated_bytes INTEGER NOT NULL DEFAULT 0);";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    options.connect().await.unwrap()
}

async fn execute(connection: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// Runs SQL on a database, as Codex would, and lets go of it.
fn write(path: &Path, sql: &[&str]) {
    runtime().block_on(async {
        let mut connection = connect(path).await;
        for sql in sql {
            execute(&mut connection, sql).await;
        }
        connection.close().await.unwrap();
    });
}

/// A row as the first versions would have written it: of the nth thread, begun at second n.
fn first(number: u8, title: &str) -> String {
    let id = id(number);
    format!(
        "INSERT INTO threads (id, rollout_path, created_at, updated_at, source, model_provider, cwd, \
         title, sandbox_policy, approval_mode, tokens_used) VALUES ('{id}', \
         '/home/ann/.codex/sessions/rollout-2026-03-01T09-30-00-{id}.jsonl', {begun}, {changed}, \
         'cli', 'openai', '/srv/app', '{title}', 'read-only', 'never', 70);",
        begun = 1_772_357_400 + i64::from(number),
        changed = 1_772_360_000 + i64::from(number),
    )
}

/// Both kinds of store that are kept, each with a Codex home of its own.
fn kept() -> [Setup; 2] {
    [Setup::sqlite(""), Setup::redb("")].map(|mut setup| {
        setup.home = setup.folder.path().join("home");
        fs::create_dir(&setup.home).unwrap();
        setup.home = setup.home.canonicalize().unwrap();
        setup
    })
}

/// Every file in a folder, with what its bytes come to.
fn contents(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.clone(), digest(&fs::read(path).unwrap()))).collect()
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Imports, and answers the report.
#[track_caller]
fn import(setup: &Setup, code: i32, arguments: &[&str]) -> Value {
    let ran = setup.run(&[&["import-codex", "--json"], arguments].concat()).expect(code);
    let [report] = &ran.objects()[..] else { panic!("one report: {}", ran.out) };
    report.clone()
}

/// What was left out, as `COUNT UNIT: REASON`.
fn left_out(report: &Value) -> Vec<String> {
    let groups = report["left_out"].as_array().unwrap().iter();
    let line = |group: &Value| {
        let text = |name: &str| group[name].as_str().unwrap().to_owned();
        format!("{} {}: {}", group["count"], text("what"), text("reason"))
    };
    groups.map(line).collect()
}

/// The row of a thread in the store.
#[track_caller]
fn show(setup: &Setup, number: u8) -> Value {
    setup.objects(&["show", &id(number)]).remove(0)
}

/// A folder's database.
fn state(setup: &Setup, name: &str) -> PathBuf {
    setup.home.join(name)
}
