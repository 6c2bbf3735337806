//! The flags of `logs`, in the words of journalctl.

mod keep;
mod select;
mod show;

pub(crate) use keep::KeepArgs;
pub(crate) use select::SelectArgs;
pub(crate) use show::{Form, ShowArgs};

const MORE: &str = "\
Examples:
  threadkeep logs -p warn -S 2h               what went wrong in the last two hours
  threadkeep logs -f -t a0e82bc318aa          a thread's entries as they come
  threadkeep logs -g 'timed? ?out' -n 20      the last 20 messages that fit a pattern
  threadkeep logs --exclude hyper -p debug..info -o iso
  threadkeep logs --cursor-file seen -o json  what is new since the last time
  threadkeep logs --vacuum-time 10d --vacuum-size 64M

On a terminal each entry is a line: time, level, target, message, and its thread in brackets. Line
ends and control characters are written as \\n and \\u{1b}. When piped, the fields are parted by
tabs: id, time, level, target, thread id, process id, message. With -o the form is the same in both,
but for colours.

Conditions hold together; of one that is given several times any will do. TEXT is found in either
case and at any place. RE is a regular expression; it heeds case once it has a capital letter.

TIME is RFC 3339 (2026-03-01T09:30:00Z), a date with or without a time of day in UTC (2026-03-01,
\"2026-03-01 09:30\"), an age (90s, 10m, 2h, 7d, 4w), now, today or yesterday, or seconds or
milliseconds since 1970. A day without a time of day counts whole.

A cursor says how far the log was read. After one all that follows is shown, with -n the first N of
it, and entries that were deleted meanwhile are told on stderr. Nothing is shown twice.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) show: ShowArgs,

    #[command(flatten)]
    pub(crate) select: SelectArgs,

    #[command(flatten)]
    pub(crate) keep: KeepArgs,

    // Help shows none of what is hidden.
    #[arg(long, value_name = "PATH", hide = true)]
    pub(crate) db: Option<String>,
}
