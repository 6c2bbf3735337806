//! The commands, one module for each family.

mod check;
mod docs;
mod edit;
mod import;
mod index;
mod list;
mod logs;
mod moving;
mod show;
mod stats;

use crate::app::App;
use crate::args::Command;
use crate::exit::{Done, Failure};

/// Runs a command to its end.
pub(crate) async fn run(app: &mut App, command: Command) -> Result<Done, Failure> {
    match command {
        Command::Index(args) => index::run(app, &args).await,
        Command::ImportCodex(args) => import::run(app, &args).await,
        Command::List(args) => list::run(app, &args).await,
        Command::Show(args) => show::thread(app, &args.id).await,
        Command::Path(args) => show::path(app, &args.id).await,
        Command::Tools(args) => show::tools(app, &args.id).await,
        Command::Archive(args) => edit::archive(app, &args).await,
        Command::Unarchive(args) => edit::unarchive(app, &args).await,
        Command::Rename(args) => edit::rename(app, &args.id, &args.name).await,
        Command::Delete(args) => edit::delete(app, &args).await,
        Command::Stats => stats::run(app).await,
        Command::Check => check::run(app).await,
        Command::Logs(args) => logs::run(app, &args).await,
        Command::Copy(args) => moving::copy(app, &args).await,
        Command::Dump(args) => moving::dump(app, &args).await,
        Command::Load(args) => moving::load(app, &args).await,
        Command::Completions { shell } => docs::completions(app, shell),
        Command::Man { command } => docs::manual(app, command.as_deref()),
    }
}
