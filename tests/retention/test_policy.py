"""The rule for what to delete holds for every set of items."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentguard.retention.policy import Item, Limit, expired, usage_of

NOW = 1_000
ITEMS = st.lists(
    st.builds(
        Item,
        id=st.text("abcdef", min_size=1, max_size=3),
        created_at=st.integers(0, NOW + 10),
        bytes=st.integers(0, 50),
    ),
    unique_by=lambda item: item.id,
    max_size=20,
)
SOME = st.none() | st.integers(0, 300)
LIMITS = st.builds(Limit, age=SOME, number=st.none() | st.integers(0, 20), bytes=SOME)
PINNED = st.frozensets(st.text("abcdef", min_size=1, max_size=3))


@given(items=ITEMS, limit=LIMITS, pinned=PINNED)
def test_what_is_kept_beside_the_pinned_is_within_every_bound(items, limit, pinned):
    gone = expired(items, limit, NOW, pinned)

    kept = [item for item in items if item.id not in {*gone, *pinned}]
    assert limit.age is None or all(NOW - item.created_at <= limit.age for item in kept)
    assert limit.number is None or len(kept) <= limit.number
    assert limit.bytes is None or usage_of(kept).bytes <= limit.bytes


@given(items=ITEMS, limit=LIMITS, pinned=PINNED)
def test_nothing_pinned_goes_and_pinning_deletes_nothing_else(items, limit, pinned):
    gone = expired(items, limit, NOW, pinned)

    assert not pinned & set(gone)
    assert set(gone) <= set(expired(items, limit, NOW))


@given(items=ITEMS, limit=LIMITS, pinned=PINNED)
def test_the_oldest_go_first_and_no_more_of_them_than_the_bounds_demand(items, limit, pinned):
    gone = expired(items, limit, NOW, pinned)

    free = sorted(
        (item for item in items if item.id not in pinned), key=lambda i: (i.created_at, i.id)
    )
    assert gone == tuple(item.id for item in free[: len(gone)])
    if gone:
        back = free[len(gone) - 1 :]
        assert (
            (limit.age is not None and NOW - back[0].created_at > limit.age)
            or (limit.number is not None and len(back) > limit.number)
            or (limit.bytes is not None and usage_of(back).bytes > limit.bytes)
        )


@given(items=ITEMS, limit=LIMITS, pinned=PINNED)
def test_expiring_twice_deletes_nothing_more(items, limit, pinned):
    gone = expired(items, limit, NOW, pinned)

    kept = [item for item in items if item.id not in gone]
    assert expired(kept, limit, NOW, pinned) == ()


@given(items=ITEMS)
def test_without_bounds_everything_stays(items):
    assert expired(items, Limit(), NOW) == ()
