"""Record the demo systems: their telemetry and their own counts."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parents[1])
)  # run as a script, `demo` itself would not be found

try:
    from demo.recording import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"The demo systems need {missing.name}, which is not installed: pip install -e '.[demo]'"
        " brings all they need."
    )

if __name__ == "__main__":
    sys.exit(main())
