//! The flags of `list`.

use std::path::PathBuf;

use clap::ValueEnum;

const MORE: &str = "\
On a terminal the output is a table fitted to its width. Otherwise each thread is a line of fields
parted by tabs, without a heading, in this order:

  id, updated_at, created_at, archived_at (empty while active), source, model_provider, cwd, title

The title is the thread's name where it has one, else its first words. Tabs, line ends, backslashes
and control characters in a field are written as \\t, \\n, \\\\ and \\u{1b}. Later versions only add
fields at the end.

Where more threads follow, the flags of the next page are printed on stderr, or with --json as a
last line {\"next\": CURSOR}. Rows that cannot be read are named on stderr, with exit code 4.

TIME is RFC 3339 (2026-03-01T09:30:00Z), a date with or without a time of day in UTC (2026-03-01,
\"2026-03-01 09:30\"), an age (90s, 30min, 2h, 7d, 4w), now, today or yesterday, or seconds or
milliseconds since 1970. A day without a time of day counts whole.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ListArgs {
    /// How many threads at most
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 50)]
    #[arg(value_parser = count)]
    pub(crate) limit: usize,

    /// What to order by, and which time --since and --until mean
    #[arg(long, value_enum, default_value_t = Sort::Updated, value_name = "KEY")]
    pub(crate) sort: Sort,

    /// The oldest first
    #[arg(short, long)]
    pub(crate) reverse: bool,

    /// Only threads started by this: cli, vscode, exec, …; give it again for more
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Vec<String>,

    /// Only threads of this model provider; give it again for more
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Vec<String>,

    /// Only threads that work in this folder; give it again for more
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Vec<PathBuf>,

    /// Only threads that changed, or with --sort created began, at this time or later
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,

    /// Only threads that changed, or with --sort created began, at this time or earlier
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,

    /// Only threads whose title, name or preview contains this, in either case
    #[arg(short = 'g', long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) grep: Option<String>,

    /// Only archived threads
    #[arg(long, conflicts_with = "any")]
    pub(crate) archived: bool,

    /// Active and archived threads
    #[arg(long)]
    pub(crate) any: bool,

    /// Also threads no person ever wrote in
    #[arg(long)]
    pub(crate) include_empty: bool,

    /// Go on after this position, which an earlier list with the same flags printed
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    pub(crate) after: Option<String>,

    /// Print ids alone, one a line
    #[arg(long)]
    pub(crate) ids: bool,
}

/// What a listing is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// When the thread began
    Created,
    /// When it last changed
    Updated,
}

/// A number of items, at least one.
pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected 1 or more".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("expected a whole number, 1 or more".into()),
    }
}
