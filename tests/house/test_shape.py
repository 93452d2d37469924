"""Functions and files stay small: what exceeds the limits is listed, and the lists only shrink."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.shape import FILES, FUNCTIONS, Limit, file_sizes, function_sizes, functions

MEASURED = pytest.mark.parametrize(
    ("limit", "measure"), [(FUNCTIONS, function_sizes), (FILES, file_sizes)], ids=["nodes", "lines"]
)


@MEASURED
def test_nothing_exceeds_its_limit_or_its_entry(limit: Limit, measure) -> None:
    sizes = measure()

    assert sizes
    assert limit.grown(sizes) == {}, "split these: each holds a second idea"


@MEASURED
def test_every_entry_is_as_large_as_its_code(limit: Limit, measure) -> None:
    assert limit.stale(measure()) == {}, "run `python -m scripts.shape --update`"


def test_a_function_is_counted_with_what_it_holds() -> None:
    text = "class A:\n    def outer(self):\n        def inner(): pass\n        return inner\n"

    sizes = dict(functions(text))

    assert set(sizes) == {"A.outer", "A.outer.<locals>.inner"}
    assert sizes["A.outer.<locals>.inner"] == 3  # the function, its arguments, `pass`
    assert sizes["A.outer"] == 3 + 3 + 3  # with its own two and the name that it returns


@pytest.fixture
def limit(tmp_path: Path) -> Limit:
    limit = Limit(10, tmp_path / "listed.txt")
    limit.write({"a.py::f": 30, "a.py::g": 20})
    return limit


def test_a_listed_function_may_not_grow(limit: Limit) -> None:
    sizes = {"a.py::f": 31, "a.py::g": 20}

    assert limit.grown(sizes) == {"a.py::f": 31}
    assert limit.lowered(sizes) == {"a.py::f": 30, "a.py::g": 20}


def test_a_new_function_above_the_limit_is_refused_and_never_listed(limit: Limit) -> None:
    sizes = {"a.py::f": 30, "a.py::g": 20, "b.py::h": 11, "b.py::i": 10}

    assert limit.grown(sizes) == {"b.py::h": 11}
    assert limit.lowered(sizes) == limit.listed()


def test_what_shrinks_lowers_or_loses_its_entry(limit: Limit) -> None:
    sizes = {"a.py::f": 25, "a.py::g": 10}

    assert limit.stale(sizes) == {"a.py::f": 30, "a.py::g": 20}
    assert limit.lowered(sizes) == {"a.py::f": 25}


def test_an_entry_moves_with_its_code_unless_that_grew(limit: Limit) -> None:
    assert limit.lowered({"b.py::f": 30, "a.py::g": 20}) == {"b.py::f": 30, "a.py::g": 20}
    assert limit.lowered({"b.py::f": 31, "a.py::g": 20}) == {"a.py::g": 20}
