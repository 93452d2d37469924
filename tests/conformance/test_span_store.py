"""What every SpanStore promises, beside other processes and after a crash too."""

from __future__ import annotations

import asyncio
import pickle
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from agentguard.adapters.files import parts, segments, spans
from agentguard.adapters.files.locks import try_lock
from agentguard.adapters.files.parts import (
    MIXED,
    Part,
    merge_parts,
    parts_in,
    without_superseded,
)
from agentguard.adapters.files.quarantine import Quarantine
from agentguard.adapters.files.retention import (
    BodyRetention,
    LogRetention,
    QuarantineRetention,
    SpanRetention,
)
from agentguard.adapters.files.spans import FileSpanStore, open_span_store
from agentguard.kernel.clock import system_clock
from agentguard.retention.policy import Limit
from agentguard.traces.damage import DamagedSpansError, without_damaged
from agentguard.traces.errors import StoreUnavailableError
from agentguard.traces.store import Delivery
from agentguard.traces.validation import make_decoder, validate
from tests.retention.files import expired, purged
from tests.traces.spans import HOUR, NOTHING_WANTED, START, batch, counts, json, protobuf

pytestmark = pytest.mark.anyio

MINUTE = HOUR // 60


class Clock:
    def __init__(self) -> None:
        self.now = START + 100 * HOUR

    def __call__(self) -> int:
        self.now += 1000
        return self.now


async def decode(deliveries: Sequence[Delivery]) -> pa.Table:
    return validate(make_decoder(NOTHING_WANTED), deliveries).spans


@asynccontextmanager
async def opened(directory: Path, clock: Clock | None = None, *, keep_bodies: bool = False):
    async with open_span_store(
        directory, decode, clock or Clock(), keep_bodies=keep_bodies
    ) as store:
        yield store


async def held(store: FileSpanStore, since: int = 0) -> Counter[int]:
    async with store.window(since) as window:
        return counts(table for source in window.sources for table in source.tables())


async def test_appended_spans_show_once_settled_and_stay_after_a_restart(tmp_path: Path):
    async with opened(tmp_path) as store:
        await store.append(batch(protobuf([1, 2]), json([3])))
        before = await held(store)
        await store.compact()
        after = await held(store)
    async with opened(tmp_path) as store:
        again = await held(store)

    assert before == {}
    assert after == again == {1: 1, 2: 1, 3: 1}


async def test_what_was_never_settled_is_settled_after_a_restart(tmp_path: Path):
    async with opened(tmp_path) as store:
        await store.append(batch(protobuf([1, 2])))
        await store.append(batch(json([3], start=START + 5 * HOUR)))
    async with opened(tmp_path) as store:
        await store.compact()

        assert await held(store) == {1: 1, 2: 1, 3: 1}


async def test_bodies_are_gone_after_settling_unless_they_are_to_be_kept(tmp_path: Path):
    for keep in (False, True):
        async with opened(tmp_path / str(keep), keep_bodies=keep) as store:
            await store.append(batch(protobuf([1])))
            assert len(list((tmp_path / str(keep) / "log").iterdir())) == 1
            await store.compact()

        assert list((tmp_path / str(keep) / "log").iterdir()) == []
        assert len(list((tmp_path / str(keep) / "bodies").iterdir())) == keep


STEPS = ["write_parts:first", "write_parts:done", "retire", "merge:written"]


@pytest.mark.parametrize("step", STEPS)
async def test_dying_between_any_two_steps_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch, step: str
):
    """The folder as it is at that step is what the next process finds."""
    expected: dict[int, int] = {}
    clock = Clock()
    async with opened(tmp_path / "alive", clock) as store:
        for n in range(1, 11):  # the tenth settling merges what is older
            clock.now += MINUTE
            await store.append(batch(protobuf([n]), json([100 + n], start=START + HOUR)))
            expected |= {n: 1, 100 + n: 1}
            if n < 10:
                await store.compact()
        with monkeypatch.context() as patched:
            _snapshot_at(patched, step, tmp_path / "alive", tmp_path / "dead")
            await store.compact()
    async with opened(tmp_path / "dead") as store:
        await store.compact()

        assert await held(store) == expected


