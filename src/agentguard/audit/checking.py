"""Derives the whole log again from its entries, and tells what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from agentguard.audit.accounting import Account
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.cited import changed_documents
from agentguard.audit.entries import Entry
from agentguard.audit.errors import (
    AuditFormatError,
    UnreadableLogError,
    VerificationFailedError,
)
from agentguard.audit.handovers import Handover, KeyChain
from agentguard.audit.key_state import ForeignLogError, KeyReplacedError, KeyState
from agentguard.audit.keys import VerifierKey
from agentguard.audit.merkle import EMPTY_ROOT, Digest, Frontier, leaf_hash
from agentguard.audit.rotation import ROTATED
from agentguard.audit.sequencing import rewritten
from agentguard.audit.store import CitingStores, FilterColumns, StoredCheckpoint, StoredEntry
from agentguard.audit.tiles import Growth, Tile, TileHashes, edge_tiles, grow
from agentguard.unit_of_work import UnitOfWork

_AT_ONCE = 1000
"""Entries that are read per transaction."""
_NS_PER_US = 1000
_WRONG_TYPE = "a value of a wrong type is stored"
_OTHER_ROW = "its row in audit_logs is missing, doubled or changed"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What does not agree with the entries."""

    place: str
    problem: str
    checkable: bool = True
    """False: what would show whether it differs has been removed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the check is."""

    done: int
    """Entries."""
    total: int
    removed: int
    """Entries so far whose payload has been removed."""


Tell: TypeAlias = Callable[[Progress], None]


def nobody(_progress: Progress) -> None:
    """Tell nobody."""


async def check_log(
    unit_of_work: UnitOfWork[CitingStores],
    key: VerifierKey | None,
    tell: Tell,
    remembered: bytes | None = None,
) -> tuple[int, tuple[Disagreement, ...]]:
    """Compare tiles, checkpoints, columns and payloads with the entries; return their number too.

    With the `key` that signs the log, also the signatures of all its checkpoints; with the
    checkpoint that is `remembered` beside the key, that the log extends it. Ends at the first entry
    that is missing, or holds what cannot be read. What an adversary has changed and signed again is
    found only by those who remember an older checkpoint. Memory does not grow with the log.
    """
    try:
        state, size = await unit_of_work.read(_state)
    except UnreadableLogError:
        return 0, (Disagreement("checkpoints or indexes", _WRONG_TYPE),)
    total = 0 if state.newest is None else state.newest.size
    check = _Check(total, tell, _keys_of(state, key))
    if size > total:
        check.found.append(Disagreement(f"entry {total}", "no checkpoint covers it"))
    while check.tree.size < total:
        end = min(check.tree.size + _AT_ONCE, total)
        if not await _take_range(unit_of_work, check, end):
            return check.tree.size, tuple(check.found)
    check.found += _key_problems(state, key, check.new_keys)
    check.found += await _rest(unit_of_work, check, remembered)
    return total, tuple(check.found)


async def _take_range(unit_of_work: UnitOfWork[CitingStores], check: _Check, end: int) -> bool:
    """Compare the entries to before `end`; return whether all are there and readable."""
    readable, compared = await _readable(unit_of_work, check, end)
    if compared is not None:
        check.take(readable, compared)
    if check.tree.size == readable < end:
        check.found.append(Disagreement(f"entry {readable}", f"{_WRONG_TYPE}, in it or with it"))
    return check.tree.size == end


async def _readable(
    unit_of_work: UnitOfWork[CitingStores], check: _Check, end: int
) -> tuple[int, _Compared | None]:
    """Return up to where the entries can be read, and how they compare; None: not even one."""
    first, last, found = check.tree.size, end + 1, None
    while last - first > 1:
        tried = end if last > end else (first + last) // 2
        try:
            found = await unit_of_work.read(partial(_compared, check, tried))
            first = tried
        except UnreadableLogError:
            last = tried
    return first, found


async def _rest(
    unit_of_work: UnitOfWork[CitingStores], check: _Check, remembered: bytes | None
) -> list[Disagreement]:
    """Return what is wrong with the partial tiles, and beside the tree."""
    account = partial(_account_problems, check.account, check.total)
    works = [partial(_edge_problems, check.tree), account]
    if remembered is not None:
        works.append(partial(_memory_problems, remembered))
    found: list[Disagreement] = []
    for work in works:
        try:
            found += await unit_of_work.read(work)
        except UnreadableLogError:
            found.append(Disagreement("tiles or checkpoints", _WRONG_TYPE))
    return found


async def _state(stores: CitingStores) -> tuple[KeyState, int]:
    return await KeyState.read(stores.audit), await stores.audit.size()


