//! The flags of `logs`, in the words of journalctl.

use threadkeep::LogLevel;

const MORE: &str = "\
Each entry is a line: time, level, target, message, and its thread in brackets. Line ends and control
characters are written as \\n and \\u{1b}. When piped, the fields are parted by tabs: id, time, level,
target, thread id, process id, message.

TIME is RFC 3339 (2026-03-01T09:30:00Z), a date with or without a time of day in UTC (2026-03-01,
\"2026-03-01 09:30\"), an age (90s, 30min, 2h, 7d, 4w), now, today or yesterday. A day without a time
of day counts whole.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub(crate) struct LogsArgs {
    /// How many entries at most, the newest ones
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 100)]
    #[arg(value_parser = super::list::count)]
    pub(crate) lines: usize,

    /// The newest first
    #[arg(short, long)]
    pub(crate) reverse: bool,

    /// Only entries of this level or a graver one: trace, debug, info, warn, error
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<LogLevel>,

    /// Only entries of this time or later
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,

    /// Only entries of this time or earlier
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,

    /// Only entries whose message contains this, in either case; give it again for more
    #[arg(short = 'g', long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) grep: Vec<String>,

    /// Only entries of this thread; give it again for more
    #[arg(long, value_name = "ID")]
    pub(crate) thread: Vec<String>,

    /// Only entries whose target contains this, in either case; give it again for more
    #[arg(long, value_name = "TEXT")]
    pub(crate) target: Vec<String>,
}
