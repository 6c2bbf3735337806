//! Whatever a store holds, what is copied or dumped of it is the same.

use threadkeep_core::Store;
use threadkeep_core::moving::{
    CopyOptions, Dump, DumpOptions, Load, LoadOptions, Parts, copy, digest,
};

use super::copies::{Content, content};
use super::in_lab;
use crate::cases::{Tier, group};
use crate::diff::same;
use crate::lab::{Lab, Verdict};
use crate::setting::Setting;

group! { sync Tier::Laws;
    S_15: a_copy_of_a_copy_is_the_original,
    S_19: a_dump_of_a_copy_is_the_original,
}

const SEQUENCES: u64 = 6;
const ALL: Parts = Parts::new().logs(true);

fn a_copy_of_a_copy_is_the_original(setting: &Setting) -> Verdict {
    in_lab(setting, SEQUENCES, &content(), |lab, content| Box::pin(copied(lab, content)))
}

fn a_dump_of_a_copy_is_the_original(setting: &Setting) -> Verdict {
    in_lab(setting, SEQUENCES, &content(), |lab, content| Box::pin(dumped(lab, content)))
}

async fn another(lab: &Lab, name: &str) -> Verdict<std::sync::Arc<dyn Store>> {
    let folder = lab.beside(name);
    std::fs::create_dir(&folder)?;
    Ok(lab.open_at(&folder).await?)
}

async fn copied(lab: &Lab, content: Content) -> Verdict {
    let mut store = lab.open().await?;
    content.put_into(&*store).await?;
    let expected = digest(&*store, ALL).await?;
    let options = CopyOptions::new().logs("a store");
    for name in ["the second store", "the third"] {
        let next = another(lab, name).await?;
        let report = copy(&*store, &*next, &options).await?;
        same(&format!("conflicts of {name}"), &report.conflicts, &Vec::new())?;
        same(&format!("the digest of {name}"), &digest(&*next, ALL).await?, &expected)?;
        store = next;
    }
    // The digest must not be all that agrees. How far logs were copied is the store's own.
    let mut found = Content::read_from(&*store).await?;
    found.forget_copies();
    same("what the third store holds", &found, &content)
}

async fn dumped(lab: &Lab, content: Content) -> Verdict {
    let store = lab.open().await?;
    content.put_into(&*store).await?;
    let mut dump = Dump::new(&*store, DumpOptions::new("a store").parts(ALL));
    let mut text = Vec::new();
    while let Some(lines) = dump.next().await? {
        text.extend(lines);
    }
    let expected = digest(&*store, ALL).await?;
    same("the digest of the dump", &dump.digest(), &expected)?;
    let next = another(lab, "the second store").await?;
    let mut load = Load::new(&*next, LoadOptions::new());
    for bytes in text.chunks(97) {
        load.feed(bytes).await?;
    }
    let report = load.finish().await?;
    same("conflicts", &report.conflicts, &Vec::new())?;
    same("the digest of what was loaded", &digest(&*next, ALL).await?, &expected)?;
    let mut found = Content::read_from(&*next).await?;
    found.forget_copies();
    same("what the second store holds", &found, &content)
}
