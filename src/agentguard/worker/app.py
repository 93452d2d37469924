"""The Celery application, for Celery's own command: `celery -A agentguard.worker.app worker`."""

from __future__ import annotations

import sys

from agentguard.bootstrap.broker import worker_of
from agentguard.bootstrap.startup_warnings import warn_of_unused_settings
from agentguard.kernel.errors import AgentGuardError
from agentguard.logs import configure_logs
from agentguard.settings import load_settings
from agentguard.worker.process import OpenedApp

try:
    _settings = load_settings()
    configure_logs(debug=_settings.debug)
    warn_of_unused_settings()
    app = worker_of(_settings, OpenedApp(_settings)).app
except AgentGuardError as error:
    sys.exit(str(error))
