"""Settings of notifications: what is refused, and that nothing secret is repeated."""

from __future__ import annotations

import base64

import pytest

from agentguard.settings import SettingsError, load_settings
from agentguard.simulation.severities import Severity

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
HOOK = "https://hooks.example.com/PLANTED-PATH"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_secrets_are_read_from_files_too(monkeypatch, tmp_path):
    for name, value in {
        "WEBHOOK_URL": HOOK,
        "WEBHOOK_SECRET": SECRET,
        "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/X",
        "PAGERDUTY_ROUTING_KEY": "R0UTINGKEY",
    }.items():
        (tmp_path / name).write_text(f"{value}\n")
        monkeypatch.setenv(f"AGENTGUARD_{name}_FILE", str(tmp_path / name))
    monkeypatch.setenv("AGENTGUARD_NOTIFICATION_SEVERITY", "HIGH")
    settings = load_settings()

    assert settings.webhook_url is not None
    assert settings.webhook_url.get_secret_value() == HOOK
    assert settings.notification_severity is Severity.HIGH
    assert "PLANTED" not in repr(settings)
    assert "R0UTINGKEY" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_URL", "ftp://hooks.example.com/PLANTED"),
        ("WEBHOOK_URL", "https://anna:PLANTED@hooks.example.com/"),
        ("SLACK_WEBHOOK_URL", "hooks.slack.com/PLANTED"),
        ("WEBHOOK_SECRET", "PLANTED"),
        ("WEBHOOK_SECRET", f"{SECRET},whsec_PLANTED"),
        ("PAGERDUTY_ROUTING_KEY", "two PLANTED words"),
        ("NOTIFICATION_HOURS", "0"),
        ("NOTIFICATION_SEVERITY", "SEVERE"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(monkeypatch, name, value):
    monkeypatch.setenv(f"AGENTGUARD_{name}", value)

    with pytest.raises(SettingsError, match=f"AGENTGUARD_{name}") as refused:
        load_settings()
    assert "PLANTED" not in str(refused.value)


def test_a_target_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("AGENTGUARD_PRIVATE_TARGETS", "hooks.internal, 10.0.0.0/8, http://x/")

    with pytest.raises(SettingsError, match="http://x/ is no host, address or network"):
        load_settings()


@pytest.mark.parametrize("name", ["WEBHOOK_URL", "WEBHOOK_SECRET"])
def test_a_webhook_is_never_without_a_secret(monkeypatch, name):
    value = {"WEBHOOK_URL": HOOK, "WEBHOOK_SECRET": SECRET}[name]
    monkeypatch.setenv(f"AGENTGUARD_{name}", value)

    with pytest.raises(SettingsError, match="must be set together"):
        load_settings()
