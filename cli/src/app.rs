//! What every command works with: the home, the store, and where to print.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use threadkeep::rollouts::{self, Home, IndexOptions};
use threadkeep::{Error, ErrorKind, Result, Store};

use crate::args::Global;
use crate::home;
use crate::interrupt::Interrupt;
use crate::output::{Output, text};

/// What every command works with.
pub(crate) struct App {
    global: Global,
    pub(crate) output: Output,
    /// Shared with whoever closes the store, also when the command was interrupted.
    opened: Arc<OnceLock<Arc<dyn Store>>>,
    interrupt: Interrupt,
}

impl App {
    pub(crate) fn new(global: Global, output: Output) -> Self {
        Self { global, output, opened: Arc::default(), interrupt: Interrupt::default() }
    }

    /// The store, once a command has opened it.
    pub(crate) fn opened(&self) -> Arc<OnceLock<Arc<dyn Store>>> {
        Arc::clone(&self.opened)
    }

    /// Ctrl-C, for a command that goes on until then.
    pub(crate) fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Has this store in place of the one that was named.
    pub(crate) fn use_store(&mut self, url: String) {
        self.global.store = Some(url);
    }

    /// The URL of the store.
    pub(crate) fn store_url(&self) -> Result<String> {
        match &self.global.store {
            Some(url) if !url.is_empty() => Ok(url.clone()),
            _ => home::default_store(),
        }
    }

