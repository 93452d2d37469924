"""Services of the audit log that need its public key."""

from __future__ import annotations

from agentguard.audit.static_files import LogTarget, Publisher
from agentguard.audit.verifying import VerificationService
from agentguard.bootstrap.app import App
from agentguard.bootstrap.audit_keys import verifier_of
from agentguard.bootstrap.chain import reader_of


async def publisher_of(app: App, target: LogTarget) -> Publisher:
    """Return what publishes the log as static files. Raises as `verifier_of`."""
    return Publisher(app.audit, target, await verifier_of(app))


async def verification_of(app: App) -> VerificationService:
    """Return what checks bundles and original data against the log, and the settings' chain.

    Raises as `verifier_of`.
    """
    return VerificationService(app.audit, await verifier_of(app), reader_of(app.settings))
