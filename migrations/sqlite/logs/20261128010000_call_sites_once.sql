-- Call sites, threads and processes are few and were written out in every entry. Now each is stored
-- once and entries name it by number.

-- Where in a program entries come from.
CREATE TABLE sites (
    number      INTEGER PRIMARY KEY,
    level       INTEGER NOT NULL,
    target      TEXT    NOT NULL,
    module_path TEXT,
    file        TEXT,
    line        INTEGER
) STRICT;
INSERT INTO sites (level, target, module_path, file, line)
    SELECT DISTINCT level, target, module_path, file, line FROM logs;

CREATE TABLE threads (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
INSERT INTO threads (name) SELECT DISTINCT thread_id FROM logs WHERE thread_id IS NOT NULL;

CREATE TABLE processes (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
INSERT INTO processes (name) SELECT DISTINCT process_id FROM logs WHERE process_id IS NOT NULL;

-- A log entry. Thread and process are 0 where it has none.
CREATE TABLE entries (
    id      INTEGER PRIMARY KEY,
    seconds INTEGER NOT NULL,
    nanos   INTEGER NOT NULL,
    site    INTEGER NOT NULL,
    thread  INTEGER NOT NULL,
    process INTEGER NOT NULL,
    message TEXT
) STRICT;
CREATE INDEX sites_for_upgrade ON sites (target, file, line, module_path, level);
INSERT INTO entries (id, seconds, nanos, site, thread, process, message)
    SELECT l.id, l.seconds, l.nanos, s.number, coalesce(t.number, 0), coalesce(p.number, 0), l.message
    FROM logs AS l
    JOIN sites AS s ON s.target = l.target AND s.file IS l.file AND s.line IS l.line
        AND s.module_path IS l.module_path AND s.level = l.level
    LEFT JOIN threads AS t ON t.name = l.thread_id
    LEFT JOIN processes AS p ON p.name = l.process_id
    ORDER BY l.id;
DROP INDEX sites_for_upgrade;

-- Of every 4,096 numbers that were given out: how many entries are left and when they were.
CREATE TABLE chunks (
    chunk        INTEGER PRIMARY KEY,
    rows         INTEGER NOT NULL,
    from_seconds INTEGER NOT NULL,
    to_seconds   INTEGER NOT NULL
) STRICT;

-- Which of them are of a call site (kind 0), a thread (1), a process (2), or a process and no
-- thread (3): how many, the bytes of their texts, and their numbers as distances, 7 bits a byte.
CREATE TABLE postings (
    chunk  INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    rows   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    ids    BLOB    NOT NULL,
    PRIMARY KEY (chunk, kind, number)
) STRICT, WITHOUT ROWID;

-- One row. Chunks below `indexed` have postings. No entry above `deleted_through` was ever deleted.
-- `names` changes with every change of sites, threads and processes, `prunes` with every transaction
-- that deletes entries.
CREATE TABLE state (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    indexed         INTEGER NOT NULL,
    deleted_through INTEGER NOT NULL,
    names           INTEGER NOT NULL,
    prunes          INTEGER NOT NULL
) STRICT;
-- What was deleted before was not noted: where numbers are missing it may have been any of them.
INSERT INTO state (one, indexed, deleted_through, names, prunes)
    SELECT 1, 0,
        CASE
            WHEN given = last AND last - first + 1 = rows THEN first - 1
            ELSE given
        END,
        1, 0
    FROM (
        SELECT count(*) AS rows, coalesce(min(id), 1) AS first, coalesce(max(id), 0) AS last,
               coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'logs'), 0) AS given
        FROM logs
    );

DROP TABLE logs;
