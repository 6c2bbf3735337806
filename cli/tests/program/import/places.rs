//! Which database is read, and where it lies.

use std::fs;

use super::{FIRST, contents, first, import, kept, show, state, write};
use crate::support::{Ran, id};

#[test]
fn the_highest_number_is_the_newest() {
    let [setup, redb] = kept();
    for (number, name) in
        [(1, "state.db"), (2, "state_9.sqlite"), (3, "state_10.sqlite"), (4, "state_7.db")]
    {
        write(&state(&setup, name), &[FIRST, &first(number, name)]);
    }
    fs::write(state(&setup, "state_11.sqlite-wal"), "").unwrap();
    fs::write(state(&setup, "state_12.sqlite.bak"), "").unwrap();
    let ran = setup.run(&["import-codex", "-v"]).expect(0);
    assert!(ran.err.contains("state_10.sqlite"), "{}", ran.err);
    let others = "than state_9.sqlite, state_7.db, state.db, which was not read";
    assert!(ran.err.contains(others), "{}", ran.err);
    assert_eq!(show(&setup, 3)["title"], "state_10.sqlite");
    assert_eq!(setup.tails(&[]).len(), 1);

    // Any can be named, also in words that depend on the folder.
    let mut command = setup.command(&["import-codex", "--json", "--db", "state.db"]);
    Ran::of(command.current_dir(&setup.home)).expect(0);
    assert_eq!(show(&setup, 1)["title"], "state.db");
    // The folder of the databases may be apart from the home.
    let mut command = redb.command(&["import-codex"]);
    Ran::of(command.env("CODEX_SQLITE_HOME", &setup.home)).expect(0);
    assert_eq!(redb.tails(&[]), [&id(3)[24..]]);
}

#[test]
fn a_store_in_memory_shows_what_an_import_would_do() {
    let [setup, _] = kept();
    write(&state(&setup, "state_5.sqlite"), &[FIRST, &first(1, "one")]);
    let before = contents(&setup.home);
    let mut command = crate::support::bare(&["--store", "memory:", "import-codex", "--home"]);
    let ran = Ran::of(command.arg(&setup.home)).expect(0);
    assert!(ran.out.contains("1 thread: 1 new"), "{}", ran.out);
    assert_eq!(contents(&setup.home), before);
}

#[cfg(unix)]
#[test]
fn a_link_leads_to_the_database_and_its_side_files() {
    let [setup, _] = kept();
    let real = setup.folder.path().join("real.db");
    write(&real, &[FIRST, &first(1, "one")]);
    std::os::unix::fs::symlink(&real, state(&setup, "state_5.sqlite")).unwrap();
    import(&setup, 0, &[]);
    assert_eq!(show(&setup, 1)["title"], "one");
}

#[test]
fn the_store_is_not_the_database_itself() {
    let [mut setup, _] = kept();
    let file = state(&setup, "state_5.sqlite");
    write(&file, &[FIRST, &first(1, "one")]);
    setup.store = format!("sqlite:{}", file.display());
    let before = contents(&setup.home);
    let error = setup.run(&["import-codex", "--json"]).expect(2).error();
    assert!(error["message"].as_str().unwrap().contains("state_5.sqlite is named as"), "{error}");
    assert_eq!(contents(&setup.home), before);
}
