//! What a run has to do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io;

use threadkeep_core::ThreadId;
use threadkeep_core::rollout::{RolloutName, file_key};

use crate::home::reason;
use crate::job::{Findings, Job, JobFile};
use crate::read::Reader;
use crate::state::{Content, FileState, Keys, States};
use crate::{Home, IndexReport, RolloutFile, Scan, SkippedFile};

/// The files found, with what is remembered of them.
pub(crate) struct Matched {
    pub(crate) files: Vec<Known>,
    /// What is remembered of files that are no more.
    pub(crate) gone: States,
    /// What could not be looked into.
    pub(crate) problems: Vec<SkippedFile>,
}

/// A file found.
pub(crate) struct Known {
    pub(crate) file: RolloutFile,
    pub(crate) key: String,
    pub(crate) state: Option<FileState>,
    /// The key under which it is remembered, where that is another.
    pub(crate) moved_from: Option<String>,
}

/// What a run has to do.
pub(crate) struct Plan {
    pub(crate) jobs: Vec<Job>,
    /// What is to be remembered, or with `None` forgotten, beside the jobs.
    pub(crate) states: Vec<(String, Option<FileState>)>,
    /// What is known of the files that need no work.
    pub(crate) report: IndexReport,
}

impl Known {
    /// Whether it is, where it is, as it was.
    pub(crate) fn is_current(&self) -> bool {
        let state = self.state.as_ref().filter(|_| self.moved_from.is_none());
        state.is_some_and(|state| state.is_current(&self.file))
    }
}

impl Matched {
    /// Finds for each file what is remembered of it. A file is known by its name where it lies
    /// elsewhere than it did.
    pub(crate) fn new(scan: Scan, keys: &Keys, mut states: States) -> Self {
        let known = scan.files.into_iter().map(|file| {
            let key = keys.of(&file.path);
            let state = states.remove(&key);
            (file, key, state)
        });
        let known: Vec<_> = known.collect();
        let mut elsewhere: HashMap<String, String> = HashMap::new();
        for (key, state) in &states {
            if state.as_ref().is_some_and(|state| state.part().is_some()) {
                elsewhere.insert(file_key(&keys.path(key)), key.clone());
            }
        }
        let files = known.into_iter().map(|(file, key, state)| {
            let moved_from = match state {
                Some(_) => None,
                None => elsewhere.remove(&file_key(&file.path)),
            };
            let moved = moved_from.as_ref().and_then(|key| states.remove(key));
            Known { file, key, state: state.or(moved).flatten(), moved_from }
        });
        let files = files.collect();
        Self { files, gone: states, problems: scan.problems }
    }
}

impl Plan {
    /// Looks at a home. Opens only files whose thread is neither in their name nor remembered.
    pub(crate) fn new(
        home: &Home,
        keys: &Keys,
        states: States,
        full: bool,
        reader: &mut Reader,
    ) -> Self {
        let Matched { files, gone, problems } = Matched::new(home.scan(), keys, states);
        let mut plan =
            Self { jobs: Vec::new(), states: Vec::new(), report: IndexReport::default() };
        plan.report.files_seen = files.len() as u64;
        plan.report.skipped = problems;
        let mut threads: BTreeMap<ThreadId, Job> = BTreeMap::new();
        for known in files {
            let Some(id) = plan.thread(&known, full, reader) else {
                continue;
            };
            let job = threads.entry(id).or_insert_with(|| Job::new(id, full));
            let Known { file, key, state, moved_from } = known;
            let state = state.filter(|state| state.part().is_none_or(|part| part.thread == id));
            job.files.push(JobFile { file, key, known: state, moved: moved_from.is_some() });
            job.gone.extend(moved_from);
        }
        for (key, state) in gone {
            let taken = state.as_ref().and_then(FileState::part).filter(|part| !part.lost);
            match taken.and_then(|part| threads.get_mut(&part.thread)) {
                Some(job) => {
                    job.rebuild = true;
                    job.gone.push(key);
                }
                None => plan.states.push((key, None)),
            }
        }
        for job in threads.into_values() {
            match job.known_findings() {
                Some(found) => plan.settled(job, found),
                None => plan.jobs.push(job),
            }
        }
        plan.sort();
        plan
    }

    /// The thread of a file; `None` where it has none, which is then noted.
    fn thread(&mut self, known: &Known, full: bool, reader: &mut Reader) -> Option<ThreadId> {
        if known.is_current()
            && !full
            && let Some(FileState { is: Content::Skipped(reason), .. }) = &known.state
        {
            self.report.unchanged += 1;
            self.skip(&known.file, reason.clone());
            return None;
        }
        let state = known.state.as_ref().filter(|state| state.is_current(&known.file) && !full);
        let remembered = || state.and_then(FileState::part).map(|part| part.thread);
        let thread = RolloutName::of(&known.file.path).thread.or_else(remembered);
        if thread.is_some() {
            return thread;
        }
        match identify(&known.file, reader) {
            Ok(Ok(thread)) => return Some(thread),
            Ok(Err(reason)) => {
                let state = FileState::new(&known.file, Content::Skipped(reason.clone()));
                self.states.push((known.key.clone(), Some(state)));
                self.skip(&known.file, reason);
            }
            Err(error) => self.skip(&known.file, reason(&error)),
        }
        self.report.files_opened += 1;
        self.states.extend(known.moved_from.clone().map(|key| (key, None)));
        None
    }

    /// Takes note of a thread that needs no work.
    fn settled(&mut self, job: Job, found: Findings) {
        self.report.unchanged += job.files.len() as u64;
        self.report.add(found);
        self.states.extend(job.gone.into_iter().map(|key| (key, None)));
    }

    fn skip(&mut self, file: &RolloutFile, reason: String) {
        self.report.skipped.push(SkippedFile { path: file.path.clone(), reason });
    }

    /// The largest jobs first, so that no core is left alone with one at the end; the others stay
    /// in the order of their threads, which is about that of their files on the disk.
    fn sort(&mut self) {
        const LARGE: u64 = 8 * 1024 * 1024;
        let large = |job: &Job| Some(job.bytes()).filter(|&bytes| bytes >= LARGE);
        self.jobs.sort_by_cached_key(|job| Reverse(large(job)));
    }
}

/// The thread that a file's first `session_meta` names, or why it has none.
fn identify(file: &RolloutFile, reader: &mut Reader) -> io::Result<Result<ThreadId, String>> {
    let (meta, is_readable) = reader.session_meta(&file.path, |_| true)?;
    Ok(match meta.and_then(|meta| meta.id) {
        Some(id) => id.parse().map_err(|_| format!("its thread id {id:?} is no UUID")),
        None if is_readable => Err("no thread id in its name, and no session_meta".to_owned()),
        None => Err("no readable line".to_owned()),
    })
}
