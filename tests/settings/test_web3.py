"""Settings of the chain: both names, secrets in files, and faults in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentguard.bootstrap.chain import chain_of
from agentguard.settings import SettingsError, load_settings

KEY = "5e" * 32
URL = "https://user:zq9-secret@rpc.example.com/zq9-secret?key=zq9-secret"
ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.mark.parametrize("prefix", ["", "AGENTGUARD_"])
def test_both_names_of_each_setting_are_read(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setenv(f"{prefix}WEB3_PROVIDER_URL", URL)
    monkeypatch.setenv(f"{prefix}WEB3_PRIVATE_KEY", f"0x{KEY}")
    monkeypatch.setenv(f"{prefix}WEB3_CONTRACT_ADDRESS", ADDRESS)
    settings = load_settings()
    chain = chain_of(settings)

    assert chain is not None
    assert chain.target == ADDRESS.lower()
    for shown in (repr(settings), str(settings), repr(chain)):
        assert "zq9-secret" not in shown
        assert KEY not in shown


def test_url_key_and_address_are_read_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text(f"{URL}\n")
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "contract").write_text(f"{ADDRESS}\n")
    monkeypatch.setenv("WEB3_CONTRACT_ADDRESS_FILE", str(tmp_path / "contract"))
    monkeypatch.setenv("WEB3_PROVIDER_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("AGENTGUARD_WEB3_PRIVATE_KEY_FILE", str(tmp_path / "key"))
    settings = load_settings()

    assert settings.web3_provider_url.get_secret_value() == URL
    assert settings.web3_private_key.get_secret_value() == KEY
    assert settings.web3_contract_address == ADDRESS


@pytest.mark.parametrize("missing", ["WEB3_PROVIDER_URL", "WEB3_PRIVATE_KEY"])
def test_without_endpoint_or_key_there_is_no_chain(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name, value in {"WEB3_PROVIDER_URL": URL, "WEB3_PRIVATE_KEY": KEY}.items():
        if name != missing:
            monkeypatch.setenv(name, value)

    assert chain_of(load_settings()) is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WEB3_PROVIDER_URL", "ws://zq9-secret", "write it like https://rpc-amoy.example.com/KEY"),
        ("WEB3_PROVIDER_URL", "zq9-secret", "not a supported URL"),
        ("WEB3_PRIVATE_KEY", "zq9-secret", "32 bytes in hexadecimal: 64 digits"),
        ("WEB3_PRIVATE_KEY", KEY + "00", "32 bytes in hexadecimal: 64 digits"),
        ("WEB3_PRIVATE_KEY", "00" * 32, "outside of the range of keys"),
        ("WEB3_PRIVATE_KEY", "ff" * 32, "outside of the range of keys"),
        ("WEB3_CONTRACT_ADDRESS", "0x12zz", "0x and 40 hexadecimal digits"),
        ("AGENTGUARD_WEB3_CHAIN_ID", "80001", "shut down in April 2024; Amoy (80002) replaced it"),
    ],
    ids=lambda value: value[:50],
)
def test_what_is_wrong_is_said_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert f"{name}: " in str(caught.value)
    assert words in str(caught.value)
    assert "zq9-secret" not in str(caught.value)
