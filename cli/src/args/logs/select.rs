//! Which entries.

use std::path::PathBuf;

#[derive(Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Which entries")]
pub(crate) struct SelectArgs {
    /// Only entries of this level or a graver one: trace, debug, info, warn, error; or of a range,
    /// such as warn..error
    #[arg(short = 'p', long, value_name = "LEVEL", alias = "level")]
    pub(crate) priority: Option<String>,

    /// Only entries of this time or later
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true, alias = "from")]
    pub(crate) since: Option<String>,

    /// Only entries of this time or earlier
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true, alias = "to")]
    pub(crate) until: Option<String>,

    /// Only entries whose message fits this pattern; give it again for more
    #[arg(short = 'g', long, value_name = "RE", allow_hyphen_values = true)]
    pub(crate) grep: Vec<String>,

    /// Only entries of this thread; give it again for more
    #[arg(short = 't', long, value_name = "ID", alias = "thread-id")]
    pub(crate) thread: Vec<String>,

    /// Only, or beside those of -t, entries of no thread
    #[arg(long, alias = "threadless")]
    pub(crate) no_thread: bool,

    /// Only entries of the process with exactly this id
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) process: Option<String>,

    /// Only entries whose target contains this; give it again for more
    #[arg(long, value_name = "TEXT")]
    pub(crate) target: Vec<String>,

    /// Only entries whose module contains this; give it again for more
    #[arg(long, value_name = "TEXT")]
    pub(crate) module: Vec<String>,

    /// Only entries whose source file contains this; give it again for more
    #[arg(long, value_name = "TEXT")]
    pub(crate) file: Vec<String>,

    /// No entries whose target or module contains this; give it again for more
    #[arg(long, value_name = "TEXT")]
    pub(crate) exclude: Vec<String>,

    /// Go on after this position, which --show-cursor printed
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    pub(crate) after: Option<String>,

    /// Go on after the position in this file, if it is there, and write the new one into it
    #[arg(long, value_name = "FILE", conflicts_with = "after")]
    pub(crate) cursor_file: Option<PathBuf>,
}
