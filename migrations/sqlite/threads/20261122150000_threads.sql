-- Who made this file, and which versions may read and write it.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A thread. `body` is its metadata as JSON and the only thing that is read back; the other
-- columns repeat what listings search and order by. Times are milliseconds since 1970 in UTC,
-- the checksum is over the decoded metadata.
CREATE TABLE threads (
    rowid          INTEGER PRIMARY KEY,
    id             BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    archived       INTEGER NOT NULL CHECK (archived IN (0, 1)),
    visible        INTEGER NOT NULL CHECK (visible IN (0, 1)),
    source         TEXT    NOT NULL,
    model_provider TEXT    NOT NULL,
    cwd            TEXT    NOT NULL,
    revision       INTEGER NOT NULL,
    body           TEXT    NOT NULL,
    checksum       INTEGER NOT NULL
) STRICT;

-- One pair of indexes for each set of named things a listing can be narrowed to: every page is a
-- merge of short ranges of one of them, in order, however few threads match.
CREATE INDEX threads_created ON threads (archived, visible, created_at, id);
CREATE INDEX threads_updated ON threads (archived, visible, updated_at, id);
CREATE INDEX threads_source_created ON threads (source, archived, visible, created_at, id);
CREATE INDEX threads_source_updated ON threads (source, archived, visible, updated_at, id);
CREATE INDEX threads_provider_created ON threads (model_provider, archived, visible, created_at, id);
CREATE INDEX threads_provider_updated ON threads (model_provider, archived, visible, updated_at, id);
CREATE INDEX threads_source_provider_created
    ON threads (source, model_provider, archived, visible, created_at, id);
CREATE INDEX threads_source_provider_updated
    ON threads (source, model_provider, archived, visible, updated_at, id);
CREATE INDEX threads_cwd_created ON threads (cwd, archived, visible, created_at, id);
CREATE INDEX threads_cwd_updated ON threads (cwd, archived, visible, updated_at, id);

-- The tools of a thread: a JSON array of the exact texts, and a checksum over its bytes.
CREATE TABLE dynamic_tools (
    thread_id BLOB    NOT NULL UNIQUE CHECK (length(thread_id) = 16),
    tools     TEXT    NOT NULL,
    checksum  INTEGER NOT NULL
) STRICT;

-- What a deletion leaves. `logs_pending` is 1 until the log file has let go of the thread too.
CREATE TABLE tombstones (
    thread_id    BLOB    PRIMARY KEY NOT NULL CHECK (length(thread_id) = 16),
    deleted_at   INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    logs_pending INTEGER NOT NULL CHECK (logs_pending IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_pending ON tombstones (thread_id) WHERE logs_pending = 1;

-- What an indexer remembers beside the threads.
CREATE TABLE checkpoints (
    key      TEXT    PRIMARY KEY NOT NULL,
    value    TEXT    NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Named batches that were applied, so that a repeated one answers as the first time. Each outcome
-- is nine bytes: the effect's code and the revision, most significant byte first.
CREATE TABLE batches (
    seq      INTEGER PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    outcomes BLOB NOT NULL
) STRICT;
