//! How much is kept.

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How much is kept, without showing any")]
pub(crate) struct KeepArgs {
    /// Print how much room the log takes
    #[arg(long, conflicts_with_all = ["vacuum_size", "vacuum_time"])]
    pub(crate) disk_usage: bool,

    /// Delete the oldest entries until the log takes at most SIZE bytes: 500K, 64M, 1G
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(crate) vacuum_size: Option<String>,

    /// Delete entries that are older than AGE: 12h, 10d, 4w
    #[arg(long, value_name = "AGE", allow_hyphen_values = true)]
    pub(crate) vacuum_time: Option<String>,
}

impl KeepArgs {
    /// Whether any of it is wanted.
    pub(crate) fn asks(&self) -> bool {
        self.disk_usage || self.vacuum_size.is_some() || self.vacuum_time.is_some()
    }
}