@dataclass(frozen=True, slots=True)
class _Compared:
    """A range of entries, and what in the rest of the log disagrees with them."""

    entries: tuple[StoredEntry, ...]
    grown: Growth | None
    """The tree with them; None if one is missing."""
    tiles: tuple[Tile, ...] = ()
    """Full ones that differ."""
    checkpoints: tuple[int, ...] = ()
    """Sizes of those that differ."""
    unsigned: tuple[tuple[int, str], ...] = ()
    """Sizes of older checkpoints that no key of the log has signed, and why."""
    documents: tuple[tuple[int, str], ...] = ()
    """Indexes of entries whose cited documents differ, and what differs."""
    rows: tuple[int, ...] = ()
    """Indexes of entries whose rows in `audit_logs` differ."""


@dataclass(slots=True)
class _Tree:
    """The tree of the entries that have been read."""

    size: int = 0
    root: Digest = EMPTY_ROOT
    edge: dict[Tile, bytes] = field(default_factory=dict)

    def frontier(self) -> Frontier:
        return Frontier.read(self.size, TileHashes(self.size, self.edge))

    def take(self, grown: Growth) -> None:
        kept = {**grown.tiles, **self.edge}
        self.size, self.root = grown.size, grown.root
        self.edge = {tile: kept[tile] for tile in edge_tiles(grown.size)}


@dataclass(slots=True)
class _Check:
    total: int
    tell: Tell
    keys: KeyChain | None = None
    """Of the log; None: no key is given, or the handovers do not hold."""
    tree: _Tree = field(default_factory=_Tree)
    account: Account = field(default_factory=Account)
    found: list[Disagreement] = field(default_factory=list)
    new_keys: list[str] = field(default_factory=list)
    """Ids of keys that took over, as the entries say."""

    def take(self, end: int, compared: _Compared) -> None:
        """Note what differs, and grow the tree to `end` unless an entry is missing."""
        if compared.grown is None:
            there = {entry.index for entry in compared.entries}
            first = next(index for index in range(self.tree.size, end) if index not in there)
            self.found.append(Disagreement(f"entry {first}", "it is missing"))
            return
        self.tree.take(compared.grown)
        for entry in compared.entries:
            self._take_entry(entry)
        self.found += _differences(compared)
        self.tell(Progress(self.tree.size, self.total, self.account.removed))

    def _take_entry(self, entry: StoredEntry) -> None:
        place = f"entry {entry.index}"
        try:
            told = Entry.parse(entry.leaf)
        except AuditFormatError as error:
            self.found.append(Disagreement(place, str(error)))
            return
        self.account.take(entry, told)
        if told.action == ROTATED:
            self.new_keys.append(told.object_id or "")
        problems = (*_payload_problems(entry, told), *_column_problems(entry.columns, told))
        self.found += [Disagreement(place, problem) for problem in problems]


def _differences(compared: _Compared) -> Iterator[Disagreement]:
    """Yield what does not agree with a range of entries."""
    yield from (_differs(tile) for tile in compared.tiles)
    yield from (_other_root(size) for size in compared.checkpoints)
    yield from (Disagreement(f"checkpoint {n}", why) for n, why in compared.unsigned)
    yield from (Disagreement(f"entry {i}", what) for i, what in compared.documents)
    yield from (Disagreement(f"entry {i}", _OTHER_ROW) for i in compared.rows)


async def _compared(check: _Check, end: int, stores: CitingStores) -> _Compared:
    tree = check.tree
    entries = await stores.audit.range(tree.size, end)
    if [entry.index for entry in entries] != list(range(tree.size, end)):
        return _Compared(entries, None)
    leaves = [leaf_hash(entry.leaf) for entry in entries]
    grown = grow(tree.size, tree.edge, leaves)
    others = await _other_tiles(grown, stores)
    signed = await stores.audit.checkpoints(tree.size, end)
    roots = tuple(_other_roots(tree, leaves, signed))
    unsigned = tuple(_unsigned([each for each in signed if each.size not in roots], check))
    changed = tuple([each async for each in changed_documents(entries, stores)])
    rows = await stores.audit.misprojected([entry.leaf for entry in entries], tree.size)
    return _Compared(entries, grown, others, roots, unsigned, changed, rows)


async def _other_tiles(grown: Growth, stores: CitingStores) -> tuple[Tile, ...]:
    """Return the full tiles that are stored otherwise."""
    full = [tile for tile in grown.tiles if tile.width == tile.full.width]
    stored = await stores.audit.tiles(full)
    return tuple(tile for tile in full if stored.get(tile) != grown.tiles[tile])


def _other_roots(
    tree: _Tree, leaves: Sequence[Digest], stored: Sequence[StoredCheckpoint]
) -> Iterator[int]:
    """Yield the sizes of the checkpoints that are not those of the tree with these leaves."""
    frontier, first = tree.frontier(), tree.size
    for each in stored:
        frontier, _ = frontier.extended(leaves[frontier.size - first : each.size - first])
        if not _is_of(each, frontier):
            yield each.size


