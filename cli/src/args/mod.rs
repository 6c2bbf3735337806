//! The command line. Every doc comment on a field here is the help text of its flag.

mod import;
mod list;
mod logs;
mod moving;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use import::ImportArgs;
pub(crate) use list::{ListArgs, Sort};
pub(crate) use logs::{Form, KeepArgs, LogsArgs, SelectArgs, ShowArgs};
pub(crate) use moving::{CopyArgs, DumpArgs, LoadArgs};

const EXAMPLES: &str = "\
Examples:
  threadkeep index                        read ~/.codex into the store
  threadkeep import-codex                 take over what Codex's own database knows
  threadkeep list                         the threads that changed last
  threadkeep list --cwd . --since 7d      this week's threads of this folder
  threadkeep list -g migration --any      also archived ones, by words
  threadkeep show 019d7141                any beginning or end of an id does
  threadkeep logs -f -p warn              warnings and errors as they come
  threadkeep copy sqlite:a.db redb:b.redb everything from one store into another
  threadkeep --store memory: list         without any store: read the home, show, forget
  threadkeep list --json -n 100000 | jq -r .title

Exit codes:
  0 done             3 not found, or ambiguous     6 store damaged or too new
  1 failed           4 done in part                130 interrupted
  2 wrong usage      5 store busy";

/// Keeps the threads of coding agents: indexes a Codex home into a store, and lists, shows,
/// names, archives and deletes its threads.
///
/// Nothing is ever written inside the Codex home.
#[derive(Debug, Parser)]
#[command(name = "threadkeep", version, after_long_help = EXAMPLES, max_term_width = 100)]
#[command(disable_help_subcommand = true, args_override_self = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The store: sqlite:PATH, redb:PATH, `postgres://USER@HOST/DATABASE`, or memory: to read the home
    /// each time and keep nothing [default: a SQLite file in your data folder]
    #[arg(long, global = true, value_name = "URL", env = "THREADKEEP_STORE")]
    #[arg(hide_env_values = true)]
    pub(crate) store: Option<String>,

    /// The Codex home, which holds the folder sessions [default: ~/.codex]
    #[arg(long, global = true, value_name = "DIR", env = "CODEX_HOME", hide_env_values = true)]
    #[arg(alias = "codex-home")]
    pub(crate) home: Option<PathBuf>,

    /// One JSON object a line, on stdout and for errors on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Say on stderr what is done and how long it takes
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// When to use colours; auto heeds `NO_COLOR`
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Also into files and pipes
    Always,
    /// Nowhere
    Never,
}

impl Color {
    /// Makes this the choice of everything the program prints.
    pub(crate) fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read what is new in the Codex home into the store
    ///
    /// Files that did not change since the last run are not opened, files that grew are read from
    /// where they ended. Exit code 4 says that files were skipped; each is named with its reason.
    Index(IndexArgs),

    /// Take over what a state database of Codex knows of threads, their tools and logs
    ///
    /// The database is only read. Exit code 4 says that something has no place in a store or cannot
    /// be read; each is named.
    ImportCodex(ImportArgs),

    /// List threads, those that changed last first
    List(ListArgs),

    /// Show all that is known of a thread
    Show(IdArgs),

    /// Print the path of a thread's history file
    Path(IdArgs),

    /// Print the dynamic tools of a thread as JSON
    ///
    /// An indented array, or with --json one tool a line; schemas come out as they went in.
    Tools(IdArgs),

    /// Archive threads, so that list leaves them out
    ///
    /// Their history files stay where they are; indexing again does not undo it.
    Archive(IdsArgs),

    /// Make archived threads active again
    Unarchive(IdsArgs),

    /// Give a thread a name, or with an empty NAME take it away
    Rename(RenameArgs),

    /// Delete threads from the store, with their tools and log entries
    ///
    /// History files stay. The store remembers the deletion: indexing again does not bring a
    /// thread back unless its history goes on.
    Delete(DeleteArgs),

    /// Print counts and sizes of the store
    Stats,

    /// Check that the store works, is sound, and agrees with the files of the home
    ///
    /// Lists once, reads once, compares every row with its checksum, and compares the index with
    /// the files: ok, behind, missing file, not indexed. Changes nothing. Exit code 6 says that
    /// the store is damaged, 4 that only the index differs from the files.
    Check,

    /// Print log entries of the store, the newest last, or follow them
    ///
    /// Without -f prints what is there and stops. Only reads the store, unless it is told to delete
    /// entries.
    Logs(Box<LogsArgs>),

    /// Copy a store into another, of any kind
    ///
    /// Threads with their names, archiving and tools, the checkpoints of indexing, and with --logs
    /// log entries. Nothing is deleted from TO. Copying again copies only what is new, and goes on
    /// where a copy was interrupted. Exit code 4 says that something was left as it is; each is
    /// named.
    Copy(CopyArgs),

    /// Write the store down as lines of JSON
    ///
    /// Into a file, or a pipe: threadkeep dump | zstd > threads.jsonl.zst. The format is in
    /// docs/DUMP.md.
    Dump(DumpArgs),

    /// Put what dump wrote into the store
    ///
    /// Nothing is deleted from the store, and loading again changes nothing. A file is read to its
    /// end first, so that nothing of a damaged one is loaded. Exit code 4 says that something was
    /// left as it is; each is named.
    Load(LoadArgs),

    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },

    /// Print a manual page in roff: of the program, or of one of its commands
    ///
    /// To read it: threadkeep man | man -l -
    Man {
        /// The command
        command: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct IndexArgs {
    /// Read every file again from its start
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct IdArgs {
    /// The thread's id, its beginning (4 characters or more) or its end
    pub(crate) id: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct IdsArgs {
    /// The threads' ids, their beginnings (4 characters or more) or their ends
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RenameArgs {
    /// The thread's id, its beginning (4 characters or more) or its end
    pub(crate) id: String,
    /// The name
    pub(crate) name: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) ids: IdsArgs,
    /// Only say what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}
