# AgentGuard's image: one for the server, the worker and the migrations. docs/deploy.md tells how it is run.
#
# Base images are pinned by tag; who publishes an image should pin their digests. CI has no Docker engine: it checks this file
# with hadolint, and runs what it says (ENV, CMD, HEALTHCHECK, STOPSIGNAL) without one; see tests/deploy/.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# What AgentGuard needs, in a layer that lasts until one of these two files changes. pip stays outside the environment it fills.
COPY constraints.txt pyproject.toml ./
RUN python -m venv /tools \
    && /tools/bin/pip install --constraint constraints.txt pip build hatchling \
    && python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*p["dependencies"], *p["optional-dependencies"]["services"], sep="\n")' >requirements.txt \
    && python -m venv --without-pip /app \
    && /tools/bin/pip --python /app/bin/python install --constraint constraints.txt --requirement requirements.txt

COPY README.md LICENSE ./
COPY src src
RUN /tools/bin/python -m build --wheel --no-isolation --outdir /wheels \
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

# Nothing is written but /data and /tmp: the root file system may be read-only. OTLP comes in on the API's port; the second
# listener that AGENTGUARD_OTLP_PORT asks for would be on the container's own loopback, where nobody sends anything.
ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AGENTGUARD_DATA_DIR=/data \
    AGENTGUARD_OTLP_PORT=0

USER 10001:10001
WORKDIR /
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-I", "/app/healthcheck.py", "/health/live"]
# Without AGENTGUARD_API_KEY only the container itself is answered.
CMD ["agentguard", "serve", "--host", "0.0.0.0"]
