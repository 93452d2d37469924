"""`agentguard serve`: the API and the OTLP receiver."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.options import CatalogOption, DataDirOption, examples

EXAMPLES = examples(
    "agentguard serve",
    "agentguard serve --port 0",
    "AGENTGUARD_API_KEY=$(openssl rand -hex 32) agentguard serve --host 0.0.0.0",
)


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless API_HOST says otherwise.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 takes a free one. 8000 unless API_PORT says otherwise.", min=0, max=65535, show_default=False),
    ] = None,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Serve the API, take spans in over OTLP, and keep the live graph, until told to stop (SIGTERM or Ctrl-C).

    OTLP is received on the API's port and, where that is free, on 127.0.0.1:4318 too. Without AGENTGUARD_API_KEY only this
    machine is answered. Exits with 1 where the port is taken.
    """
    from importlib import import_module

    from agentguard.bootstrap import SERVER
    from agentguard.cli.choices import settings_with

    given = {name: value for name, value in (("api_host", host), ("api_port", port)) if value is not None}
    settings = settings_with(data_dir, catalog).model_copy(update=given)
    import_module(SERVER).serve(settings)