def _snapshot_at(patched: pytest.MonkeyPatch, step: str, alive: Path, dead: Path) -> None:
    def copy() -> None:
        shutil.copytree(alive, dead, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.lock"))

    def after(module, name: str, *, first: bool = False) -> None:
        real = getattr(module, name)
        done: list[int] = []

        def wrapped(*args):
            result = real(*args)
            if not (first and done):
                copy()
            done.append(1)
            return result

        patched.setattr(module, name, wrapped)

    match step:
        case "write_parts:first":
            after(parts, "_write", first=True)
        case "write_parts:done":
            after(spans, "write_parts")
        case "retire":
            after(FileSpanStore, "_delete_segment")
        case "merge:written":
            after(spans, "merge_parts")
    assert not dead.exists()


async def test_small_parts_are_merged_and_readers_keep_what_they_read(tmp_path: Path):
    clock = Clock()

    async def receive(store: FileSpanStore, number: int) -> None:
        clock.now += MINUTE // 2
        await store.append(batch(protobuf([number])))
        await store.compact()

    async with opened(tmp_path, clock) as store, opened(tmp_path, clock) as beside:
        for n in range(1, 6):
            await receive(store, n)
        async with beside.window(0) as window:
            for n in range(6, 31):
                await receive(store, n)
            assert counts(
                table for source in window.sources for table in source.tables()
            ) == dict.fromkeys(range(1, 6), 1)
        await store.compact()

        assert await held(store) == dict.fromkeys(range(1, 31), 1)
        assert len(parts_in(tmp_path / "spans")) < 15


async def test_a_window_holds_what_was_received_since_and_expiry_deletes_what_was_before(
    tmp_path: Path,
):
    clock = Clock()
    async with opened(tmp_path, clock) as store:
        await store.append(batch(protobuf([1])))
        await store.compact()
        clock.now += 3 * HOUR
        await store.append(batch(protobuf([2])))
        await store.compact()

        assert await held(store, clock.now - HOUR) == {2: 1}
        assert await held(store, clock.now - 4 * HOUR) == {1: 1, 2: 1}
        assert await expired(SpanRetention(tmp_path, Limit(age=HOUR)), clock.now) == 1
        assert await held(store) == {2: 1}


async def test_the_oldest_spans_go_first_where_their_bytes_exceed_the_limit(tmp_path: Path):
    clock = Clock()
    async with opened(tmp_path, clock) as store:
        for number in (1, 2, 3):
            await store.append(batch(protobuf([number])))
            await store.compact()
            clock.now += HOUR
        size = (await SpanRetention(tmp_path, Limit()).usage()).bytes

        assert await expired(SpanRetention(tmp_path, Limit(bytes=size)), clock.now) == 0
        assert await expired(SpanRetention(tmp_path, Limit(bytes=size - 1)), clock.now) == 1
        assert await held(store) == {2: 1, 3: 1}


async def test_of_a_window_with_too_many_spans_those_received_last_are_read(tmp_path: Path):
    clock = Clock()
    async with opened(tmp_path, clock) as store:
        for n in range(1, 5):
            await store.append(batch(json([10 * n, 10 * n + 1])))
            await store.compact()
            clock.now += MINUTE

        for most, wanted in ((100, 8), (8, 8), (7, 6), (4, 4), (1, 2)):
            async with store.window(0, most_spans=most) as window:
                found = counts(table for source in window.sources for table in source.tables())
                assert sorted(found) == sorted(await held(store))[-wanted:]
                assert window.left_out == 8 - wanted


async def test_merging_holds_a_bounded_number_of_spans(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(parts, "_MOST_MERGED", 40)
    clock = Clock()
    async with opened(tmp_path, clock) as store:
        for n in range(1, 61):
            await store.append(batch(json([10 * n, 10 * n + 1])))
            await store.compact()
            clock.now += 2 * MINUTE
        found = without_superseded(parts_in(tmp_path / "spans"))
        sizes = [parts.span_count(part.path(tmp_path / "spans")) for part in found]

        assert len(await held(store)) == 120
    assert 20 <= max(sizes) <= 40
    assert len(sizes) < 30


async def test_spans_that_are_read_are_not_deleted_until_the_reader_ends(tmp_path: Path):
    clock = Clock()
    spans = SpanRetention(tmp_path, Limit(bytes=0))
    async with opened(tmp_path, clock) as store:
        await store.append(batch(protobuf([1])))
        await store.compact()
        async with store.window(0):
            assert await expired(spans, clock.now) == 0
            purging = asyncio.ensure_future(purged(spans, clock.now + 2 * HOUR))
            await asyncio.sleep(0)

        assert await purging == 1
        assert await held(store) == {}


async def test_a_purge_deletes_old_bodies_and_segments_that_dead_processes_left(tmp_path: Path):
    clock = Clock()
    async with opened(tmp_path, clock, keep_bodies=True) as store:
        await store.append(batch(protobuf([1])))
        await store.compact()
        await store.append(batch(protobuf([2])))
        (living,) = (tmp_path / "log").iterdir()
        left = tmp_path / "log" / f"{1:016x}.log"
        left.write_bytes(living.read_bytes())

        assert (await BodyRetention(tmp_path, Limit()).usage()).count == 1
        assert (await LogRetention(tmp_path).usage()).count == 2
        assert await purged(BodyRetention(tmp_path, Limit()), clock.now + 2 * HOUR) == 1
        assert await purged(LogRetention(tmp_path), system_clock() + HOUR) == 1
        assert list((tmp_path / "log").iterdir()) == [living]


async def test_the_key_changes_with_new_spans_only(tmp_path: Path):
    async def key(store: FileSpanStore) -> str:
        async with store.window(0) as window:
            return window.key

    clock = Clock()
    async with opened(tmp_path, clock) as store:
        keys = []
        for n in range(1, 21):  # with merges among them
            clock.now += MINUTE
            await store.append(batch(protobuf([n])))
            await store.compact()
            keys.append(await key(store))
            await store.compact()
            assert await key(store) == keys[-1]

    assert len(set(keys)) == 20


async def test_spans_of_many_hours_stay_in_one_file(tmp_path: Path):
    async with opened(tmp_path) as store:
        await store.append(batch(*[protobuf([n], start=START + n * HOUR) for n in range(1, 101)]))
        await store.compact()

        assert await held(store) == dict.fromkeys(range(1, 101), 1)
    assert [part.folder for part in parts_in(tmp_path / "spans")] == [MIXED]


@pytest.mark.parametrize("start", [0, 2**63 - 1, 2**64 - 1])
async def test_any_start_time_can_be_stored(tmp_path: Path, start: int):
    async with opened(tmp_path) as store:
        await store.append(batch(protobuf([1], start=min(start, 2**64 - 1 - 1_000_000))))
        await store.compact()

        assert await held(store) == {1: 1}


async def test_a_full_disk_is_said_and_passes(tmp_path: Path, monkeypatch):
    async with opened(tmp_path) as store:
        await store.append(batch(protobuf([1])))
        with monkeypatch.context() as broken:
            broken.setattr("os.fdatasync", _full)
            with pytest.raises(StoreUnavailableError):
                await store.append(batch(protobuf([2])))
        await store.append(batch(protobuf([3])))
        await store.compact()

        assert await held(store) == {1: 1, 3: 1}


async def test_a_full_disk_is_logged_once_and_so_is_its_end(tmp_path: Path, monkeypatch):
    async with opened(tmp_path) as store:
        with capture_logs() as logs:
            with monkeypatch.context() as broken:
                broken.setattr("os.fdatasync", _full)
                for n in range(5):
                    with pytest.raises(StoreUnavailableError):
                        await store.append(batch(protobuf([n])))
            await store.append(batch(protobuf([6])))
            await store.append(batch(protobuf([7])))

    assert [each["event"] for each in logs] == ["append_failed", "append_recovered"]
    assert logs[0]["error"] == "No space left on device"


async def test_a_failed_settling_is_made_up_for(tmp_path: Path, monkeypatch):
    async with opened(tmp_path) as store:
        await store.append(batch(protobuf([1]), json([2])))
        with monkeypatch.context() as broken:
            broken.setattr(parts, "_write", _fail)
            with pytest.raises(OSError, match="No space"):
                await store.compact()
        await store.append(batch(protobuf([3])))
        await store.compact()

        assert await held(store) == {1: 1, 2: 1, 3: 1}


async def test_a_backlog_of_compaction_is_held_on_disk(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(spans, "_SEGMENT_BYTES", 1)
    monkeypatch.setattr(spans, "_HELD_BYTES", 3 * batch(json([1])).spans.nbytes)
    again = 0

    async def counted(deliveries: Sequence[Delivery]) -> pa.Table:
        nonlocal again
        again += len(deliveries)
        return await decode(deliveries)

    async with open_span_store(tmp_path, counted, Clock(), keep_bodies=False) as store:
        for n in range(1, 11):
            await store.append(batch(json([n])))
        await store.compact()

        assert set(await held(store)) == set(range(1, 11))
        assert again == 7


async def test_appending_while_settling_loses_nothing(tmp_path: Path):
    async with opened(tmp_path) as store:

        async def append_all(lane: int) -> None:
            for n in range(1, 26):
                await store.append(batch(protobuf([lane * 100 + n])))

        async def settle_all() -> None:
            for _ in range(40):
                await store.compact()

        async with asyncio.TaskGroup() as tasks:
            for lane in range(4):
                tasks.create_task(append_all(lane))
            tasks.create_task(settle_all())
        await store.compact()

        assert await held(store) == {lane * 100 + n: 1 for lane in range(4) for n in range(1, 26)}


async def test_several_processes_write_and_read_one_directory(tmp_path: Path):
    clock = Clock()
    async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as other:
        for n in range(1, 41, 2):
            clock.now += MINUTE
            await one.append(batch(protobuf([n])))
            await other.append(batch(json([n + 1])))
            await (one if n % 4 == 1 else other).compact()
        await one.compact()
        await other.compact()
        found = await held(one), await held(other)

    assert found == (dict.fromkeys(range(1, 41), 1),) * 2
    assert len(parts_in(tmp_path / "spans")) < 40
    assert list((tmp_path / "log").iterdir()) == []


async def test_an_old_segment_of_another_process_is_never_taken_for_merged(tmp_path: Path):
    """Its owner is slow, but alive: what is younger is not merged around it."""
    clock = Clock()
    async with opened(tmp_path, clock) as slow, opened(tmp_path, clock) as quick:
        await slow.append(batch(protobuf([99])))
        for n in range(1, 21):
            clock.now += MINUTE
            await quick.append(batch(protobuf([n])))
            await quick.compact()
        await slow.compact()

        assert await held(quick) == dict.fromkeys([*range(1, 21), 99], 1)


async def test_what_a_living_process_has_not_settled_is_left_to_it(tmp_path: Path):
    async with opened(tmp_path) as store, opened(tmp_path) as other:
        await store.append(batch(protobuf([1])))
        await other.compact()
        assert await held(other) == {}

        await store.compact()
        assert await held(other) == {1: 1}


async def test_a_segment_id_is_never_below_one_there_is_whatever_the_clock_says(tmp_path: Path):
    clock = Clock()
    async with opened(tmp_path, clock) as store:
        for n in range(1, 12):
            await store.append(batch(protobuf([n])))
            await store.compact()
            clock.now -= HOUR
        clock.now += 100 * HOUR
        await store.compact()

        assert await held(store) == dict.fromkeys(range(1, 12), 1)
    firsts = [part.first for part in parts_in(tmp_path / "spans")]
    assert firsts == sorted(firsts)


async def test_a_flipped_bit_in_a_dead_process_log_costs_one_delivery_and_is_told(tmp_path: Path):
    async with opened(tmp_path / "alive") as store:
        for n in range(1, 8):
            await store.append(batch(protobuf([n])))
        (segment,) = (tmp_path / "alive" / "log").iterdir()
        content = segment.read_bytes()
    for folder in ("log", "spans", "bodies"):
        (tmp_path / "dead" / folder).mkdir(parents=True)
    (tmp_path / "dead" / "log" / segment.name).write_bytes(flipped(content, len(content) // 2))

    async with opened(tmp_path / "dead") as store:
        await store.compact()
        found = await held(store)
        (damaged,) = await store.damaged()

    assert set(found) < set(range(1, 8))
    assert len(found) == 6
    assert damaged.file == f"log/{segment.name}"
    assert damaged.records_lost == 1
    kept = tmp_path / "dead" / "quarantine" / str(damaged.quarantined_as)
    assert kept.read_bytes() == flipped(content, len(content) // 2)
    assert list((tmp_path / "dead" / "log").iterdir()) == []


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


FOREIGN = (
    "log/notes.log",
    f"log/{'f' * 16}.log.log",
    "spans/hour=2026-01-01T00/notes.parquet",
    "spans/hour=whenever/0000000000000001-0000000000000002.parquet",
    "spans/hour=mixed/0-1.parquet",
    "spans/hour=mixed/0000000000000002-0000000000000001.parquet",
)


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_foreign_file_stops_nothing_and_is_set_aside(tmp_path: Path, name: str):
    async with opened(tmp_path) as store:
        await store.append(batch(protobuf([1])))
        await store.compact()
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

        assert await held(store) == {1: 1}
        await SpanRetention(tmp_path, Limit()).usage()
        await LogRetention(tmp_path).usage()
        await store.append(batch(protobuf([2])))
        await store.compact()
        assert await held(store) == {1: 1, 2: 1}
        (found,) = await store.damaged()

    assert found.file == name
    assert found.reason == "not a file of AgentGuard"
    assert (tmp_path / "quarantine" / str(found.quarantined_as)).read_bytes() == b"x"
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("note", [b"", b"{}", b"[1]", b"\xff"])
def test_a_file_in_quarantine_whose_note_is_damaged_is_named(tmp_path: Path, note: bytes):
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "x.log").write_bytes(b"four")
    (tmp_path / "quarantine" / "x.log.json").write_bytes(note)

    (found,) = Quarantine(tmp_path).files()

    assert (found.quarantined_as, found.bytes, found.records_lost) == ("x.log", 4, None)
    assert "the note beside it is damaged" in str(found)


async def test_a_foreign_table_with_the_name_of_a_part_replaces_no_other_part(tmp_path: Path):
    """Its name covers all segments, so that it seems to contain every other part."""
    async with opened(tmp_path) as store:
        await store.append(batch(protobuf([1])))
        await store.compact()
        (part,) = (tmp_path / "spans").glob("*/*.parquet")
        wide = part.with_name(f"{'0' * 16}-{'f' * 16}.parquet")
        pq.write_table(pa.table({"a": [1]}), wide)
        await store.compact()

        assert await held(store) == {1: 1}
        (found,) = await store.damaged()
    assert found.file.endswith(wide.name)


async def test_parts_of_earlier_versions_lack_later_columns(tmp_path: Path):
    async with opened(tmp_path) as store:
        await store.append(batch(protobuf([1])))
        await store.compact()
        (part,) = (tmp_path / "spans").glob("*/*.parquet")
        pq.write_table(pq.read_table(part).drop_columns(["cached_input_tokens"]), part)

        assert await held(store) == {1: 1}
        assert await store.damaged() == ()


DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _content: b"",
    "flipped": lambda content: flipped(content, 200),
    "flipped footer": lambda content: flipped(content, len(content) - 60),
    "another format": lambda _content: b"name,start\n" * 100,
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_part_is_named_and_the_windows_go_on_without_it(
    tmp_path: Path, damage: str
):
    async with opened(tmp_path) as store:
        for n in (1, 2, 3):
            await store.append(batch(protobuf([n])))
            await store.compact()
        damaged = sorted((tmp_path / "spans").glob("*/*.parquet"))[1]
        damaged.write_bytes(DAMAGES[damage](damaged.read_bytes()))

        with pytest.raises(DamagedSpansError) as error:
            await held(store)
        assert await without_damaged(store, lambda: held(store)) == {1: 1, 3: 1}
        assert await held(store) == {1: 1, 3: 1}
        (found,) = await store.damaged()

    passed = pickle.loads(pickle.dumps(error.value))  # noqa: S301 - as a pool process passes it on
    assert passed.found == error.value.found
    assert (tmp_path / found.file) == damaged
    assert not damaged.exists()


async def test_a_damaged_part_does_not_stop_the_merging_of_the_others(tmp_path: Path):
    clock = Clock()
    async with opened(tmp_path, clock) as store:
        for n in range(1, 10):
            clock.now += MINUTE // 2
            await store.append(batch(protobuf([n])))
            await store.compact()
        damaged = sorted((tmp_path / "spans").glob("*/*.parquet"))[4]
        damaged.write_bytes(flipped(damaged.read_bytes(), 99))
        for n in range(10, 22):
            clock.now += MINUTE // 2
            await store.append(batch(protobuf([n])))
            await store.compact()

        assert await held(store) == dict.fromkeys({*range(1, 22)} - {5}, 1)
        assert len(await store.damaged()) == 1
    assert len(parts_in(tmp_path / "spans")) < 12


async def test_parts_stay_where_the_part_that_they_were_merged_into_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clock = Clock()

    def merge_badly(root: Path, run: Sequence[Part]) -> Part:
        merged = merge_parts(root, run)
        merged.path(root).write_bytes(flipped(merged.path(root).read_bytes(), 99))
        return merged

    async with opened(tmp_path, clock) as store:
        with monkeypatch.context() as patched:
            patched.setattr(spans, "merge_parts", merge_badly)
            for n in range(1, 12):
                clock.now += MINUTE
                await store.append(batch(protobuf([n])))
                await store.compact()

        assert await held(store) == dict.fromkeys(range(1, 12), 1)
        assert len(await store.damaged()) >= 1


async def test_two_processes_that_find_the_same_damage_set_it_aside_once(tmp_path: Path):
    async with opened(tmp_path) as one, opened(tmp_path) as other:
        await one.append(batch(protobuf([1])))
        await one.compact()
        (damaged,) = (tmp_path / "spans").glob("*/*.parquet")
        damaged.write_bytes(b"")
        with pytest.raises(DamagedSpansError) as error:
            await held(one)
        await asyncio.gather(*[each.set_aside(error.value.found) for each in (one, other) * 5])

        (found,) = await one.damaged()
        assert len(list((tmp_path / "quarantine").iterdir())) == 2
    kept = QuarantineRetention(tmp_path, Limit(age=HOUR))
    assert (await kept.usage()).count == 1
    assert await expired(kept, found.found_at + HOUR) == 0
    assert await expired(kept, found.found_at + HOUR + 1) == 1
    assert list((tmp_path / "quarantine").iterdir()) == []


def test_a_part_within_another_is_superseded():
    merged, one, two, beside = (
        Part("hour=a", 1, 5),
        Part("hour=a", 1, 1),
        Part("hour=a", 3, 5),
        Part("hour=b", 2, 2),
    )

    assert without_superseded([two, beside, one, merged]) == [merged, beside]


def _full(_handle: int) -> None:
    raise OSError(28, "No space left on device")


def _fail(*_args: object) -> None:
    raise OSError(28, "No space left on device")


async def test_a_cancelled_settling_is_made_up_for(tmp_path: Path):
    """Whenever it is cancelled.

    Its threads may still work on files when the next settling begins.
    """
    async with opened(tmp_path) as store:
        for n in range(1, 31):
            await store.append(batch(protobuf([n])))
            settling = asyncio.create_task(store.compact())
            for _ in range(n % 12):
                await asyncio.sleep(0.0005)
            settling.cancel()
            await asyncio.wait([settling])
        await store.compact()
        found = await held(store)
    async with opened(tmp_path) as store:
        again = await held(store)

    assert found == again == dict.fromkeys(range(1, 31), 1)
    assert list((tmp_path / "log").iterdir()) == []


async def test_a_segment_whose_lock_another_process_holds_for_a_look_is_not_written_to(
    tmp_path: Path,
):
    """It asks of each file whether its owner is dead, and may be quicker than the owner of a file
    that was just made.
    """
    looked: list[Path] = []

    def held_at_first(handle: int) -> bool:
        if not looked:
            looked.extend((tmp_path / "log").iterdir())
            return False
        return try_lock(handle)

    async with opened(tmp_path) as store:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(segments, "try_lock", held_at_first)
            await store.append(batch(protobuf([1])))
        assert len(looked) == 1
        assert set((tmp_path / "log").iterdir()).isdisjoint(looked)
        await store.compact()

        assert await held(store) == {1: 1}
