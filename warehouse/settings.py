"""Every setting of Listenhouse, read from the environment in this one place.

In: environment variables that start with `LISTENHOUSE_`. Out: a frozen `Settings`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from warehouse.api_access import read_api_keys, read_origins
from warehouse.daily_steps import DAILY_STEPS, Step, read_steps
from warehouse.database_url import parse_database_url
from warehouse.errors import SettingsError
from warehouse.quiet_hours import QuietHours, read_quiet_hours
from warehouse.variables import Variables

PROJECT_ROOT = Path(__file__).resolve().parents[1]

DATABASE = "listenhouse"
"""Name of the database and of its default user."""

# below 32768: Linux gives the ports above to outgoing connections, now and then this one
EMBEDDED_PORT = 25432
SIMULATOR_PORT = 8420
METRICS_PORT = 25490
SERVING_PORT = 8430

MANUAL = "manual"
"""The trigger of runs that a person starts."""

RATE_LIMIT = 6000
"""Requests to the API per client and minute, unless told otherwise."""

# libpq puts these last into what a session begins with, where they would undo what ours pin
_SESSION_VARIABLES = ("PGTZ", "PGDATESTYLE", "PGCLIENTENCODING")

# a shorter one, taken out of lines wherever it stands, would leave little of them
_MIN_SECRET_LENGTH = 4

_MIN_KEY_LENGTH = 32
"""Characters of a key that nobody finds by trying."""


@dataclass(frozen=True)
class RetrainTriggers:
    """When `listenhouse retrain --if-needed` trains.

    Attributes:
        days: Days of data since the last training (`LISTENHOUSE_RETRAIN_DAYS`).
        cooldown_days: Days of data before which nothing triggers a training again
            (`LISTENHOUSE_RETRAIN_COOLDOWN_DAYS`).
        new_listens_percent: Listens since the last training, of those it saw
            (`LISTENHOUSE_RETRAIN_NEW_LISTENS_PERCENT`).
        outcome_days: Days of the champion's lists, the last whose outcome is known, that lift
            and hit rate are judged by (`LISTENHOUSE_RETRAIN_OUTCOME_DAYS`).
        lift_percent: Lift over popularity, in points, that has to be exceeded at best
            (`LISTENHOUSE_RETRAIN_LIFT_PERCENT`).
        hit_rate_fall_percent: Fall of the user hit rate below its earlier mean
            (`LISTENHOUSE_RETRAIN_HIT_RATE_FALL_PERCENT`).
        drift_percent: Population stability index of plays by genre, 25 for 0.25
            (`LISTENHOUSE_RETRAIN_DRIFT_PERCENT`).
    """

    days: int = 7
    cooldown_days: int = 2
    new_listens_percent: int = 20
    outcome_days: int = 5
    lift_percent: int = 0
    hit_rate_fall_percent: int = 50
    drift_percent: int = 25


@dataclass(frozen=True)
class Retention:
    """For how many days `listenhouse prune` leaves what is there.

    Landing is the memory of the house and has none: what is to go from it is a person
    (`listenhouse forget`) or a crawl (`listenhouse withdraw`).

    Attributes:
        recommendation_days: Lists of recommendations, and what popularity would have recommended
            (`LISTENHOUSE_KEEP_RECOMMENDATION_DAYS`).
        ops_days: Records of runs, and who was told of what (`LISTENHOUSE_KEEP_OPS_DAYS`).
        rejected_days: Rejected records, from when they were no longer served
            (`LISTENHOUSE_KEEP_REJECTED_DAYS`).
        past_days: Schemas of the past (`as_of_…`), from the day that they are of
            (`LISTENHOUSE_KEEP_PAST_DAYS`).
    """

    recommendation_days: int = 180
    ops_days: int = 730
    rejected_days: int = 90
    past_days: int = 365


@dataclass(frozen=True)
class Settings:
    """What can be configured, with the environment variable behind each field.

    Attributes:
        home: Folder for all state on disk (`LISTENHOUSE_HOME`, default `.listenhouse` in
            the project).
        external_database_url: PostgreSQL to use instead of the embedded one
            (`LISTENHOUSE_DATABASE_URL`).
        external_api_url: API to crawl instead of the simulator (`LISTENHOUSE_API_URL`).
        embedded_port: TCP port of the embedded PostgreSQL (`LISTENHOUSE_PORT`).
        simulator_port: TCP port of the simulator (`LISTENHOUSE_SIMULATOR_PORT`).
        metrics_port: TCP port of the metrics for Prometheus (`LISTENHOUSE_METRICS_PORT`).
        crawl_threads: Pages fetched at the same time (`LISTENHOUSE_CRAWL_THREADS`).
        request_timeout_seconds: Longest wait for the whole of one answer
            (`LISTENHOUSE_REQUEST_TIMEOUT_SECONDS`).
        max_answer_megabytes: Longest body of an answer, after it was decompressed
            (`LISTENHOUSE_MAX_ANSWER_MEGABYTES`).
        request_attempts: Tries for one page before the crawl fails
            (`LISTENHOUSE_REQUEST_ATTEMPTS`).
        retry_seconds: Longest time spent on one page, tries and waits together
            (`LISTENHOUSE_RETRY_SECONDS`).
        trigger: Who or what starts the runs of this process, for their record
            (`LISTENHOUSE_TRIGGER`, default `manual`; a scheduler names itself).
        steps: The steps of a run, with their time limits and retries
            (`LISTENHOUSE_STEP_TIMEOUTS`, `LISTENHOUSE_STEP_RETRIES`, such as `load=3600`).
        step_retry_seconds: First wait before a step is tried again, doubled at each further try
            (`LISTENHOUSE_STEP_RETRY_SECONDS`).
        heartbeat_url: Told when a run starts, succeeds or fails (`LISTENHOUSE_HEARTBEAT_URL`), so
            that somebody misses the run that did not; nobody is without it.
        log_format: How lines of the log look on the terminal, `text` or `json`
            (`LISTENHOUSE_LOG_FORMAT`).
        log_level: From which level on lines are shown on the terminal
            (`LISTENHOUSE_LOG_LEVEL`).
        log_files: How many runs' log files are kept, 0 for none (`LISTENHOUSE_LOG_FILES`).
        alerts_config: File that names who is told, in Apprise's format
            (`LISTENHOUSE_ALERTS_CONFIG`); nobody is told without it.
        quiet_hours: When warnings wait (`LISTENHOUSE_ALERTS_QUIET_HOURS`, such as `22-7`, by
            the clock of `LISTENHOUSE_ALERTS_TIME_ZONE`, default UTC); none without it.
        health_url: Where the health page is served, for links in alerts
            (`LISTENHOUSE_HEALTH_URL`).
        recommends: Whether a run trains when needed and recommends (`LISTENHOUSE_RECOMMEND`,
            `yes` or `no`).
        models: Folder of the models' files (`LISTENHOUSE_MODELS`, default `models` in `home`).
        retrain: When a training is needed (`LISTENHOUSE_RETRAIN_…`).
        serving_port: TCP port of the API (`LISTENHOUSE_SERVING_PORT`).
        serving_database_url: Login of the API, with fewer rights than the warehouse's own
            (`LISTENHOUSE_SERVING_DATABASE_URL`).
        api_keys: Keys, one of which a client of the API has to have (`LISTENHOUSE_API_KEYS`,
            separated by commas, and the lines of the file `LISTENHOUSE_API_KEYS_FILE`); without
            any, none is asked for.
        rate_limit: Requests to the API per client, minute and process
            (`LISTENHOUSE_RATE_LIMIT`), 0 for no limit.
        cors_origins: Origins whose pages may ask the API in a browser
            (`LISTENHOUSE_CORS_ORIGINS`, separated by commas).
        erasure_key: Key of the tombstones of people who were forgotten
            (`LISTENHOUSE_ERASURE_KEY`); that in the file `erasure_key_file` without it.
        keep: For how many days what is kept (`LISTENHOUSE_KEEP_…`).
        retry_wait_seconds: First wait before another try, doubled at each further one; no
            variable sets it, tests do.
    """

    home: Path
    external_database_url: str | None = None
    external_api_url: str | None = None
    embedded_port: int = EMBEDDED_PORT
    simulator_port: int = SIMULATOR_PORT
    metrics_port: int = METRICS_PORT
    crawl_threads: int = 8
    request_timeout_seconds: float = 60.0
    max_answer_megabytes: int = 64
    request_attempts: int = 6
    retry_seconds: float = 300.0
    trigger: str = MANUAL
    steps: tuple[Step, ...] = DAILY_STEPS
    step_retry_seconds: float = 60.0
    heartbeat_url: str | None = field(default=None, repr=False)
    log_format: str = "text"
    log_level: str = "warning"
    log_files: int = 60
    alerts_config: Path | None = None
    quiet_hours: QuietHours | None = None
    health_url: str | None = None
    recommends: bool = True
    models: Path | None = None
    retrain: RetrainTriggers = RetrainTriggers()
    serving_port: int = SERVING_PORT
    serving_database_url: str | None = None
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    rate_limit: int = RATE_LIMIT
    cors_origins: tuple[str, ...] = ()
    erasure_key: str | None = field(default=None, repr=False)
    keep: Retention = Retention()
    retry_wait_seconds: float = 0.5

    @property
    def uses_embedded_postgres(self) -> bool:
        """Whether the warehouse lives in the PostgreSQL that we start ourselves."""
        return self.external_database_url is None

    @property
    def uses_simulator(self) -> bool:
        """Whether the source is the simulator that we start ourselves."""
        return self.external_api_url is None

    @property
    def database_url(self) -> str:
        """The connection URL of the warehouse, embedded or external."""
        return (
            self.external_database_url
            or f"postgresql://{DATABASE}@127.0.0.1:{self.embedded_port}/{DATABASE}"
        )

    @property
    def api_url(self) -> str:
        """The base URL of the source API, without a slash at the end."""
        return (self.external_api_url or f"http://127.0.0.1:{self.simulator_port}").rstrip("/")

    @property
    def api_location(self) -> str:
        """The API's URL without the user and password that it can hold, for messages."""
        parts = urlsplit(self.api_url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    @property
    def secrets(self) -> frozenset[str]:
        """Keys and the passwords in the URLs, as written and as meant; no log may show them."""
        databases = tuple(filter(None, (self.external_database_url, self.serving_database_url)))
        configured = (*databases, self.external_api_url, self.heartbeat_url)
        urls = [urlsplit(url) for url in configured if url]
        # one that is also the name of a user, host or database is no secret
        names = {name for url in urls for name in (url.username, url.hostname, url.path.strip("/"))}
        written = {url.password for url in urls if url.password}
        meant = {parse_database_url(url).get("password", "") for url in databases}
        secrets = (written | meant | set(map(unquote, written))) - names | set(self.api_keys)
        # who knows the path of a heartbeat can feign one
        secrets |= {urlsplit(self.heartbeat_url or "").path}
        secrets |= {self.erasure_key} if self.erasure_key else set()
        return frozenset(secret for secret in secrets if len(secret) >= _MIN_SECRET_LENGTH)

    @property
    def postgres_directory(self) -> Path:
        """Data directory of the embedded PostgreSQL."""
        return self.home / "postgres"

    @property
    def simulator_state_file(self) -> Path:
        """Which simulator runs: process, port and day."""
        return self.home / "simulator.json"

    @property
    def simulator_log_file(self) -> Path:
        """What the simulator says."""
        return self.home / "simulator.log"

    @property
    def dlt_directory(self) -> Path:
        """Where dlt keeps pipeline state, packages and traces."""
        return self.home / "dlt"

    @property
    def spool_directory(self) -> Path:
        """Where a crawl is kept until it is proven complete."""
        return self.home / "spool"

    @property
    def model_directory(self) -> Path:
        """Where the recommender's models are."""
        return self.models or self.home / "models"

    @property
    def log_directory(self) -> Path:
        """Where each run's log file is."""
        return self.home / "logs"

    @property
    def erasure_key_file(self) -> Path:
        """Where the key of the tombstones is, unless a setting holds it."""
        return self.home / "erasure.key"

    @property
    def listening_page_file(self) -> Path:
        """Where the listening dashboard is written, unless told otherwise."""
        return self.home / "pages" / "listening.html"

    @property
    def health_page_file(self) -> Path:
        """Where the health page is written, unless told otherwise."""
        return self.home / "pages" / "health.html"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings from the environment.

    Args:
        environ: Variables to read instead of the process environment.

    Returns:
        The settings, with defaults for what is unset or empty.

    Raises:
        SettingsError: A variable holds a value that cannot be used.
    """
    read = Variables(os.environ if environ is None else environ)
    recommends = read.choice("RECOMMEND", "yes", "no") == "yes"
    return Settings(
        home=read.path("HOME") or PROJECT_ROOT / ".listenhouse",
        external_database_url=_export_for_dbt(environ, read.database_url("DATABASE_URL")),
        external_api_url=_api_url(read),
        embedded_port=read.number("PORT", EMBEDDED_PORT, 1, 65535),
        simulator_port=read.number("SIMULATOR_PORT", SIMULATOR_PORT, 1, 65535),
        metrics_port=read.number("METRICS_PORT", METRICS_PORT, 1, 65535),
        crawl_threads=read.number("CRAWL_THREADS", 8, 1, 64),
        request_timeout_seconds=float(read.number("REQUEST_TIMEOUT_SECONDS", 60, 1, 3600)),
        max_answer_megabytes=read.number("MAX_ANSWER_MEGABYTES", 64, 1, 1000),
        request_attempts=read.number("REQUEST_ATTEMPTS", 6, 1, 50),
        retry_seconds=float(read.number("RETRY_SECONDS", 300, 1, 86_400)),
        trigger=read.text("TRIGGER") or MANUAL,
        steps=read_steps(
            read.text("STEP_TIMEOUTS"), read.text("STEP_RETRIES"), recommends=recommends
        ),
        step_retry_seconds=float(read.number("STEP_RETRY_SECONDS", 60, 1, 3600)),
        heartbeat_url=_heartbeat_url(read),
        log_format=read.choice("LOG_FORMAT", "text", "json"),
        log_level=read.choice("LOG_LEVEL", "warning", "debug", "info", "error"),
        log_files=read.number("LOG_FILES", 60, 0, 100_000),
        alerts_config=read.path("ALERTS_CONFIG"),
        quiet_hours=read_quiet_hours(
            read.text("ALERTS_QUIET_HOURS"), read.text("ALERTS_TIME_ZONE")
        ),
        health_url=_health_url(read),
        recommends=recommends,
        models=read.path("MODELS"),
        retrain=RetrainTriggers(
            days=read.number("RETRAIN_DAYS", 7, 1, 10_000),
            cooldown_days=read.number("RETRAIN_COOLDOWN_DAYS", 2, 0, 10_000),
            new_listens_percent=read.number("RETRAIN_NEW_LISTENS_PERCENT", 20, 1, 1_000_000),
            outcome_days=read.number("RETRAIN_OUTCOME_DAYS", 5, 1, 365),
            lift_percent=read.number("RETRAIN_LIFT_PERCENT", 0, 0, 1_000),
            hit_rate_fall_percent=read.number("RETRAIN_HIT_RATE_FALL_PERCENT", 50, 1, 100),
            drift_percent=read.number("RETRAIN_DRIFT_PERCENT", 25, 1, 10_000),
        ),
        serving_port=read.number("SERVING_PORT", SERVING_PORT, 1, 65535),
        serving_database_url=read.database_url("SERVING_DATABASE_URL"),
        api_keys=read_api_keys(read.text("API_KEYS"), read.path("API_KEYS_FILE")),
        rate_limit=read.number("RATE_LIMIT", RATE_LIMIT, 0, 1_000_000_000),
        cors_origins=read_origins(read.text("CORS_ORIGINS")),
        erasure_key=_long_enough(read.secret("ERASURE_KEY")),
        keep=Retention(
            # what is judged by weeks of history needs them
            recommendation_days=read.number("KEEP_RECOMMENDATION_DAYS", 180, 60, 100_000),
            ops_days=read.number("KEEP_OPS_DAYS", 730, 90, 100_000),
            rejected_days=read.number("KEEP_REJECTED_DAYS", 90, 1, 100_000),
            past_days=read.number("KEEP_PAST_DAYS", 365, 1, 100_000),
        ),
    )


def _api_url(read: Variables) -> str | None:
    value = read.url("API_URL", "http", "https")
    if value is not None and (urlsplit(value).query or urlsplit(value).fragment):
        raise SettingsError(
            "LISTENHOUSE_API_URL has to end with the path that the endpoints follow, without "
            "? or #."
        )
    return value


def _health_url(read: Variables) -> str | None:
    value = read.url("HEALTH_URL", "http", "https")
    # alerts carry it: a password in it would be told to everybody
    if value is not None and (urlsplit(value).fragment or "@" in urlsplit(value).netloc):
        raise SettingsError(
            "LISTENHOUSE_HEALTH_URL has to be the plain address of the health page, without a "
            "user or #."
        )
    return value


def _heartbeat_url(read: Variables) -> str | None:
    value = read.url("HEARTBEAT_URL", "http", "https")
    if value is not None and urlsplit(value).fragment:
        raise SettingsError("LISTENHOUSE_HEARTBEAT_URL has to be an address without #.")
    return value


def _export_for_dbt(environ: Mapping[str, str] | None, url: str | None) -> str | None:
    """The URL, which dbt in this process could not read from a file."""
    if environ is None:
        if url:
            os.environ["LISTENHOUSE_DATABASE_URL"] = url
        for name in _SESSION_VARIABLES:
            os.environ.pop(name, None)
    return url


def _long_enough(key: str | None) -> str | None:
    if key is not None and len(key) < _MIN_KEY_LENGTH:
        # the key is not repeated
        raise SettingsError(
            f"LISTENHOUSE_ERASURE_KEY has fewer than {_MIN_KEY_LENGTH} characters: make one with "
            "`python -c 'import secrets; print(secrets.token_hex(32))'`."
        )
    return key
