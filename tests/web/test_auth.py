from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agentguard.audit.refused_access import RefusedAccess
from agentguard.kernel.clock import system_clock
from agentguard.web.app import create_app
from agentguard.web.auth import Authentication, Authenticator
from agentguard.web.problems import MEDIA_TYPE
from tests.accounts.nobody import Nobody
from tests.web.serving import client_of, opened

pytestmark = pytest.mark.anyio

PATHS = [
    "/",
    "/health",
    "/health/live",
    "/docs",
    "/openapi.json",
    "/metrics",
    "/api/graph",
    "/nothing",
    "/docs/assets/swagger-ui.css",
]


@pytest.fixture
async def open_api(tmp_path):
    async with opened(tmp_path) as app:
        yield create_app(app)


@pytest.fixture
async def keyed_api(tmp_path):
    async with opened(tmp_path, api_key="open-sesame") as app:
        yield create_app(app)


@pytest.mark.parametrize(
    "peer",
    [
        "10.0.0.7",
        "192.168.1.2",
        "8.8.8.8",
        "2001:db8::1",
        "::ffff:10.0.0.7",
        "fe80::1%eth0",
        "testclient",
        "",
    ],
)
async def test_without_a_key_other_machines_are_refused_everywhere(open_api, peer):
    async with client_of(open_api, peer=(peer, 1)) as client:
        for path in PATHS:
            answer = await client.get(
                path,
                headers={
                    "X-Forwarded-For": "127.0.0.1",
                    "X-Real-IP": "127.0.0.1",
                    "Forwarded": "for=127.0.0.1",
                },
            )

            assert answer.status_code == 403
            assert answer.headers["content-type"] == MEDIA_TYPE
            assert answer.json()["code"] == "loopback-only"
        assert (await client.post("/v1/traces", content=b"")).status_code == 403


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_is_answered(open_api, peer):
    async with client_of(open_api, peer=(peer, 1)) as client:
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST",
        "127.0.0.1:4318",
        "[::1]:8000",
        "[::1]",
        "app.localhost:1",
        "localhost.",
    ],
)
async def test_hosts_of_this_machine(open_api, host):
    async with client_of(open_api) as client:
        assert (await client.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[2001:db8::1]",
        "x@localhost",
        "localhost/x",
        "testserver",
        "[",
        "0.0.0.0:8000",
        "127.0.0.1#evil",
        "127.0.0.1?evil",
        "127.0.0.1\\evil",
        "127.0.0.1;evil",
        "127.0.0.1,evil",
        "127.0.0.1 evil",
        "127.0.0.1\tevil",
        "127.0.0.1%23evil",
        "127.0.0.1:80:80",
        "127.0.0.1:",
        "127.0.0.1:x",
        "[::1]evil",
        "[::1",
        "[127.0.0.1",
        "",
    ],
)
async def test_foreign_hosts_are_refused(open_api, host):
    async with client_of(open_api) as client:
        assert (await client.get("/", headers={"Host": host})).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "file://",
        "http://localhost@evil.example",
        "http://localhost#evil.example",
        "http://localhost/evil.example",
        "http://localhost?evil.example",
        "http://localhost:80:80",
        "http://localhost, https://evil.example",
        "",
    ],
)
async def test_foreign_origins_are_refused(open_api, origin):
    async with client_of(open_api) as client:
        assert (await client.get("/", headers={"Origin": origin})).status_code == 403
        assert (
            await client.post("/v1/traces", content=b"{}", headers={"Origin": origin})
        ).status_code == 403


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "http://127.0.0.1:8000", "http://[::1]:5173", "https://localhost"],
)
async def test_own_origins_are_answered(open_api, origin):
    async with client_of(open_api) as client:
        assert (await client.get("/", headers={"Origin": origin})).status_code == 200