def _keys_of(state: KeyState, key: VerifierKey | None) -> KeyChain | None:
    with suppress(AuditFormatError, VerificationFailedError):
        return None if key is None else state.chain(key)
    return None


def _unsigned(stored: Sequence[StoredCheckpoint], check: _Check) -> Iterator[tuple[int, str]]:
    """Yield the older checkpoints whose signatures do not hold.

    The keys of a former log, of another name, are not known.
    """
    if check.keys is None:
        return
    names = {period.key.name for period in check.keys.periods}
    for each in stored:
        signed = SignedCheckpoint.parse(each.note)
        try:
            if signed.checkpoint.origin in names and each.size < check.total:
                check.keys.verify(signed)
        except VerificationFailedError as error:
            yield each.size, error.reason


def _is_of(stored: StoredCheckpoint, frontier: Frontier) -> bool:
    try:
        said = SignedCheckpoint.parse(stored.note).checkpoint
    except AuditFormatError:
        return False
    return (said.size, said.root) == (frontier.size, frontier.root())


async def _edge_problems(tree: _Tree, stores: CitingStores) -> list[Disagreement]:
    """Compare the partial tiles; where the log has grown since, their beginnings."""
    stored = await stores.audit.tiles(tree.edge)
    return [_differs(t) for t, hashes in tree.edge.items() if stored.get(t) != hashes]


async def _account_problems(
    account: Account, total: int, stores: CitingStores
) -> list[Disagreement]:
    """Compare removed payloads and anchors with all entries, those of the meantime too.

    Of pending entries, the first ones: more are there only while nothing is sequenced.
    """
    log = stores.audit
    while later := await log.range(total, total + _AT_ONCE):
        _take(account, later)
        total += len(later)
    _take(account, await log.unsequenced(_AT_ONCE))
    told = account.problems(await log.final_anchors(), await log.marks())
    found = [Disagreement(*each) for each in told]
    if unowned := await log.unowned_rows():
        found.append(Disagreement("audit_logs", f"{unowned:,} rows have indexes of no entry"))
    return found


def _take(account: Account, entries: Sequence[StoredEntry]) -> None:
    for entry in entries:
        with suppress(AuditFormatError):
            account.take(entry, Entry.parse(entry.leaf))


async def _memory_problems(remembered: bytes, stores: CitingStores) -> list[Disagreement]:
    try:
        signed = SignedCheckpoint.parse(remembered).checkpoint
        problem = await rewritten(signed, stores)
    except AuditFormatError as error:
        return [Disagreement("signed-checkpoint", str(error))]
    told = f"the log does not extend the checkpoint of size {signed.size:,} signed before"
    return [Disagreement("log", f"{told}: {problem}")] if problem else []


def _key_problems(
    state: KeyState, key: VerifierKey | None, new_keys: Sequence[str]
) -> Iterator[Disagreement]:
    """Yield what is wrong with handovers, and with the signature of the newest checkpoint."""
    handed = []
    for number, note in enumerate(state.handovers):
        try:
            handed.append(Handover.parse(note).new.key_id.hex())
        except (AuditFormatError, VerificationFailedError) as error:
            yield Disagreement(f"handover {number}", str(error))
    for missing in set(new_keys) - set(handed):
        yield Disagreement("handovers", f"that to key {missing} is missing")
    if key is not None:
        try:
            state.check(key)
        except (
            AuditFormatError,
            ForeignLogError,
            KeyReplacedError,
            VerificationFailedError,
        ) as error:
            yield Disagreement("checkpoint", str(error))


def _payload_problems(entry: StoredEntry, told: Entry) -> Iterator[str]:
    if entry.payload is None and entry.salt is None:
        return
    try:
        told.check_payload(entry.payload or b"", entry.salt or b"")
    except (AuditFormatError, VerificationFailedError) as error:
        yield str(error)


def _column_problems(stored: FilterColumns | None, told: Entry) -> Iterator[str]:
    """Yield what is wrong with the columns that lists are filtered by."""
    if stored is None:
        return
    pairs: Mapping[str, tuple[object, object]] = {
        "time": (stored.time, told.time_ns // _NS_PER_US * _NS_PER_US),
        "actor": (stored.actor, told.actor.id),
        "action": (stored.action, told.action),
        "object": (stored.object, told.object_id),
    }
    for column, (found, expected) in pairs.items():
        if found != expected:
            yield f"its column {column!r} is {found!r}; its leaf says {expected!r}"


def _differs(tile: Tile) -> Disagreement:
    return Disagreement(f"tile {tile.path}", "it differs from the entries")


def _other_root(size: int) -> Disagreement:
    return Disagreement(f"checkpoint {size}", "its root hash is not that of the entries")
