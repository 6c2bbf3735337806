-- Who made this store, and which versions may read and write it.
CREATE TABLE threadkeep.meta (
    key   text PRIMARY KEY,
    value text NOT NULL
);

-- Texts are compared byte by byte. PostgreSQL has no U+0000 in a text: it is stored as U+0001 U+0001,
-- and U+0001 as U+0001 U+0002, which keeps the order.

-- The stores that share this database. `last_log_id` is the number of the newest log entry: whoever
-- appends keeps the row locked until the commit, so that numbers follow the order of commits.
CREATE TABLE threadkeep.namespaces (
    name                 text COLLATE "C" PRIMARY KEY,
    created_at           timestamptz NOT NULL DEFAULT now(),
    last_log_id          bigint NOT NULL DEFAULT 0,
    logs_deleted_through bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Every handle that writes, and the number of its last transaction: after a lost connection it says
-- whether a commit happened. `answer` is the last log entry of that transaction.
CREATE TABLE threadkeep.writers (
    id      uuid PRIMARY KEY,
    number  bigint NOT NULL,
    answer  bigint NOT NULL DEFAULT 0,
    at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- A thread. `body` is its metadata as JSON and the only thing that is read back; the other columns
-- repeat what listings search and order by. Times are milliseconds since 1970 in UTC, the checksum
-- is over the decoded metadata. Texts can be longer than a key of an index may be, so that indexes
-- have their hashes (XXH3, 64 bits). A namespace that has grown large can be given a partition of its
-- own.
CREATE TABLE threadkeep.threads (
    namespace      text COLLATE "C" NOT NULL,
    id             uuid NOT NULL,
    revision       bigint NOT NULL,
    created_at     bigint NOT NULL,
    updated_at     bigint NOT NULL,
    checksum       bigint NOT NULL,
    source_key     bigint NOT NULL,
    provider_key   bigint NOT NULL,
    cwd_key        bigint NOT NULL,
    archived       boolean NOT NULL,
    visible        boolean NOT NULL,
    source         text COLLATE "C" NOT NULL,
    model_provider text COLLATE "C" NOT NULL,
    cwd            text COLLATE "C" NOT NULL,
    body           text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, id)
) PARTITION BY LIST (namespace);
CREATE TABLE threadkeep.threads_rest PARTITION OF threadkeep.threads DEFAULT;

-- One pair of indexes for each set of named things a listing can be narrowed to: every page is a
-- merge of short ranges of one of them, in order, however few threads match.
CREATE INDEX threads_created ON threadkeep.threads (namespace, archived, visible, created_at, id);
CREATE INDEX threads_updated ON threadkeep.threads (namespace, archived, visible, updated_at, id);
CREATE INDEX threads_source_created
    ON threadkeep.threads (namespace, source_key, archived, visible, created_at, id);
CREATE INDEX threads_source_updated
    ON threadkeep.threads (namespace, source_key, archived, visible, updated_at, id);
CREATE INDEX threads_provider_created
    ON threadkeep.threads (namespace, provider_key, archived, visible, created_at, id);
CREATE INDEX threads_provider_updated
    ON threadkeep.threads (namespace, provider_key, archived, visible, updated_at, id);
CREATE INDEX threads_source_provider_created
    ON threadkeep.threads (namespace, source_key, provider_key, archived, visible, created_at, id);
CREATE INDEX threads_source_provider_updated
    ON threadkeep.threads (namespace, source_key, provider_key, archived, visible, updated_at, id);
CREATE INDEX threads_cwd_created
    ON threadkeep.threads (namespace, cwd_key, archived, visible, created_at, id);
CREATE INDEX threads_cwd_updated
    ON threadkeep.threads (namespace, cwd_key, archived, visible, updated_at, id);

-- The tools of a thread: a JSON array of the exact texts, and a checksum over its bytes.
CREATE TABLE threadkeep.dynamic_tools (
    namespace text COLLATE "C" NOT NULL,
    thread_id uuid NOT NULL,
    checksum  bigint NOT NULL,
    tools     text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, thread_id)
);