async def test_an_allowed_origin_is_answered_and_told_so(tmp_path):
    async with (
        opened(tmp_path, cors_origins=("https://ui.example",)) as app,
        client_of(create_app(app)) as client,
    ):
        allowed = await client.get("/", headers={"Origin": "https://ui.example"})
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        preflight = await client.options(
            "/api/scan", headers={"Origin": "https://ui.example", **asked}
        )
        foreign = await client.options(
            "/api/scan", headers={"Origin": "https://evil.example", **asked}
        )

    assert allowed.headers["access-control-allow-origin"] == "https://ui.example"
    assert preflight.status_code == 200
    assert foreign.status_code == 400  # no CORS headers: the browser sends nothing
    assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "8.8.8.8"},
        {"X-Forwarded-For": "127.0.0.1, 8.8.8.8"},
        {"X-Forwarded-For": ""},
        {"Forwarded": 'for="[2001:db8::1]"'},
        {"Forwarded": "for=_hidden"},
        {"Forwarded": "proto=https"},
        {"X-Real-IP": "8.8.8.8"},
        {"CF-Connecting-IP": "8.8.8.8"},
        {"CF-Connecting-IPv6": "2001:db8::1"},
        {"True-Client-IP": "8.8.8.8"},
        {"Fly-Client-IP": "8.8.8.8"},
        {"Via": "1.1 proxy.example"},
        {"Via": "1.1 vegur", "X-Forwarded-For": "8.8.8.8"},
        {"CDN-Loop": "cloudflare"},
        {"CF-Ray": "7d0c-AMS"},
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Host": "agents.example"},
        {"X-Forwarded-Host": "localhost, agents.example", "X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"Forwarded": "for=127.0.0.1;host=agents.example"},
    ],
)
async def test_what_was_passed_on_for_a_stranger_is_refused(open_api, headers):
    async with client_of(open_api) as client:
        answer = await client.get("/", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "loopback-only")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "::1", "Via": "1.1 Caddy", "X-Forwarded-Host": "localhost:8443"},
        {"Forwarded": 'for="[::1]";host=localhost;proto=https'},
    ],
)
async def test_what_a_proxy_on_this_machine_passed_on_for_it_is_answered(open_api, headers):
    async with client_of(open_api) as client:
        assert (await client.get("/", headers=headers)).status_code == 200


COSTLY = ["/api/graph", "/api/agents", "/api/graph?lookback=24h", "/metrics", "/openapi.json"]


@pytest.mark.parametrize("path", COSTLY)
async def test_a_foreign_page_starts_no_costly_request(open_api, path):
    """An image or a link on a page sends no Origin header."""
    async with client_of(open_api) as client:
        embedded = await client.get(path, headers={"Sec-Fetch-Site": "cross-site"})
        linked = await client.get(
            path, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        )
        own = await client.get(path, headers={"Sec-Fetch-Site": "same-origin"})
        typed = await client.get(path, headers={"Sec-Fetch-Site": "none"})
        allowed = await client.get(
            path, headers={"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:3000"}
        )

    assert (embedded.status_code, linked.status_code) == (403, 403)
    assert 403 not in (own.status_code, typed.status_code, allowed.status_code)


