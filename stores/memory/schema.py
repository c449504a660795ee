"""The tables of a memory.

Every key is `group * PER_GROUP + n`, n counted up within the group for things of all kinds and never used again. So
what belongs to a group is one range of keys in every table and in every full-text index, and a key tells its group.

Times are microseconds since 1970 in UTC; NULL is an open end. `recorded_from` and `recorded_to` are record time: a row
is never changed but for `recorded_to`, which is set once. The full-text tables hold terms (`words.terms`), no text.
"""

from __future__ import annotations

APPLICATION_ID = 0x7261676D
"""What tells the file from other SQLite files."""

VERSION = 2
"""Kept as `user_version`; a file of another version is refused."""

PER_GROUP = 1_000_000_000
"""How many keys a group has."""

_RECORDED = "recorded_from INTEGER NOT NULL, recorded_to INTEGER"
_WORDS = "USING fts5(terms, content='', tokenize=\"unicode61 remove_diacritics 2\")"

TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE groups (
        key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
        next INTEGER NOT NULL,        -- the next key
        recorded INTEGER NOT NULL,    -- record time of the last write
        generation INTEGER NOT NULL,  -- counts the writes
        erasures INTEGER NOT NULL)    -- counts those that removed rows""",
    f"""CREATE TABLE episodes (
        key INTEGER PRIMARY KEY, source TEXT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
        occurred_at INTEGER NOT NULL, digest BLOB NOT NULL, {_RECORDED})""",
    "CREATE INDEX episodes_by_digest ON episodes(digest)",
    "CREATE INDEX episodes_by_source ON episodes(source, occurred_at)",
    """CREATE TABLE queue (
        episode INTEGER PRIMARY KEY REFERENCES episodes(key), attempts INTEGER NOT NULL, problem TEXT NOT NULL)""",
    f"""CREATE TABLE entity_versions (
        key INTEGER PRIMARY KEY, entity INTEGER NOT NULL, name TEXT NOT NULL, types TEXT NOT NULL,
        attributes TEXT NOT NULL, summary TEXT NOT NULL,
        described INTEGER NOT NULL,   -- 1: told by a caller, so it stays when its facts go
        {_RECORDED})""",
    "CREATE INDEX entity_versions_by_entity ON entity_versions(entity)",
    f"""CREATE TABLE labels (            -- what told the types that versions of entities hold
        key INTEGER PRIMARY KEY, entity INTEGER NOT NULL, label TEXT NOT NULL,
        support INTEGER,              -- whose fact said so; NULL: a caller described the entity
        {_RECORDED})""",
    "CREATE INDEX labels_by_entity ON labels(entity)",
    "CREATE INDEX labels_by_support ON labels(support) WHERE support IS NOT NULL",
    """CREATE TABLE aliases (           -- every name of an entity, the canonical one too
        key INTEGER PRIMARY KEY, entity INTEGER NOT NULL, name TEXT NOT NULL,
        normal TEXT NOT NULL,         -- names.normal(name)
        recorded_from INTEGER NOT NULL)""",
    "CREATE INDEX aliases_by_normal ON aliases(normal)",
    "CREATE INDEX aliases_by_entity ON aliases(entity)",
    "CREATE TABLE acronyms (letters TEXT, alias INTEGER, PRIMARY KEY (letters, alias)) WITHOUT ROWID",
    f"""CREATE TABLE merges (            -- `entity` is taken for `into`, which may itself be taken for another
        key INTEGER PRIMARY KEY, entity INTEGER NOT NULL, into_entity INTEGER NOT NULL, method TEXT NOT NULL,
        score REAL NOT NULL, reason TEXT NOT NULL, {_RECORDED})""",
    "CREATE INDEX merges_by_entity ON merges(entity)",
    "CREATE INDEX merges_by_into ON merges(into_entity)",
    """CREATE TABLE facts (             -- as it was stated, with the entities as they were named; never changed
        key INTEGER PRIMARY KEY, subject INTEGER NOT NULL, relation TEXT NOT NULL, object INTEGER NOT NULL,
        statement TEXT NOT NULL, valid_from INTEGER, valid_to INTEGER, digest BLOB NOT NULL)""",
    "CREATE INDEX facts_by_digest ON facts(digest)",
    "CREATE INDEX facts_by_subject ON facts(subject)",
    "CREATE INDEX facts_by_object ON facts(object)",
    f"""CREATE TABLE support (           -- what a fact rests on; episode NULL: it was given as it is
        key INTEGER PRIMARY KEY, fact INTEGER NOT NULL, episode INTEGER, confidence REAL NOT NULL, {_RECORDED})""",
    "CREATE INDEX support_by_fact ON support(fact)",
    "CREATE INDEX support_by_episode ON support(episode) WHERE episode IS NOT NULL",
    f"""CREATE TABLE fact_versions (     -- what is believed of a fact
        key INTEGER PRIMARY KEY, fact INTEGER NOT NULL,
        subject INTEGER NOT NULL, relation TEXT NOT NULL, object INTEGER NOT NULL,  -- the canonical entities
        valid_from INTEGER, valid_to INTEGER, confidence REAL NOT NULL,
        same_as INTEGER,              -- the fact that stands for this one, or NULL: it stands for itself
        ended_by INTEGER,             -- the fact that set valid_to, or NULL: it was stated so
        {_RECORDED})""",
    "CREATE INDEX fact_versions_by_fact ON fact_versions(fact)",
    "CREATE INDEX fact_versions_by_ends ON fact_versions(subject, relation, object)",
    "CREATE INDEX fact_versions_by_relation ON fact_versions(relation)",
    "CREATE INDEX fact_versions_by_object ON fact_versions(object)",
    "CREATE INDEX fact_versions_by_same ON fact_versions(same_as) WHERE same_as IS NOT NULL",
    f"""CREATE TABLE rulings (           -- a judge's: fact `ended` held until `at`, since `by_fact` began then
        key INTEGER PRIMARY KEY, ended INTEGER NOT NULL, by_fact INTEGER NOT NULL, at INTEGER NOT NULL,
        reason TEXT NOT NULL, {_RECORDED})""",
    "CREATE INDEX rulings_by_ended ON rulings(ended)",
    "CREATE INDEX rulings_by_fact ON rulings(by_fact)",
    """CREATE TABLE vectors (            -- of an episode, a fact or an entity: unit length, little-endian float16
        key INTEGER PRIMARY KEY, kind TEXT NOT NULL, vector BLOB NOT NULL)""",
    f"CREATE VIRTUAL TABLE episode_words {_WORDS}",  # rowid: episodes.key
    f"CREATE VIRTUAL TABLE fact_words {_WORDS}",  # rowid: facts.key
    f"CREATE VIRTUAL TABLE entity_words {_WORDS}",  # rowid: aliases.key
    "CREATE VIRTUAL TABLE name_grams USING fts5(folded, content='', tokenize='trigram')",  # rowid: aliases.key
)


def key_range(group: int) -> tuple[int, int]:
    """The first and the last key of a group."""
    return group * PER_GROUP, group * PER_GROUP + PER_GROUP - 1
