//! From records to entries as a store takes them. This is the writer's side: strings are made here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::SystemTime;

use threadkeep_core::{LogEntry, LogLevel, Result};
use tracing_core::callsite::Identifier;
use tracing_core::{Level, Metadata};

use crate::queue::{OtherPlace, Record};

/// What every string passes before it is stored.
pub(crate) type Redact = Box<dyn for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync>;

/// The target of what the layer has to say itself.
pub(crate) const OWN_TARGET: &str = "threadkeep_tracing";

pub(crate) struct Entries {
    redact: Option<Redact>,
    process_id: String,
    /// What is the same for every event of a call site, made once.
    sites: HashMap<Identifier, Site>,
}

#[derive(Clone)]
struct Site {
    target: String,
    module_path: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

impl Entries {
    /// # Errors
    ///
    /// [`InvalidInput`](threadkeep_core::ErrorKind::InvalidInput) where no store takes such a text
    /// as the process.
    pub(crate) fn new(process_id: String, redact: Option<Redact>) -> Result<Self> {
        let unredacted = Self { redact: None, process_id, sites: HashMap::new() };
        unredacted.notice("")?;
        Ok(Self { redact, ..unredacted })
    }

    /// The entry of a record.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](threadkeep_core::ErrorKind::InvalidInput) where the redaction made a text
    /// that no store takes.
    pub(crate) fn entry(&mut self, record: &Record) -> Result<LogEntry> {
        let Site { target, module_path, file, line } = self.site(record);
        let text = |text: &str| self.redacted(text);
        let entry = LogEntry {
            time: record.time.into(),
            level: level(*record.metadata.level()),
            target,
            message: record.message.as_deref().map(text),
            thread_id: record.thread_id.as_deref().map(text),
            process_id: Some(text(&self.process_id)),
            module_path,
            file,
            line,
        };
        entry.prepare()
    }

    /// An entry of the layer's own.
    pub(crate) fn notice(&self, message: &str) -> Result<LogEntry> {
        let message = self.redacted(message);
        let target = self.redacted(OWN_TARGET);
        let mut entry = LogEntry::new(SystemTime::now().into(), LogLevel::Warn, target, message);
        entry.process_id = Some(self.redacted(&self.process_id));
        entry.prepare()
    }

    fn site(&mut self, record: &Record) -> Site {
        let metadata = record.metadata;
        if let Some(place) = &record.place {
            return self.other_site(metadata, place);
        }
        let callsite = metadata.callsite();
        if let Some(site) = self.sites.get(&callsite) {
            return site.clone();
        }
        let site = Site {
            target: self.redacted(metadata.target()),
            module_path: metadata.module_path().map(|path| self.redacted(path)),
            file: metadata.file().map(|file| self.redacted(file)),
            line: metadata.line(),
        };
        self.sites.insert(callsite, site.clone());
        site
    }

    /// The place of a call that was logged by other means: its call site is that of the bridge.
    fn other_site(&self, metadata: &Metadata<'_>, place: &OtherPlace) -> Site {
        Site {
            target: self.redacted(place.target.as_deref().unwrap_or(metadata.target())),
            module_path: place.module_path.as_deref().map(|path| self.redacted(path)),
            file: place.file.as_deref().map(|file| self.redacted(file)),
            line: place.line,
        }
    }

    fn redacted(&self, text: &str) -> String {
        match &self.redact {
            Some(redact) => redact(text).into_owned(),
            None => text.to_owned(),
        }
    }
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::TRACE => LogLevel::Trace,
        Level::DEBUG => LogLevel::Debug,
        Level::INFO => LogLevel::Info,
        Level::WARN => LogLevel::Warn,
        Level::ERROR => LogLevel::Error,
    }
}
