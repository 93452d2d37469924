"""Request a health endpoint of the server in this container; exit with 0 if the status is 200.

Uses only the standard library and no proxy.
"""

from __future__ import annotations

import http.client
import os
import sys

_TIMEOUT_SECONDS = 4


def main(path: str) -> int:
    port = int(os.environ.get("API_PORT") or os.environ.get("AGENTGUARD_API_PORT") or 8000)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        print(answer.read(4096).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        print(f"No response on port {port}: {error}")
        return 1
    return 0 if answer.status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
