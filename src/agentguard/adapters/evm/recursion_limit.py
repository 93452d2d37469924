"""Sets Python's recursion limit back after py_ecc, which web3.py imports, has raised it.

py_ecc sets 100,000 for the whole process. With that, a deeply nested JSON document from anybody
would overflow the stack and kill the process, where `json` otherwise raises RecursionError. Every
module that imports web3.py or eth_account imports this one, which runs after them.
"""

from __future__ import annotations

import sys

LIMIT = 1000
"""Python's default; nothing in AgentGuard needs another."""

sys.setrecursionlimit(LIMIT)
