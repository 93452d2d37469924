"""Links from evidence to the user's own trace viewer (Jaeger, Tempo, …)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from agentguard.kernel.errors import InvalidInputError

_EXAMPLE = "http://localhost:16686/trace/{trace_id}"


class TraceURLTemplateError(InvalidInputError):
    """The template is not a usable URL."""

    code = "trace-url-template"


@dataclass(frozen=True, slots=True)
class TraceLinks:
    """Makes links of trace ids, from a template with `{trace_id}` and optionally `{span_id}`."""

    template: str | None = None
    """None: no links."""

    def url(self, trace_id: str, span_id: str = "") -> str | None:
        """Return the link to this trace, ids percent-encoded; None without a template."""
        if self.template is None:
            return None
        link = self.template.replace("{trace_id}", quote(trace_id, safe=""))
        return link.replace("{span_id}", quote(span_id, safe=""))


NO_LINKS = TraceLinks()


def trace_links(template: str | None) -> TraceLinks:
    """Return the links for AGENTGUARD_TRACE_URL.

    Raises TraceURLTemplateError where it is not an http(s) URL with `{trace_id}`.
    """
    if not template:
        return NO_LINKS
    if "{trace_id}" not in template:
        raise TraceURLTemplateError(
            f"AGENTGUARD_TRACE_URL {template!r} does not contain {{trace_id}}. Write it like"
            f" {_EXAMPLE}."
        )
    if not _is_web_address(template):
        raise TraceURLTemplateError(
            f"AGENTGUARD_TRACE_URL {template!r} is not an http or https URL. Write it like"
            f" {_EXAMPLE}."
        )
    return TraceLinks(template)


def _is_web_address(template: str) -> bool:
    if any(ord(c) <= 32 or ord(c) == 127 for c in template):
        return False
    try:
        parts = urlsplit(template)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
