//! `completions` and `man`: what the program tells other programs of itself.

use clap::CommandFactory as _;
use clap_complete::Shell;
use threadkeep::{Error, ErrorKind};

use crate::app::App;
use crate::args::Args;
use crate::exit::{Done, Failure};

pub(super) fn completions(app: &mut App, shell: Shell) -> Result<Done, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "threadkeep", &mut script);
    app.output.raw(&script)?;
    Ok(Done::Whole)
}

pub(super) fn manual(app: &mut App, command: Option<&str>) -> Result<Done, Failure> {
    let mut program = Args::command();
    program.build();
    let page = match command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no command {name:?}"))
                .hint("run `threadkeep --help` for a list of the commands")
        })?,
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    app.output.raw(&roff)?;
    Ok(Done::Whole)
}
