//! How entries are shown.

use clap::ValueEnum;

#[derive(Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "How they are shown")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ShowArgs {
    /// Go on with new entries as they come, until Ctrl-C
    #[arg(short, long, conflicts_with = "reverse")]
    pub(crate) follow: bool,

    /// How many entries at most, the newest ones, or all [default: 100, with -f 10, after a cursor
    /// all]
    #[arg(short = 'n', long, value_name = "N", allow_hyphen_values = true, alias = "backfill")]
    pub(crate) lines: Option<String>,

    /// The newest first
    #[arg(short, long)]
    pub(crate) reverse: bool,

    /// The form of an entry
    #[arg(short, long, value_name = "FORM", value_enum)]
    pub(crate) output: Option<Form>,

    #[arg(long, hide = true, conflicts_with = "output")]
    pub(crate) compact: bool,

    /// Print as a last line the position to go on after
    #[arg(long)]
    pub(crate) show_cursor: bool,
}

/// The form of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A line with the time to the millisecond
    Short,
    /// A line with the time to the nanosecond
    Iso,
    /// A block of lines with every field
    Full,
    /// A JSON object, as with --json
    Json,
    /// The message alone, as it is
    Raw,
}
