"""`agentguard serve`: the API and the OTLP receiver."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from agentguard.cli.options import CatalogOption, DataDirOption, Format, FormatOption, examples

EXAMPLES = examples(
    "agentguard serve",
    "agentguard serve --port 0",
    "AGENTGUARD_API_KEY=$(openssl rand -hex 32) agentguard serve --host 0.0.0.0",
)


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; default: API_HOST, or 127.0.0.1.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port; 0 chooses a free one; default: API_PORT, or 8000.",
            min=0,
            max=65535,
            show_default=False,
        ),
    ] = None,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Serve the API, receive spans over OTLP and maintain the live graph.

    Runs until SIGTERM or Ctrl-C. OTLP/HTTP is received on the API's port and, if it is free, on
    127.0.0.1:4318 (AGENTGUARD_OTLP_PORT), OTLP/gRPC on 127.0.0.1:4317 (AGENTGUARD_OTLP_GRPC_PORT)
    if that is free. Without AGENTGUARD_API_KEY or a key of `agentguard keys create`, only loopback
    requests are accepted, and an address that other machines can reach is refused. Exits with 1 if
    the API's port is in use. With --format json, one document with the process id and the URLs is
    printed when connections are accepted. The log is on standard error.
    """
    from importlib import import_module

    from agentguard.bootstrap.shells import SERVER
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_json

    given = {
        name: value for name, value in (("api_host", host), ("api_port", port)) if value is not None
    }
    settings = settings_with(data_dir, catalog).model_copy(update=given)
    as_json = output_format is Format.JSON
    import_module(SERVER).serve(
        settings, (lambda urls: print_json({"pid": os.getpid(), "urls": urls})) if as_json else None
    )
