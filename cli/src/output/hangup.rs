//! Whether anybody still reads what is printed.

use std::time::Duration;

/// How long a reader that went away may go unnoticed while nothing is printed.
const INTERVAL: Duration = Duration::from_millis(500);

/// Ends when whoever reads stdout through a pipe has gone. Where the system does not tell, it does
/// not end: the next line that is printed fails then.
pub(crate) async fn hangup() {
    while !reader_is_gone() {
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(unix)]
fn reader_is_gone() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let stdout = std::io::stdout();
    // Nothing is asked for: that the other end is closed is told unasked.
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut asked, Some(&at_once)).is_ok()
        && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}

#[cfg(not(unix))]
fn reader_is_gone() -> bool {
    false
}
