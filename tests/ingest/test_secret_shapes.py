"""Secrets are masked in every stored text, whatever else the text holds."""

from __future__ import annotations

import pytest

from agentguard.ingest.secret_shapes import (
    LONGEST_SEARCHED,
    MASK,
    SHAPES,
    SecretShape,
    without_secrets,
)
from agentguard.ingest.values import MAX_TEXT_LENGTH, shown

_HEX, _MIXED = "0123456789abcdef" * 4, "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7" * 3

EXAMPLES = {
    "openai, anthropic and others": f"sk-proj-{_MIXED}",
    "agentguard": f"ag_0123456789ab_{_MIXED[:43]}",
    "stripe": f"sk_live_{_MIXED[:24]}",
    "stripe webhook": f"whsec_{_MIXED[:32]}",
    "github": f"ghp_{_MIXED[:36]}",
    "github fine-grained": f"github_pat_{_MIXED[:60]}",
    "gitlab": f"glpat-{_MIXED[:20]}",
    "gitlab runner": f"GR1348941{_MIXED[:20]}",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "aws bedrock": f"ABSK{_MIXED}",
    "slack": "xoxb-123456789012-abcdefghij",
    "slack app": "xapp-1-A0123456789-abcdefghij",
    "slack hook": "hooks.slack.com/services/T0123456/B0123456/abcdefghij",
    "google": f"AIza{_MIXED[:35]}",
    "google oauth": f"GOCSPX-{_MIXED[:28]}",
    "hugging face": f"hf_{_MIXED[:34]}",
    "npm": f"npm_{_MIXED[:36]}",
    "pypi": f"pypi-AgEIcHlwaS5vcmc{_MIXED}",
    "rubygems": f"rubygems_{_HEX[:48]}",
    "docker": f"dckr_pat_{_MIXED[:27]}",
    "sendgrid": f"SG.{_MIXED[:22]}.{_MIXED[:43]}",
    "mailchimp, mailgun": f"key-{_HEX[:32]}",
    "twilio": f"SK{_HEX[:32]}",
    "digitalocean": f"dop_v1_{_HEX}",
    "databricks": f"dapi{_HEX[:32]}",
    "shopify": f"shpat_{_HEX[:32]}",
    "square": f"sq0atp-{_MIXED[:22]}",
    "telegram": f"123456789:AA{_MIXED[:33]}",
    "groq": f"gsk_{_MIXED[:52]}",
    "xai": f"xai-{_MIXED}",
    "replicate": f"r8_{_MIXED[:37]}",
    "perplexity": f"pplx-{_MIXED[:48]}",
    "langsmith": f"lsv2_pt_{_HEX[:32]}_{_HEX[:10]}",
    "tavily": f"tvly-{_MIXED[:32]}",
    "nvidia": f"nvapi-{_MIXED[:64]}",
    "pinecone": f"pcsk_{_MIXED[:60]}",
    "linear": f"lin_api_{_MIXED[:40]}",
    "notion": f"ntn_{_MIXED[:46]}",
    "atlassian": f"ATATT3xFfGF0{_MIXED}",
    "vault": f"hvs.{_MIXED}",
    "doppler": f"dp.pt.{_MIXED[:43]}",
    "grafana": f"glsa_{_MIXED[:32]}_{_HEX[:8]}",
    "new relic": "NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ1",
    "sentry": f"sntrys_{_MIXED}",
    "planetscale": f"pscale_tkn_{_MIXED[:43]}",
    "supabase": f"sbp_{_HEX[:40]}",
    "postman": f"PMAK-{_HEX[:24]}-{_HEX[:34]}",
    "figma": f"figd_{_MIXED[:40]}",
    "azure storage": f"AccountKey={_MIXED}==",
    "age": "AGE-SECRET-KEY-1QQPQYRSZGVPSXPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "json web token": f"eyJhbGciOiJIUzI1NiJ9.{_MIXED}.{_MIXED}",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n-----END RSA PRIVATE KEY-----",
    "bearer token": "Bearer abcdef.0123456789",
    "http authorization": "Authorization: Basic dXNlcjpwYXNzd29yZA==",
    "password in a url": "postgresql://user:hunter22@db",
    "named value": 'api_key="0123-4567-89ab"',
}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind)
def test_every_shape_has_a_source_and_masks_its_example(shape: SecretShape) -> None:
    secret = EXAMPLES[shape.kind]
    assert shape.source

    for text in (secret, f"a {secret} b", f'{{"k": "{secret}"}}', f"x={secret}"):
        left = without_secrets(text)
        assert MASK in left
        assert secret[-8:] not in left


@pytest.mark.parametrize(
    "text",
    [
        "task-0123456789abcdefgh",
        "execute_tool search_catalog",
        "gpt-4o-mini-2024-07-18",
        "basic understanding of authorization concepts",
        "https://example.com:8080/customers/{id}",
        "GET /v1/keys",
        "the password policy",
        "desk_live_performances_2024",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_secret_at_the_end_of_the_searched_text_is_not_shown(kind: str) -> None:
    secret = EXAMPLES[kind]
    for cut in range(1, len(secret), 5):
        padding = f"{'password=' + 'x' * 40} " * (LONGEST_SEARCHED // 50)
        text = padding.ljust(LONGEST_SEARCHED - cut, " ") + secret + "."
        assert secret[-8:] not in shown(text)
        assert len(shown(text)) <= MAX_TEXT_LENGTH


def test_texts_that_differ_after_the_searched_part_stay_different() -> None:
    assert shown("a" * 10_000 + "b") != shown("a" * 10_000 + "c")
