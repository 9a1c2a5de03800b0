# One image for master, worker and the reference assistant: docs/containers.md says how to run it.
FROM python:3.11.15-slim-trixie AS base
ENV PATH=/opt/doubletalk/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

FROM base AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/doubletalk
WORKDIR /src
# Dependencies are a layer of their own: a change of the code does not install them anew.
COPY pyproject.toml ./
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > requirements.txt \
 && pip install --no-cache-dir --requirement requirements.txt
COPY . .
# The extension is optional at installation; an image without it would be a slower one that looks the same.
RUN pip install --no-cache-dir --no-deps . \
 && python -I -c 'import users._line'

FROM base
COPY --from=build /opt/doubletalk /opt/doubletalk
COPY deploy/image/ /usr/local/bin/
COPY locustfile.py locust.conf /doubletalk/
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /doubletalk --shell /usr/sbin/nologin doubletalk \
 && install --directory --owner=10001 --group=10001 /doubletalk/runs
WORKDIR /doubletalk
USER 10001:10001
# Workers at the master, the assistant, the web page, Prometheus.
EXPOSE 5557 8000 8089 9646
ENTRYPOINT ["with-key-files", "locust"]
