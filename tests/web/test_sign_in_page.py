"""The script of the sign-in page says what went wrong, in a document that is written by hand."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from tests.audit.test_javascript import run

SCRIPT = files("agentguard.web").joinpath("static", "sign_in.js").read_text("utf-8")
DRIVER = """
const { answer, hash } = JSON.parse(process.argv[1]);
const problem = { textContent: "" };
const button = { disabled: false };
const elements = { name: { value: "ada" }, password: { value: "x" } };
let submit;
const asked = [], went = [], disabled = [];
const form = {
  elements,
  querySelector: () => button,
  addEventListener: (_kind, listener) => { submit = listener; },
};
const found = { form, problem, "set-up": { hidden: true } };
globalThis.document = { getElementById: (id) => found[id] };
globalThis.location = { hash, pathname: "/sign-in", assign: (url) => went.push(url) };
globalThis.history = { replaceState: () => {} };
globalThis.fetch = async (url, request) => {
  asked.push([url, JSON.parse(request.body)]);
  disabled.push(button.disabled);
  if (answer === null) throw new TypeError("Failed to fetch");
  return new Response(answer.body, { status: answer.status });
};
(0, eval)(SCRIPT);
await submit({ preventDefault: () => {} });
disabled.push(button.disabled);
console.log(JSON.stringify({ problem: problem.textContent, asked, went, disabled }));
"""


def submitted(answer: dict | None, hash_: str = "") -> dict:
    """Return what the page does once its form was submitted, and answered like this."""
    driver = DRIVER.replace("SCRIPT", json.dumps(SCRIPT))
    given = json.dumps({"answer": answer, "hash": hash_})
    ended = run("--input-type=module", "-e", driver, given)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "The server cannot be reached. Try again."),
        ({"status": 502, "body": "<html>"}, "The server answered with status 502. Try again."),
        ({"status": 500, "body": "null"}, "The server answered with status 500. Try again."),
        ({"status": 401, "body": '{"detail": "Name or password is wrong."}'}, None),
    ],
)
def test_whatever_goes_wrong_is_said(answer, problem):
    done = submitted(answer)

    assert done["problem"] == (problem or "Name or password is wrong.")
    assert done["went"] == []
    assert done["disabled"] == [True, False]


@pytest.mark.parametrize(
    ("hash_", "url", "more"),
    [
        ("", "/api/auth/sign-in", {}),
        ("#set-up=a-b_C", "/api/auth/set-up", {"token": "a-b_C"}),
    ],
)
def test_who_is_let_in_goes_on(hash_, url, more):
    done = submitted({"status": 200, "body": "{}"}, hash_)

    assert done["asked"] == [[url, {**more, "name": "ada", "password": "x"}]]
    assert (done["went"], done["problem"]) == (["/docs"], "")
