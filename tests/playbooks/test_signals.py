"""Checks of playbooks: thresholds from what was usual."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from agentguard.playbooks.signals import error_check, failure_check

LIMIT = re.compile(r"(above|under|below) ([\d.<>]+) %")


@given(total=st.integers(1, 5000), share=st.floats(0, 1))
def test_no_error_share_counts_as_failing_and_as_recovered(total: int, share: float):
    errors = round(share * total)
    failing = failure_check(None, errors, total)
    recovered = error_check("Error share", errors, total, "calls", 3600)

    limits = [found.group(2) for found in map(LIMIT.search, (failing, recovered)) if found]
    assert len(limits) == 2, (failing, recovered)
    assert limits[0] == limits[1]
    assert ("not well below" in failing) == ("well below" in recovered)
