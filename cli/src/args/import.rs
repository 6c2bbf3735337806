//! The flags of `import-codex`.

use std::path::PathBuf;

const MORE: &str = "\
Without --db the newest state database of the Codex home is taken: of state.db, state_4.sqlite
and state_5.sqlite the last one. Log entries are taken from the same file, where they lay in early
versions, and from the newest of the files logs*.sqlite beside it.

The databases are only read, whether Codex runs or not, and no file is made beside them.

What is read: whatever columns the database has. A number of time from 100,000,000,000 on is in
milliseconds, a smaller one in seconds, except in columns named …_ms, which are in milliseconds.
Where names have no column, a title that is no part of the first message is the name that a person
gave. An archived thread without a time of archiving was archived when it last changed.

What is written: a thread that is not in the store is made. Of one that is there, only what it has
not is filled in: nothing is replaced, whether it came from a history file or from a person, and
it does not move in the list. A thread that was deleted from the store stays so, unless Codex
changed it afterwards. Tools are stored where the thread has none. Log entries are appended once.
So the same import once more changes nothing. `threadkeep index`, before or after, reads the
history files themselves, which know more.

What has no place in a store, or cannot be read, is left out and named on stderr, or with --json in
the member left_out, with exit code 4: other tables and columns that hold something, rows without
an id or with one that is no UUID, times out of range, tools beyond the limits.

To see all that and keep nothing: threadkeep --store memory: import-codex";

#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub(crate) struct ImportArgs {
    /// The state database [default: the newest state*.sqlite or state*.db in the Codex home]
    #[arg(long, value_name = "PATH")]
    pub(crate) db: Option<PathBuf>,

    /// Leave the log entries where they are
    #[arg(long)]
    pub(crate) no_logs: bool,
}
