//! `check`: whether the store works, is sound, and agrees with the home.

mod step;

use serde_json::json;

use crate::app::App;
use crate::exit::{Done, Failure};
use crate::output::text;
use step::{Step, Verdict};

/// How many findings of one sort are printed for people, unless they ask for all.
const SHOWN: usize = 10;

pub(super) async fn run(app: &mut App) -> Result<Done, Failure> {
    let store = app.open_filled().await?;
    let index = app.command_line("index");
    let (list, first) = step::list(&*store).await?;
    let mut steps =
        vec![list, step::read(&*store, first).await?, step::integrity(&*store, &index).await?];
    steps.push(match app.existing_home() {
        Ok(home) => step::files(&*store, &home, &index).await?,
        Err(error) => Step::new("files", Verdict::Behind, error.message())
            .hint(error.hint_text().unwrap_or_default()),
    });
    if app.output.is_json() {
        let worst = worst(&steps);
        app.output.object(&json!({ "verdict": worst, "steps": steps }))?;
    } else {
        print(app, &steps)?;
    }
    Ok(match worst(&steps) {
        Verdict::Ok => Done::Whole,
        Verdict::Behind => Done::InPart,
        Verdict::Damaged => Done::Damaged,
    })
}

fn worst(steps: &[Step]) -> Verdict {
    steps.iter().map(|step| step.verdict).max().unwrap_or(Verdict::Ok)
}

fn print(app: &mut App, steps: &[Step]) -> Result<(), Failure> {
    let shown = if app.output.is_verbose() { usize::MAX } else { SHOWN };
    let mut pairs = Vec::new();
    for step in steps {
        pairs.push((step.name, format!("{}: {}", step.verdict.as_str(), step.summary)));
        let mut findings = step.findings.as_slice();
        while let Some(first) = findings.first() {
            let same = findings.iter().take_while(|finding| finding.what == first.what).count();
            let (these, rest) = findings.split_at(same);
            pairs.extend(these.iter().take(shown).map(|finding| (finding.what, finding.line())));
            if same > shown {
                let more = text::number((same - shown) as u64);
                pairs.push((first.what, format!("and {more} more, which -v names")));
            }
            findings = rest;
        }
    }
    app.output.pairs(&pairs)?;
    for step in steps.iter().filter(|step| step.hint.is_some()) {
        let note = format!("{} {}", step.name, step.verdict.as_str());
        app.output.note(&note, step.hint.as_deref());
    }
    Ok(())
}
