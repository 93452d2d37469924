"""Record the demo systems: what their telemetry was, and what they counted themselves."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # run as a script, this folder stands there, and `demo` is not found

from demo.recording import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
