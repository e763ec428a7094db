# Two stages: the first installs what the lock file names, by hash; the second holds only that and the service.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /venv
COPY requirements.lock ./
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
COPY sandkasse ./sandkasse
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home sandkasse
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SANDKASSE_HOST=0.0.0.0 \
    SANDKASSE_DATA_DIR=/data \
    SANDKASSE_DATABASE_URL=sqlite:////data/sandkasse.db
WORKDIR /data
VOLUME /data
USER 10001
EXPOSE 8000 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["sandkasse", "health"]
# Bound to every address, so the control API demands a key: docker run -e SANDKASSE_ADMIN_KEY=… -p 127.0.0.1:8000:8000
ENTRYPOINT ["sandkasse"]
CMD ["serve"]