@pytest.mark.parametrize("path", ["/", "/docs", "/health/live"])
async def test_a_link_may_lead_to_pages_that_cost_little(open_api, path):
    async with client_of(open_api) as client:
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (await client.get(path, headers=link)).status_code == 200
        assert (await client.get(path, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403


@pytest.mark.parametrize("path", COSTLY)
async def test_with_the_key_a_caller_of_any_site_is_answered(keyed_api, path):
    async with client_of(keyed_api) as client:
        headers = {"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer open-sesame"}
        assert (await client.get(path, headers=headers)).status_code != 403


async def test_behind_a_proxy_that_authenticates_no_key_is_needed(tmp_path):
    async with (
        opened(tmp_path, proxy_authenticates=True) as app,
        client_of(
            create_app(app), peer=("10.0.0.7", 1), url="https://agentguard.example"
        ) as client,
    ):
        plain = await client.get("/", headers={"X-Forwarded-For": "8.8.8.8", "Via": "1.1 proxy"})
        own = await client.get("/", headers={"Origin": "https://agentguard.example"})
        named = await client.get(
            "/",
            headers={
                "Origin": "https://public.example",
                "X-Forwarded-Host": "public.example",
                "Sec-Fetch-Site": "same-origin",
            },
        )
        foreign = await client.get("/", headers={"Origin": "https://evil.example"})
        embedded = await client.get("/api/graph", headers={"Sec-Fetch-Site": "cross-site"})
        sibling = await client.get("/api/graph", headers={"Sec-Fetch-Site": "same-site"})

    assert [each.status_code for each in (plain, own, named)] == [200] * 3
    assert [each.status_code for each in (foreign, embedded, sibling)] == [403] * 3
    assert foreign.json()["code"] == "foreign-page"


async def test_a_key_is_needed_although_a_proxy_authenticates(tmp_path):
    async with (
        opened(tmp_path, proxy_authenticates=True, api_key="open-sesame") as app,
        client_of(create_app(app), peer=("10.0.0.7", 1)) as client,
    ):
        assert (await client.get("/")).status_code == 401


def _scope(**members):
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        **members,
    }


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (_scope(client=None, server=("/run/agentguard.sock", None)), 200),  # a Unix socket
        (
            _scope(client=None, server=("127.0.0.1", 8000)),
            403,
        ),  # a server that does not say who asks
        (_scope(client=None, server=None), 403),
        (
            _scope(client=("127.0.0.1", 1), server=("127.0.0.1", 1), headers=[]),
            200,
        ),  # HTTP/1.0 has no Host
        (
            _scope(
                client=("127.0.0.1", 1),
                server=("127.0.0.1", 1),
                headers=[(b"host", b"localhost"), (b"host", b"localhost")],
            ),
            403,
        ),
    ],
)
async def test_bare_scopes(scope, status):
    api = Starlette(
        routes=[Route("/", lambda _: PlainTextResponse("in"))],
        middleware=[
            Middleware(
                Authentication,
                authenticator=Authenticator(None, frozenset(), Nobody()),
                refused=RefusedAccess(system_clock),
            )
        ],
    )
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    await api(scope, receive, send)

    assert sent[0]["status"] == status


async def test_websockets_are_refused_too(open_api):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    await open_api(
        _scope(
            type="websocket",
            scheme="ws",
            subprotocols=[],
            client=("8.8.8.8", 1),
            server=("127.0.0.1", 1),
        ),
        receive,
        send,
    )

    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_with_a_key_everything_but_health_needs_it(keyed_api):
    async with client_of(
        keyed_api, peer=("8.8.8.8", 1), url="https://agentguard.example"
    ) as client:
        for path in PATHS:
            answer = await client.get(path)
            if path.startswith("/health"):
                assert answer.status_code in (200, 503)
            else:
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.headers["content-type"] == MEDIA_TYPE
        assert (await client.post("/v1/traces", content=b"")).status_code == 401
        assert (
            await client.get("/", headers={"Authorization": "Bearer open-sesame"})
        ).status_code == 200
        assert (
            await client.get("/docs", headers={"Authorization": "bearer open-sesame"})
        ).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        "open-sesame",
        "Basic open-sesame",
        "Bearer",
        "Bearer ",
        "Bearer open-sesam",
        "Bearer open-sesame2",
        "Bearer OPEN-SESAME",
        "Bearer \xfc",
        "",
    ],
)
async def test_a_wrong_key_is_refused(keyed_api, given):
    async with client_of(keyed_api) as client:
        answer = await client.get("/", headers={b"Authorization": given.encode("latin-1")})

        assert answer.status_code == 401
        assert "open-sesame" not in answer.text


async def test_two_keys_are_refused(keyed_api):
    async with client_of(keyed_api) as client:
        assert (
            await client.get(
                "/",
                headers=[("Authorization", "Bearer open-sesame"), ("Authorization", "Bearer x")],
            )
        ).status_code == 401


@pytest.mark.parametrize(
    "path", ["/healthy", "/health/", "/health/../metrics", "//health", "/health/live/x"]
)
async def test_only_the_health_paths_themselves_are_open(keyed_api, path):
    async with client_of(keyed_api) as client:
        assert (await client.get(path)).status_code == 401


async def test_a_preflight_needs_no_key(keyed_api):
    asked = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    async with client_of(keyed_api) as client:
        preflight = await client.options("/api/graph", headers=asked)
        refused = await client.get("/api/graph", headers={"Origin": "http://localhost:3000"})
        plain = await client.options("/api/graph")

    assert preflight.status_code == 200
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert plain.status_code == 401
