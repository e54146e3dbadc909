"""Tables of the service's database, and its schema's version."""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
)

from taskgroup.errors import InputError

VERSION = 1

metadata = MetaData()

schema = Table("service_schema", metadata, Column("version", Integer, nullable=False))

jobs = Table(
    "service_jobs",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("config", Text, nullable=False),
    Column("config_hash", String(64), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("workers", Integer),
    Column("trials", Integer),
    Column("wanted", String(16), nullable=False),
    Column("owner", String(255)),
    Column("lease_until", Float),
    Column("attempts", Integer, nullable=False),
    Column("step", String(32)),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("best_gain", Float),
    Column("message", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Column("not_before", Float, nullable=False),  # a job that ended badly waits until then
    Index("service_jobs_queue", "state", "priority", "created"),
    Index("service_jobs_newest", "created"),
)

events = Table(
    "service_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("job", String(255), nullable=False),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("mark", String(64)),  # what may be told of a job once
    UniqueConstraint("job", "mark"),
    Index("service_events_of_job", "job", "id"),
    sqlite_autoincrement=True,  # ids of deleted events are not given again
)


def create(connection: Connection) -> None:
    """Create what is missing.

    Raises:
        InputError: The tables are of a newer version.
    """
    metadata.create_all(connection)
    found = connection.execute(select(schema.c.version)).scalar()
    if found is None:
        connection.execute(insert(schema).values(version=VERSION))
    elif found > VERSION:
        raise InputError(
            f"the service's database has tables of version {found}, this taskgroup knows them up to {VERSION}: "
            "use a newer taskgroup, or another database"
        )
