//! The stores that are open in this process. Handles on one path share what is open; those that only
//! read share another.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use threadkeep_core::{Error, ErrorKind, LogBell, Result};

use crate::RedbOptions;
use crate::errors;
use crate::open::{self, OpenStore};

/// Where a store is, and how it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    /// What tells its files from those of this machine.
    disk: Option<(usize, u64)>,
    path: PathBuf,
    read_only: bool,
}

static PLACES: LazyLock<Mutex<HashMap<Place, Visited>>> = LazyLock::new(Mutex::default);

/// A place that somebody has open, or is about to open or to close.
#[derive(Debug, Default)]
struct Visited {
    entry: Arc<Entry>,
    visitors: usize,
}

/// What is open at one place. Opening and closing take their turns here.
#[derive(Debug, Default)]
struct Entry(Mutex<Option<Shared>>);

#[derive(Debug)]
struct Shared {
    store: Arc<OpenStore>,
    handles: usize,
}

/// One owner's hold on an open store.
#[derive(Debug)]
pub(crate) struct Handle {
    place: Place,
    entry: Arc<Entry>,
    store: Arc<OpenStore>,
    /// Heard by this handle until it is closed.
    pub(crate) bell: LogBell,
    closed: AtomicBool,
}

/// Opens the store, or takes part in it where it is open already. Blocks the thread.
pub(crate) fn open(path: &Path, options: &RedbOptions) -> Result<Handle> {
    let path = open::locate(path, options)?;
    let place = Place { disk: options.files.identity(), path, read_only: options.read_only };
    let entry = visit(&place);
    let opened = open_at(&place, &entry, options);
    if opened.is_err() {
        leave(&place);
    }
    let store = opened?;
    let bell = store.bell();
    Ok(Handle { place, entry, store, bell, closed: AtomicBool::new(false) })
}

fn open_at(place: &Place, entry: &Entry, options: &RedbOptions) -> Result<Arc<OpenStore>> {
    let mut shared = lock(&entry.0);
    match &mut *shared {
        Some(shared) if shared.store.sharing != options.sharing => {
            let text = format!(
                "{} cannot be opened as {}: this process has it open as {}",
                place.path.display(),
                options.sharing,
                shared.store.sharing
            );
            Err(Error::new(ErrorKind::Locked, text)
                .hint("close it first, or open it in the same way"))
        }
        Some(shared) => {
            shared.handles += 1;
            Ok(Arc::clone(&shared.store))
        }
        None => {
            let store = Arc::new(OpenStore::open(&place.path, options)?);
            *shared = Some(Shared { store: Arc::clone(&store), handles: 1 });
            Ok(store)
        }
    }
}

impl Handle {
    /// The store, unless this handle was closed.
    pub(crate) fn store(&self) -> Result<&Arc<OpenStore>> {
        if self.closed.load(Ordering::Acquire) { Err(errors::closed()) } else { Ok(&self.store) }
    }

    /// Closes this handle, and the store with the last. The answer is what has to be done for that,
    /// on a thread that may be blocked; `None` where it was closed before.
    pub(crate) fn close(&self) -> Option<impl FnOnce() -> Result<()> + Send + use<>> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return None;
        }
        self.bell.close();
        let (place, entry) = (self.place.clone(), Arc::clone(&self.entry));
        Some(move || release(&place, &entry))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(close) = self.close() else { return };
        tracing::warn!(path = %self.place.path.display(), "a store was dropped without being closed");
        // Whoever drops may be on a thread that must not be blocked.
        let closing = thread::Builder::new().name("threadkeep-close".into()).spawn(move || {
            if let Err(error) = close() {
                tracing::warn!(%error, "closing a dropped store failed");
            }
        });
        if let Err(error) = closing {
            tracing::warn!(%error, "a dropped store stays open");
        }
    }
}

/// Gives one handle back; the last closes the store.
fn release(place: &Place, entry: &Entry) -> Result<()> {
    let closed = {
        let mut shared = lock(&entry.0);
        match &mut *shared {
            Some(open) if open.handles > 1 => {
                open.handles -= 1;
                Ok(())
            }
            Some(open) => {
                let closed = open.store.close();
                *shared = None;
                closed
            }
            None => Ok(()),
        }
    };
    leave(place);
    closed
}

fn visit(place: &Place) -> Arc<Entry> {
    let mut places = lock(&PLACES);
    let visited = places.entry(place.clone()).or_default();
    visited.visitors += 1;
    Arc::clone(&visited.entry)
}

fn leave(place: &Place) {
    let mut places = lock(&PLACES);
    if let Some(visited) = places.get_mut(place) {
        visited.visitors -= 1;
        if visited.visitors == 0 {
            places.remove(place);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic left is whole: every change here is one assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
