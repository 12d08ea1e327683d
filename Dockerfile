# The CPU image: the embedded backends, no weights. Build: docker build -t mouthpiece .
# Run: docker run --rm --shm-size 1g -p 127.0.0.1:8000:8000 -v mouthpiece:/data mouthpiece
# (Ray's object store lives in shared memory, of which a container has 64 MB by default.)
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /app
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir uv
COPY requirements/base.txt requirements/base.txt
RUN .venv/bin/uv pip install --no-cache --compile-bytecode -r requirements/base.txt
COPY pyproject.toml setup.py README.md LICENSE serve_config.yaml ./
COPY pipeline pipeline
COPY deployments deployments
COPY clients clients
RUN .venv/bin/uv pip install --no-cache --no-deps --no-build-isolation -e . \
 && .venv/bin/python -m compileall -q clients deployments pipeline

FROM python:3.11-slim-bookworm
# flite is the second, English voice: enable it with voice.backends: [espeak, flite].
RUN apt-get update && apt-get install -y --no-install-recommends flite && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home mouthpiece && install -d -o mouthpiece /data
COPY --from=build --chown=mouthpiece /app /app
WORKDIR /app
USER mouthpiece
ENV PATH=/app/.venv/bin:$PATH MOUTHPIECE_STORAGE__FOLDER=/data
VOLUME /data
EXPOSE 8000
# Inside a container loopback would reach nobody; publish the port on the host's loopback, as above.
CMD ["mouthpiece", "serve", "--config", "serve_config.yaml", "--set", "server.host=0.0.0.0"]
