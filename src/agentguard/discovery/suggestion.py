"""Groups spans without a role by scope and form, as a basis for rules that a person completes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from agentguard.discovery.classification import Classification, Classifier
from agentguard.discovery.dialects.loading import Dialects, Role
from agentguard.discovery.partial import I64
from agentguard.discovery.shapes import Shape, is_kind, shape_of
from agentguard.discovery.span_state import nearest_ancestor
from agentguard.discovery.spantree import SpanTree, span_tree
from agentguard.ingest.attribute_selection import AttributeSelection
from agentguard.ingest.other_attributes import OtherAttributes, OtherUse
from agentguard.kernel.patterns import Pattern

_MOST_VALUES = 50
"""Values of one attribute that are counted in a group."""
_MOST_NAMES = 8
"""Names in a scope from which on spans are grouped by their attributes."""
_LONGEST_TYPE = 60
_ERRORS = frozenset({"error.type", "exception.type"})
_NOTHING = Pattern("^$")


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What the spans of a group have in common."""

    scope: str
    kind: int
    shape: Shape | None
    """The role by form, without a name; None: none."""
    name: str | None
    """The span's name; None: several."""
    attributes: frozenset[str] = frozenset()
    """All attributes, where the name does not tell the groups apart."""
    stated: tuple[str, str] | None = None
    """The attribute for the span's type, with its value; None: there is none."""


@dataclass(slots=True)
class Group:
    """Spans that one rule could claim."""

    key: GroupKey
    spans: int = 0
    names: Counter[str] = field(default_factory=Counter)
    values: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Attribute → its values."""
    keys: Counter[str] = field(default_factory=Counter)
    """Attribute → number of spans."""
    above: Counter[Role] = field(default_factory=Counter)
    """Roles of the nearest spans with a role above."""
    below: Counter[Role] = field(default_factory=Counter)
    """Roles of the spans to which one of these is the nearest above."""


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """The spans that no rule claims."""

    spans: int
    """All spans that were read."""
    without_role: int
    by_form: int
    """Spans with a role only by the form of their attributes."""
    groups: tuple[Group, ...]
    """Largest first."""


def everything(wanted: AttributeSelection) -> AttributeSelection:
    """Return the selection with every attribute that no rule uses."""
    own = () if wanted.others is None else wanted.others.uses
    models = tuple((use, pattern) for use, pattern in own if use is OtherUse.MODEL)
    model = _NOTHING if wanted.others is None else wanted.others.model
    uses = (*models, (OtherUse.LABEL, Pattern(".")))
    return replace(wanted, others=OtherAttributes((), uses, model, ((), (), ()), _NOTHING))


def unclaimed(partitions: Iterable[pa.Table], dialects: Dialects) -> Unclaimed:
    """Group the spans that no rule claims.

    The tables (SPAN_SCHEMA) hold complete traces with every attribute, see `everything`.
    """
    by_rules = replace(dialects, wanted=replace(dialects.wanted, others=None))
    classifier, found = Classifier(by_rules), _Groups()
    for table in partitions:
        found.add(span_tree(table), classifier)
    return found.result()


class _Groups:
    def __init__(self) -> None:
        self._groups: dict[GroupKey, Group] = {}
        self._spans = self._by_form = self._without = 0

    def add(self, tree: SpanTree, classifier: Classifier) -> None:
        """Add the spans of complete traces."""
        found = classifier.classify(tree.spans)
        kinds = tree.spans.column("kind").to_numpy()
        roles = found.roles()
        self._spans += len(roles)
        rows = np.flatnonzero(roles == Role.NONE)
        members = {
            row: self._count(found.by_shape[int(found.shape[row])], int(kinds[row]))
            for row in rows.tolist()
        }
        self._relate(tree.parent, roles, members)

    def _count(self, classification: Classification, kind: int) -> Group:
        attributes = dict(classification.attributes)
        key = _key(classification, kind, attributes)
        group = self._groups.setdefault(key, Group(key))
        group.spans += 1
        group.names[classification.route] += 1
        for attribute, value in attributes.items():
            group.keys[attribute] += 1
            values = group.values[attribute]
            if value in values or len(values) < _MOST_VALUES:
                values[value] += 1
        self._by_form += key.shape is not None
        self._without += key.shape is None
        return group

    def _relate(
        self, parent: I64, roles: np.ndarray[tuple[int], np.dtype[np.int8]], of: dict[int, Group]
    ) -> None:
        """Count the roles above and below the members of each group."""
        claimed = ~np.isin(roles, (Role.NONE, Role.STEP))
        above = nearest_ancestor(parent, claimed)
        for row, group in of.items():
            if above[row] >= 0:
                group.above[Role(int(roles[above[row]]))] += 1
        unclaimed_rows = np.zeros(len(roles), np.bool_)
        unclaimed_rows[list(of)] = True
        nearest = nearest_ancestor(parent, claimed | unclaimed_rows)
        for row in np.flatnonzero(claimed).tolist():
            if (group_of := of.get(int(nearest[row]))) is not None:
                group_of.below[Role(int(roles[row]))] += 1

    def result(self) -> Unclaimed:
        groups = sorted(_merged(self._groups.values()), key=_order)
        return Unclaimed(self._spans, self._without, self._by_form, tuple(groups))


def _key(classification: Classification, kind: int, attributes: dict[str, str]) -> GroupKey:
    scope = classification.scope
    shape = shape_of(classification.span_name, kind, attributes)
    if shape is not None:
        return GroupKey(scope, kind, replace(shape, name=None), None)
    stated = next(
        (
            (key, value)
            for key, value in sorted(attributes.items())
            if is_kind(key) and key not in _ERRORS and len(value) <= _LONGEST_TYPE
        ),
        None,
    )
    if stated is not None:
        return GroupKey(scope, kind, None, None, stated=stated)
    return GroupKey(scope, kind, None, classification.route, frozenset(attributes))


def _merged(groups: Iterable[Group]) -> Iterator[Group]:
    """Yield the groups, without form by name, or by attributes where a scope has many names."""
    plain: dict[tuple[str, int], list[Group]] = defaultdict(list)
    for group in groups:
        if group.key.shape is not None or group.key.stated is not None:
            yield group
        else:
            plain[group.key.scope, group.key.kind].append(group)
    for same in plain.values():
        many = len({group.key.name for group in same}) > _MOST_NAMES
        together: dict[GroupKey, Group] = {}
        for group in same:
            key = group.key
            key = replace(key, name=None) if many else replace(key, attributes=frozenset())
            _merge(together.setdefault(key, Group(key)), group)
        yield from together.values()


def _merge(into: Group, group: Group) -> None:
    into.spans += group.spans
    for name in ("names", "keys", "above", "below"):
        getattr(into, name).update(getattr(group, name))
    for key, values in group.values.items():
        into.values[key].update(values)


def _order(group: Group) -> tuple[object, ...]:
    return (
        -group.spans,
        group.key.scope,
        group.key.name or "",
        group.key.stated or (),
        min(group.names),
    )
