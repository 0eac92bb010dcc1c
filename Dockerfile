# Listenhouse and what it needs, to run any of its commands; serves the simulator in
# docker-compose.yml.
FROM python:3.12-slim-bookworm

WORKDIR /opt/listenhouse
COPY requirements.lock .
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .

RUN useradd --create-home listenhouse
USER listenhouse
ENV LISTENHOUSE_HOME=/home/listenhouse/.listenhouse \
    DBT_TARGET_PATH=/home/listenhouse/target \
    DBT_LOG_PATH=/home/listenhouse/logs
CMD ["listenhouse", "--help"]
