"""A failed anchor is shown until a later one is final."""

from __future__ import annotations

import pytest

from agentguard.audit.anchor_standing import Standing, newest_failure
from agentguard.audit.anchoring import Anchor, AnchorState

OPEN, FAILED, FINALISED = AnchorState.SUBMITTED, AnchorState.FAILED, AnchorState.FINALISED


def anchor(size: int, state: AnchorState) -> Anchor:
    made = Anchor(size, b"", 1, state)
    return made.given_up("ada") if state is FAILED else made


@pytest.mark.parametrize(
    ("newest_first", "shown"),
    [
        ((FAILED,), 1),
        ((OPEN, FAILED), 1),
        ((OPEN, FAILED, FINALISED), 2),
        ((FAILED, FAILED), 2),
        ((FINALISED, FAILED), None),
        ((OPEN, FINALISED, FAILED), None),
        ((OPEN,), None),
        ((), None),
    ],
)
def test_the_newest_failure_is_shown_until_a_later_anchor_is_final(
    newest_first: tuple[AnchorState, ...], shown: int | None
):
    sizes = range(len(newest_first), 0, -1)
    anchors = [anchor(size, state) for size, state in zip(sizes, newest_first, strict=True)]
    failed = newest_failure(anchors[:2])
    open_anchor = next((each for each in anchors if not each.state.final), None)
    standing = Standing(
        on_chain=True,
        place=None,
        size=9,
        open=open_anchor,
        last=None,
        failed=failed,
        anchors=tuple(anchors),
        published=None,
        publishing_problem=None,
    )

    assert (failed and failed.size) == shown
    assert [one.code for one in standing.problems] == ([] if shown is None else ["given-up"])
    assert ("failed" in standing.summary) == (shown is not None)
