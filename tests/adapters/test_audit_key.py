"""The file with the audit log's key."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentguard.adapters.files.audit_key import signing_key
from agentguard.audit.errors import AuditFormatError


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path):
    key = signing_key(tmp_path, "example.com/log")

    assert key.name == "example.com/log"
    assert signing_key(tmp_path, "example.com/other") == key
    (file,) = (tmp_path / "audit").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_logs_have_two_names(tmp_path: Path):
    one, other = (signing_key(tmp_path / name, None) for name in ("a", "b"))

    assert one.name != other.name
    assert one.verifier != other.verifier


def test_processes_that_start_together_get_one_key(tmp_path: Path):
    with ThreadPoolExecutor(8) as pool:
        keys = {key.encode() for key in pool.map(lambda _: signing_key(tmp_path, None), range(8))}

    assert len(keys) == 1
    assert len(list((tmp_path / "audit").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"no key", b"\xff\xfe"])
def test_a_damaged_key_is_never_replaced(tmp_path: Path, content: bytes):
    signing_key(tmp_path, None)
    path = tmp_path / "audit" / "signing-key"
    path.write_bytes(content)

    with pytest.raises(AuditFormatError, match="backup"):
        signing_key(tmp_path, None)
    assert path.read_bytes() == content
