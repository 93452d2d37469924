"""Joins single sign-on with the identity provider of the settings."""

from __future__ import annotations

from agentguard.accounts.single_sign_on import RoleRules, SingleSignOnService
from agentguard.accounts.trail import Trail
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.kernel.errors import PackageMissingError
from agentguard.service_settings import secret_text
from agentguard.settings import Settings


def single_sign_on_of(
    settings: Settings, unit_of_work: SqlUnitOfWork, trail: Trail
) -> SingleSignOnService | None:
    """Return the service, or None where no provider is set. Raises PackageMissingError."""
    if settings.oidc_issuer is None:
        return None
    try:
        from agentguard.adapters.oidc.provider import Client, OIDCProvider
    except ModuleNotFoundError as error:
        raise PackageMissingError("AGENTGUARD_OIDC_ISSUER", error.name or "", "sso") from error
    client = Client(
        settings.oidc_issuer,
        settings.oidc_client_id or "",
        secret_text(settings.oidc_client_secret),
        f"{(settings.public_url or '').rstrip('/')}/api/auth/sso/callback",
        settings.oidc_timeout_seconds,
    )
    rules = RoleRules(settings.oidc_role_claim, settings.oidc_roles, settings.oidc_default_role)
    return SingleSignOnService(unit_of_work, unit_of_work.clock, trail, OIDCProvider(client), rules)
