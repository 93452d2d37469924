"""Which graph versions housekeeping deletes."""

from __future__ import annotations

from agentguard.graph.storage.retention import GraphLimits, expired_versions
from agentguard.graph.storage.store import GRACE, VersionRecord
from agentguard.kernel.clock import NS_PER_DAY
from agentguard.retention.policy import Item, Limit

NOW = 1_000 * NS_PER_DAY


def record(dataset: str, id_: str, days_ago: float) -> VersionRecord:
    return VersionRecord(dataset, Item(id_, NOW - int(days_ago * NS_PER_DAY), 10))


def expire(*versions: VersionRecord, cited=(), **bounds: Limit) -> set[str]:
    limits = GraphLimits(bounds.get("versions", Limit()), bounds.get("datasets", Limit()))
    return set(expired_versions(versions, limits, NOW, cited))


def test_the_newest_versions_of_each_dataset_stay():
    versions = [record("a", f"a{n}", 9 - n) for n in range(4)] + [record("b", "b0", 30)]

    assert expire(*versions, versions=Limit(number=2)) == {"a0", "a1"}


def test_the_version_written_last_stays_even_where_a_clock_was_set_back():
    versions = [record("a", "first", 1), record("a", "second", 2), record("a", "last", 5)]

    assert expire(*versions, versions=Limit(number=1)) == {"first", "second"}


def test_age_spares_the_newest_version_of_a_dataset():
    versions = [record("a", "old", 40), record("a", "newest", 35)]

    assert expire(*versions, versions=Limit(age=30 * NS_PER_DAY)) == {"old"}


def test_a_dataset_not_written_for_long_goes_as_a_whole_but_live_stays():
    versions = [
        record("a", "a0", 90),
        record("a", "a1", 31),
        record("b", "b0", 90),
        record("b", "b1", 29),
        record("live", "l0", 90),
    ]

    assert expire(*versions, datasets=Limit(age=30 * NS_PER_DAY)) == {"a0", "a1"}


def test_the_datasets_written_last_stay_and_live_does_not_count():
    versions = [record(name, name, 9 - n) for n, name in enumerate(("a", "live", "b", "c"))]

    assert expire(*versions, datasets=Limit(number=2)) == {"a"}


def test_a_cited_version_stays_and_takes_no_place():
    versions = [record("a", f"a{n}", 9 - n) for n in range(4)]

    assert expire(*versions, cited={"a0", "a2"}, versions=Limit(number=2)) == set()
    assert expire(*versions, cited={"a0"}, versions=Limit(number=1)) == {"a1", "a2"}
    assert expire(*versions, cited={"a1"}, datasets=Limit(number=0)) == {"a0", "a2", "a3"}


def test_a_version_that_was_just_made_stays_for_its_readers():
    just = GRACE / 2 / NS_PER_DAY
    versions = [record("a", "a0", 1), record("a", "a1", just), record("a", "a2", just)]

    assert expire(*versions, versions=Limit(number=1)) == {"a0"}
    assert expire(*versions, datasets=Limit(number=0)) == {"a0"}
