-- Who made this file, and which versions may read and write it.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A log entry. AUTOINCREMENT, so that a number is never given out twice, whatever is deleted.
CREATE TABLE logs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    seconds     INTEGER NOT NULL,
    nanos       INTEGER NOT NULL,
    level       INTEGER NOT NULL,
    target      TEXT    NOT NULL,
    message     TEXT,
    thread_id   TEXT,
    process_id  TEXT,
    module_path TEXT,
    file        TEXT,
    line        INTEGER
) STRICT;
CREATE INDEX logs_time ON logs (seconds, nanos);
CREATE INDEX logs_thread ON logs (thread_id, id);
