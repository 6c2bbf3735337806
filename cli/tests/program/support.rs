//! Running the program, and homes to run it on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A store, a home, and a folder of their own.
pub(crate) struct Setup {
    pub(crate) folder: TempDir,
    pub(crate) home: PathBuf,
    pub(crate) store: String,
}

/// What a run left.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Setup {
    /// A SQLite store that is not there yet, and a home.
    pub(crate) fn sqlite(home: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite:{}", folder.path().join("threads.db").display());
        Self { folder, home: home.into(), store }
    }

    /// A store in memory and a home.
    pub(crate) fn memory(home: impl Into<PathBuf>) -> Self {
        Self { store: "memory:".into(), ..Self::sqlite(home) }
    }

    /// A redb store that is not there yet, and a home.
    pub(crate) fn redb(home: impl Into<PathBuf>) -> Self {
        let setup = Self::sqlite(home);
        let store = format!("redb:{}", setup.folder.path().join("threads.redb").display());
        Self { store, ..setup }
    }

    /// A namespace of its own on a PostgreSQL server, which is not there yet, and a home; without a
    /// server none, which is said.
    pub(crate) fn postgres(home: impl Into<PathBuf>, test: &str) -> Option<Self> {
        let server = threadkeep_test_server::or_skip(test, threadkeep_test_server::shared())?;
        let setup = Self::sqlite(home);
        let url = server.url();
        let parting = if url.contains('?') { '&' } else { '?' };
        let store = format!("{url}{parting}namespace={}", setup.folder.path().display());
        Some(Self { store, ..setup })
    }

    /// Every kind of store with the sample home in it.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::sqlite(sample_home()), Self::redb(sample_home())];
        all.extend(Self::postgres(sample_home(), "the program on PostgreSQL"));
        for setup in &all {
            setup.run(&["index"]).expect(0);
        }
        all.push(Self::memory(sample_home()));
        all
    }

    /// A SQLite store and an empty home of its own.
    pub(crate) fn with_own_home() -> Self {
        let mut setup = Self::sqlite("");
        setup.home = setup.folder.path().join("home");
        fs::create_dir_all(setup.home.join("sessions")).unwrap();
        // The program names files by their real paths.
        setup.home = setup.home.canonicalize().unwrap();
        setup
    }

    /// The URL of the store for a handle that keeps log entries of any age.
    pub(crate) fn keeping_all(&self) -> String {
        let parting = if self.store.contains('?') { '&' } else { '?' };
        format!("{}{parting}retention=off", self.store)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(&["--store", &self.store, "--home"]);
        command.arg(&self.home).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// Objects of the lines on stdout.
    pub(crate) fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        self.run(&[arguments, &["--json"]].concat()).expect(0).objects()
    }

    /// The last groups of the ids that a listing prints.
    pub(crate) fn tails(&self, arguments: &[&str]) -> Vec<String> {
        let ran = self.run(&[&["list", "--ids"], arguments].concat()).expect(0);
        ran.out.lines().map(|id| id[24..].to_owned()).collect()
    }
}

/// The program without anything of the environment that could change what it does.
pub(crate) fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadkeep"));
    for name in ["THREADKEEP_STORE", "CODEX_HOME", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// The one JSON object on stderr.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        serde_json::from_str(&self.err).unwrap()
    }

    pub(crate) fn objects(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn sample_home() -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/codex-home");
    home.canonicalize().unwrap()
}

/// The nth thread of a home of our own.
pub(crate) fn id(number: u8) -> String {
    format!("019d0000-0000-7000-8000-0000000000{number:02x}")
}

/// Writes the rollout of the nth thread with this title, and answers its path.
pub(crate) fn write_rollout(home: &Path, number: u8, title: &str) -> PathBuf {
    let id = id(number);
    let time = format!("2026-01-01T00:00:{number:02}.000Z");
    let meta = json!({
        "timestamp": time, "type": "session_meta",
        "payload": { "id": id, "timestamp": time, "cwd": "/srv/app", "source": "cli" },
    });
    let path =
        home.join(format!("sessions/2026/01/01/rollout-2026-01-01T00-00-{number:02}-{id}.jsonl"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("{meta}\n{}\n", message(title))).unwrap();
    path
}

/// A line of something a person wrote.
pub(crate) fn message(text: &str) -> Value {
    json!({
        "timestamp": "2026-01-01T00:01:00.000Z", "type": "event_msg",
        "payload": { "type": "user_message", "message": text },
    })
}

/// Every path under a folder with its size and the time it was last written.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        let state = format!("{} {:?}", metadata.len(), metadata.modified().unwrap());
        found.insert(entry.path(), state);
        if metadata.is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found
}