-- What a deletion leaves. `logs_pending` is true until the logs have let go of the thread too.
CREATE TABLE threadkeep.tombstones (
    namespace    text COLLATE "C" NOT NULL,
    thread_id    uuid NOT NULL,
    deleted_at   bigint NOT NULL,
    revision     bigint NOT NULL,
    logs_pending boolean NOT NULL,
    PRIMARY KEY (namespace, thread_id)
);
CREATE INDEX tombstones_pending ON threadkeep.tombstones (namespace, thread_id) WHERE logs_pending;

-- What an indexer remembers beside the threads. A key can be longer than an index takes: `head` is
-- its beginning.
CREATE TABLE threadkeep.checkpoints (
    namespace text COLLATE "C" NOT NULL,
    head      text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    revision  bigint NOT NULL,
    value     text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX checkpoints_key ON threadkeep.checkpoints (namespace, head, md5(key));

-- Named batches that were applied, so that a repeated one answers as the first time. Each outcome
-- is nine bytes: the effect's code and the revision, most significant byte first.
CREATE TABLE threadkeep.batches (
    namespace text COLLATE "C" NOT NULL,
    id        uuid NOT NULL,
    seq       bigint GENERATED ALWAYS AS IDENTITY,
    outcomes  bytea NOT NULL,
    PRIMARY KEY (namespace, id)
);
CREATE INDEX batches_seq ON threadkeep.batches (namespace, seq);

-- Log entries, a partition a day: the day they were appended, by the server's clock in UTC.
-- `seconds` and `nanos` are the entry's own time. `owner` is the hash of whose it is, `bytes` what its
-- texts have.
CREATE TABLE threadkeep.logs (
    namespace   text COLLATE "C" NOT NULL,
    id          bigint NOT NULL,
    day         date NOT NULL,
    seconds     bigint NOT NULL,
    owner       bigint NOT NULL,
    nanos       integer NOT NULL,
    bytes       integer NOT NULL,
    level       smallint NOT NULL,
    line        bigint,
    target      text COLLATE "C" NOT NULL,
    module_path text COLLATE "C",
    file        text COLLATE "C",
    thread_id   text COLLATE "C",
    process_id  text COLLATE "C",
    message     text COLLATE "C",
    PRIMARY KEY (namespace, id, day)
) PARTITION BY RANGE (day);
CREATE INDEX logs_owner ON threadkeep.logs (namespace, owner, id);
CREATE INDEX logs_grave ON threadkeep.logs (namespace, id) WHERE level >= 4;
CREATE INDEX logs_time ON threadkeep.logs USING brin (seconds);

-- What each namespace has in each day's partition; no row where it has nothing. No entry there has a
-- number outside `first_id` to `last_id`, nor a time before the second `oldest` or after `newest`.
CREATE TABLE threadkeep.log_days (
    namespace text COLLATE "C" NOT NULL,
    day       date NOT NULL,
    rows      bigint NOT NULL,
    bytes     bigint NOT NULL,
    first_id  bigint NOT NULL,
    last_id   bigint NOT NULL,
    oldest    bigint NOT NULL,
    newest    bigint NOT NULL,
    PRIMARY KEY (namespace, day)
) WITH (fillfactor = 50);
CREATE INDEX log_days_day ON threadkeep.log_days (day);

-- What each owner has in each day's partition; a partition a day likewise.
CREATE TABLE threadkeep.log_owners (
    namespace text COLLATE "C" NOT NULL,
    owner     bigint NOT NULL,
    day       date NOT NULL,
    rows      bigint NOT NULL,
    bytes     bigint NOT NULL,
    PRIMARY KEY (namespace, owner, day)
) PARTITION BY RANGE (day);
