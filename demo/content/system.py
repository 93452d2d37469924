"""A content pipeline.

Research, writing with an editor who asks for revisions, fact checks, publishing.
"""

from __future__ import annotations

from collections.abc import Sequence

from demo.content import tools
from demo.faults import Fault, chance
from demo.scripts import Step
from demo.system import Agent, Request, Service, System

_LARGE, _SMALL = "gpt-4o", "gpt-4o-mini"
_TOPICS = ("harbour", "forest", "market")
_REVISED_SHARE = 0.4

_MANAGING = Agent(
    "ManagingAgent",
    "Sees an article through from idea to page.",
    models=(_LARGE,),
    colleagues=("ResearchAgent", "WriterAgent", "PublisherAgent"),
    script=(
        Step(("ResearchAgent", "ResearchAgent")),
        Step(("WriterAgent",)),
        Step(("PublisherAgent",)),
    ),
)
_RESEARCH = Agent(
    "ResearchAgent",
    "Collects what is known about a topic.",
    models=(_LARGE, _LARGE),
    tools={"web_search": tools.web_search, "archive_search": tools.archive_search},
    script=(Step(("web_search", "archive_search")),),
)
_WRITER = Agent(
    "WriterAgent",
    "Writes the text and has it edited.",
    models=(_LARGE, _SMALL),
    colleagues=("EditorAgent",),
    script=(Step(("EditorAgent",), unless="revision"),),
)
_EDITOR = Agent(
    "EditorAgent",
    "Edits the text; sends it back to the writer once where it must be better.",
    models=(_LARGE,),
    tools={"style_check": tools.style_check},
    colleagues=("WriterAgent", "FactCheckAgent"),
    script=(
        Step(("style_check",), optional=True),
        Step(("WriterAgent",), when="needs_revision", adds={"revision": True}),
        Step(("FactCheckAgent",)),
    ),
)
_FACT_CHECK = Agent(
    "FactCheckAgent",
    "Checks what the text claims.",
    models=(_SMALL, _LARGE),
    tools={"verify_claims": tools.verify_claims},
    script=(Step(("verify_claims", "verify_claims")),),
)
_PUBLISHER = Agent(
    "PublisherAgent",
    "Puts the article on the page.",
    models=(_SMALL,),
    tools={
        "render_page": tools.render_page,
        "save_article": tools.save_article,
        "notify_readers": tools.notify_readers,
    },
    script=(
        Step(("render_page",)),
        Step(("save_article",)),
        Step(("notify_readers",), optional=True),
    ),
)


def requests(seed: int, runs: int) -> Sequence[Request]:
    """Return `runs` articles and a quarter as many corrections (edited and checked, not published),
    in the order they are sent.
    """
    articles = [
        Request("/articles", _piece(seed, f"article-{number}", revisable=True))
        for number in range(1, runs + 1)
    ]
    corrections = [
        Request("/corrections", _piece(seed, f"correction-{number}", revisable=False))
        for number in range(1, runs // 4 + 1)
    ]
    return [*articles, *corrections]


def _piece(seed: int, name: str, *, revisable: bool) -> dict[str, object]:
    topic = _TOPICS[int(chance(seed, name, "topic") * len(_TOPICS))]
    return {
        "id": name,
        "topic": topic,
        "needs_revision": revisable and chance(seed, name, "revision") < _REVISED_SHARE,
    }


SYSTEM = System(
    name="content",
    services=(
        Service("newsroom", entries={"/articles": "ManagingAgent", "/corrections": "EditorAgent"}),
        Service("desk", (_MANAGING, _RESEARCH)),
        Service("writing", (_WRITER,)),
        Service("editing", (_EDITOR, _FACT_CHECK)),
        Service("publishing", (_PUBLISHER,)),
    ),
    faults=(
        Fault("web_search", 0.25, 503, "the search service is overloaded"),
        Fault("archive_search", 0.1, 503, "the archive is being moved", attempts=1),
        Fault("style_check", 0.25, 500, "the style guide is missing a page"),
        Fault("verify_claims", 0.15, 503, "the source does not answer", attempts=1),
        Fault("render_page", 0.05, 500, "the template is broken"),
        Fault("notify_readers", 0.15, 503, "the mail server refused"),
        Fault("ResearchAgent/gpt-4o", 0.1, 429, "rate limit reached", attempts=1),
        Fault("WriterAgent/gpt-4o", 0.15, 500, "the model had an error"),
        Fault("EditorAgent/gpt-4o", 0.02, 503, "the model is overloaded"),
    ),
    database="archive",
    schema=tools.SCHEMA,
    default_runs=20,
    conventions="",
    requests=requests,
)