    /// Whether what is written is gone when the program ends.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.global.store.as_deref().is_some_and(|url| url.starts_with("memory:"))
    }

    /// Whether the store, as it is named, is this file.
    pub(crate) fn store_is(&self, path: &Path) -> Result<bool> {
        let url = self.store_url()?;
        let real = |path: &Path| path.canonicalize().ok();
        Ok(path_of(&url).and_then(real).is_some_and(|store| real(path) == Some(store)))
    }

    /// Whether the store keeps log entries of any age.
    pub(crate) fn keeps_all_logs(&self) -> bool {
        let options =
            |url: &str| url.rsplit_once('?').is_some_and(|(_, o)| o.contains("retention=off"));
        self.is_in_memory() || self.global.store.as_deref().is_some_and(options)
    }

    /// The Codex home, whether it exists or not.
    pub(crate) fn home(&self) -> Result<Home> {
        Ok(Home::new(home::codex_home(self.global.home.clone())?))
    }

    /// The Codex home, which must be a folder.
    pub(crate) fn existing_home(&self) -> Result<Home> {
        let home = self.home()?;
        let root = home.root();
        let error = match root.metadata() {
            Ok(found) if found.is_dir() => return Ok(home),
            Ok(_) => Error::invalid_input(format!("{} is no folder", root.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, format!("there is no folder {}", root.display()))
            }
            Err(error) => {
                Error::new(ErrorKind::Io, format!("{} cannot be looked into", root.display()))
                    .with_source(error)
            }
        };
        Err(error.hint("name the Codex home, which holds the folder sessions, with --home"))
    }

    /// Opens the store as it is.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>> {
        let url = self.store_url()?;
        self.open_as(&url, threadkeep::open(&url)).await
    }

    async fn open_as(
        &self,
        url: &str,
        opening: impl Future<Output = Result<Arc<dyn Store>>>,
    ) -> Result<Arc<dyn Store>> {
        let start = Instant::now();
        let store = opening.await?;
        let shown = threadkeep::without_password(url);
        self.output.detail(format_args!("opened {shown} in {}", text::duration(start.elapsed())));
        Ok(Arc::clone(self.opened.get_or_init(|| store)))
    }

    /// Opens a store that is there, to read what it holds and nothing else.
    pub(crate) async fn open_for_reading(&self) -> Result<Arc<dyn Store>> {
        if self.is_in_memory() {
            return self.open().await;
        }
        let url = self.existing_store_url()?;
        self.open_as(&url, threadkeep::open_read_only(&url)).await
    }

    /// Opens a store that is there, to delete log entries as the caller says, and no others.
    pub(crate) async fn open_for_pruning(&self) -> Result<Arc<dyn Store>> {
        if self.is_in_memory() {
            return self.open().await;
        }
        let url = self.existing_store_url()?;
        let parting = if url.contains('?') { '&' } else { '?' };
        let keeping = format!("{url}{parting}retention=off");
        self.open_as(&url, threadkeep::open(&keeping)).await
    }

    /// The URL of the store, which must be there.
    fn existing_store_url(&self) -> Result<String> {
        let url = match self.global.store.as_deref() {
            Some(url) if !url.is_empty() => url.to_owned(),
            _ => home::default_store_url()?,
        };
        if let Some(path) = path_of(&url)
            && let Err(error) = path.metadata()
            && error.kind() == std::io::ErrorKind::NotFound
        {
            let missing = format!("there is no store {}", path.display());
            let index = self.command_line("index");
            return Err(Error::new(ErrorKind::NotFound, missing)
                .hint(format!("name the store with --store, or make it with `{index}`")));
        }
        Ok(url)
    }

    /// Opens the store for reading. A store in memory is filled from the home first, so that every
    /// command works without any other.
    pub(crate) async fn open_filled(&mut self) -> Result<Arc<dyn Store>> {
        if !self.is_in_memory() {
            return self.open().await;
        }
        let home = self.existing_home()?;
        let store = self.open().await?;
        let report = rollouts::index(&*store, &home, IndexOptions::new()).await?;
        self.output.detail(format_args!(
            "read {} in {}",
            text::count(report.files_opened, "file"),
            text::duration(report.elapsed)
        ));
        if !report.skipped.is_empty() {
            let note = format!("{} gave no thread", text::count(report.skipped.len(), "file"));
            let hint = format!("run `{}` to see which and why", self.command_line("index"));
            self.output.note(&note, Some(&hint));
        }
        Ok(store)
    }

    /// A command to recommend, with the flags that name the same store and home.
    pub(crate) fn command_line(&self, command: &str) -> String {
        let mut line = String::from("threadkeep");
        // What the environment names, it names for the next command too.
        let given = |name, value: &str| std::env::var_os(name).is_none_or(|var| var != value);
        if let Some(store) = self.global.store.as_deref()
            && given("THREADKEEP_STORE", store)
        {
            line.push_str(" --store ");
            line.push_str(&quoted(&threadkeep::without_password(store)));
        }
        if let Some(home) = self.global.home.as_deref().and_then(Path::to_str)
            && given("CODEX_HOME", home)
        {
            line.push_str(" --home ");
            line.push_str(&quoted(home));
        }
        line.push(' ');
        line.push_str(command);
        line
    }
}

/// The file of a store that is kept.
fn path_of(url: &str) -> Option<&Path> {
    let (scheme, rest) = url.split_once(':')?;
    let path = rest.rsplit_once('?').map_or(rest, |(path, _)| path);
    let is_kept = matches!(scheme, "sqlite" | "redb") && !path.is_empty();
    is_kept.then(|| Path::new(path))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-:=@%+,~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_stores() {
        for (url, path) in [
            ("sqlite:/a/b.db", Some("/a/b.db")),
            ("sqlite:a?b.db?", Some("a?b.db")),
            ("redb:/a/b.redb", Some("/a/b.redb")),
            ("redb:a?b?sharing=single", Some("a?b")),
            ("memory:", None),
            ("sqlite:", None),
            ("b.db", None),
        ] {
            assert_eq!(path_of(url), path.map(Path::new), "{url}");
        }
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("sqlite:/a/b.db"), "sqlite:/a/b.db");
        assert_eq!(quoted("/it's here"), r"'/it'\''s here'");
        assert_eq!(quoted(""), "''");
    }
}
