"""The shapes of secrets that are masked in every stored text, and where each shape is described.

A new shape is one line here: its pattern starts with what no other text starts with, and needs few
characters after it, so that a truncated secret is recognised too.
"""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.kernel.patterns import Match, Pattern

MASK = "[secret]"


@dataclass(frozen=True, slots=True)
class SecretShape:
    """The form of one kind of secret."""

    kind: str
    pattern: str
    source: str
    """Who describes it: the issuer, or the rule of gitleaks 8 (config/gitleaks.toml) or of GitHub's
    secret scanning ("Supported secret scanning patterns").
    """


SHAPES = (
    SecretShape("openai, anthropic and others", r"[spr]k-[\w-]{16,}", "gitleaks openai-api-key"),
    SecretShape("agentguard", r"ag_[0-9a-f]{12}_[\w-]{16,}", "AgentGuard, docs/security.md"),
    SecretShape("stripe", r"[spr]k_(?:live|test|prod)_\w{10,}", "gitleaks stripe-access-token"),
    SecretShape("stripe webhook", r"whsec_[\w+/=]{16,}", "Stripe, webhook signatures"),
    SecretShape("github", r"gh[pousr]_\w{20,}", "gitleaks github-pat"),
    SecretShape("github fine-grained", r"github_pat_\w{20,}", "gitleaks github-fine-grained-pat"),
    SecretShape("gitlab", r"gl(?:[a-z]{1,5}|ffct)-[\w.-]{16,}", "GitLab, token prefixes"),
    SecretShape("gitlab runner", r"GR1348941[\w-]{16,}", "gitleaks gitlab-rrt"),
    SecretShape(
        "aws", r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}", "gitleaks aws-access-token"
    ),
    SecretShape(
        "aws bedrock", r"ABSK[\w+/=]{20,}", "gitleaks aws-amazon-bedrock-api-key-long-lived"
    ),
    SecretShape("slack", r"xox[abeoprs]-[\w-]{10,}", "gitleaks slack-bot-token"),
    SecretShape("slack app", r"xapp-\d-[\w-]{10,}", "gitleaks slack-app-token"),
    SecretShape("slack hook", r"hooks\.slack\.com/\w+/[\w/]{16,}", "gitleaks slack-webhook-url"),
    SecretShape("google", r"AIza[\w-]{30,}", "gitleaks gcp-api-key"),
    SecretShape("google oauth", r"(?:GOCSPX-|ya29\.)[\w-]{16,}", "Google, OAuth 2.0"),
    SecretShape(
        "hugging face", r"(?:hf_|api_org_)[A-Za-z0-9]{20,}", "gitleaks huggingface-access-token"
    ),
    SecretShape("npm", r"npm_[A-Za-z0-9]{20,}", "gitleaks npm-access-token"),
    SecretShape("pypi", r"pypi-[\w-]{20,}", "gitleaks pypi-upload-token"),
    SecretShape("rubygems", r"rubygems_[0-9a-f]{20,}", "gitleaks rubygems-api-token"),
    SecretShape("docker", r"dckr_(?:pat|oat)_[\w-]{16,}", "GitHub secret scanning"),
    SecretShape("sendgrid", r"SG\.[\w-]{16,}\.[\w-]{8,}", "gitleaks sendgrid-api-token"),
    SecretShape("mailchimp, mailgun", r"key-[0-9a-f]{32}", "gitleaks mailgun-private-api-token"),
    SecretShape("twilio", r"(?:SK|AC)[0-9a-f]{32}", "gitleaks twilio-api-key"),
    SecretShape("digitalocean", r"do[opr]_v1_[0-9a-f]{20,}", "gitleaks digitalocean-pat"),
    SecretShape("databricks", r"dapi[0-9a-f]{30,}", "gitleaks databricks-api-token"),
    SecretShape("shopify", r"shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{20,}", "gitleaks shopify-access-token"),
    SecretShape("square", r"sq0[a-z]{3}-[\w-]{16,}", "gitleaks square-access-token"),
    SecretShape("telegram", r"\d{8,10}:AA[\w-]{30,}", "gitleaks telegram-bot-api-token"),
    SecretShape("groq", r"gsk_[A-Za-z0-9]{20,}", "GitHub secret scanning"),
    SecretShape("xai", r"xai-[A-Za-z0-9]{20,}", "GitHub secret scanning"),
    SecretShape("replicate", r"r8_[A-Za-z0-9]{20,}", "GitHub secret scanning"),
    SecretShape("perplexity", r"pplx-[A-Za-z0-9]{20,}", "gitleaks perplexity-api-key"),
    SecretShape("langsmith", r"(?:lsv2_[a-z]{2}|ls__)_?\w{20,}", "LangSmith, API keys"),
    SecretShape("tavily", r"tvly-[\w-]{16,}", "Tavily, API reference"),
    SecretShape("nvidia", r"nvapi-[\w-]{20,}", "GitHub secret scanning"),
    SecretShape("pinecone", r"pcsk_\w{20,}", "GitHub secret scanning"),
    SecretShape("linear", r"lin_(?:api|oauth)_[A-Za-z0-9]{20,}", "gitleaks linear-api-key"),
    SecretShape("notion", r"(?:ntn|secret)_[A-Za-z0-9]{30,}", "gitleaks notion-api-token"),
    SecretShape("atlassian", r"ATATT3[\w=-]{20,}", "gitleaks atlassian-api-token"),
    SecretShape("vault", r"hv[sbr]\.[\w-]{20,}", "gitleaks vault-service-token"),
    SecretShape("doppler", r"dp\.[a-z]{2,5}\.[A-Za-z0-9]{20,}", "gitleaks doppler-api-token"),
    SecretShape("grafana", r"gl(?:sa|c)_[\w+/=]{20,}", "gitleaks grafana-service-account-token"),
    SecretShape("new relic", r"NRAK-[A-Z0-9]{20,}", "gitleaks new-relic-user-api-key"),
    SecretShape("sentry", r"sntry[su]_[\w+/=]{20,}", "gitleaks sentry-org-token"),
    SecretShape("planetscale", r"pscale_[a-z]{2,5}_[\w.=-]{20,}", "gitleaks planetscale-api-token"),
    SecretShape("supabase", r"sbp_[0-9a-f]{20,}", "GitHub secret scanning"),
    SecretShape("postman", r"PMAK-[0-9a-f-]{20,}", "gitleaks postman-api-token"),
    SecretShape("figma", r"fig[dour]_[\w-]{20,}", "GitHub secret scanning"),
    SecretShape("azure storage", r"AccountKey=[\w+/=]{20,}", "Azure Storage, connection strings"),
    SecretShape("age", r"AGE-SECRET-KEY-1[A-Z0-9]{20,}", "gitleaks age-secret-key"),
    SecretShape("json web token", r"eyJ[\w-]{10,}(?:\.[\w-]*)*", "RFC 7519 (base64url of JSON)"),
    SecretShape(
        "private key",
        r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY[A-Z ]{0,8}-----[\w\s+/=:,\\.-]*",
        "RFC 7468 §10; gitleaks private-key",
    ),
    SecretShape("bearer token", r"Bearer\s{1,8}[\w.~+/=-]{12,}", "RFC 6750 §2.1"),
    SecretShape(
        "http authorization",
        r"(?i:authorization)\\?[\"']?\s{0,2}[=:]\s{0,2}\\?[\"']?"
        r"(?:[A-Za-z]{1,12}\s{1,8})?[\w.~+/=-]{8,}",
        "RFC 9110 §11.6.2; RFC 7617 §2",
    ),
    SecretShape(
        "password in a url",
        r"[A-Za-z][A-Za-z0-9+.-]{0,16}://[^\s/:@]{0,64}:[^\s/@]{1,128}@",
        "RFC 3986 §3.2.1 (user information)",
    ),
    SecretShape(
        "named value",
        r"(?i:(?:api_?key|access_?token|auth_?token|client_?secret|password|passwd)"
        r"\\?[\"']?\s{0,2}[=:]\s{0,2})\\?[\"']?[^\s\"'&,;\\]{8,}",
        "gitleaks generic-api-key; RFC 6749 §2.3.1, RFC 6750 §2.3 (query parameters)",
    ),
)

_START = r"(?:^|[^A-Za-z0-9])"
_SECRET = Pattern(f"{_START}({'|'.join(shape.pattern for shape in SHAPES)})")
LONGEST_SEARCHED = 4096
"""Characters of a text that are searched; of longer texts, at most 246 are stored."""
_LONGEST_START = 256
"""No shape needs more characters than this to be recognised."""


def without_secrets(text: str) -> str:
    """Return the start of the text with secrets masked: all of it up to 4,096 characters."""
    masked = _SECRET.replaced(text[:LONGEST_SEARCHED], _masked)
    # A secret that the cut left too short to be recognised must not be shown.
    return masked if len(text) <= LONGEST_SEARCHED else masked[:-_LONGEST_START]


def _masked(match: Match) -> str:
    return match.whole.removesuffix(match.group) + MASK
