"""Every setting of Listenhouse, said once: its variable, default, bounds and what it is.

In: environment variables that start with `LISTENHOUSE_`. Out: a frozen `Settings`, and
`docs/settings.md`, which `python -m documentation.settings_page` writes from it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from warehouse.api_access import parse_api_keys, parse_origins
from warehouse.daily_steps import MAX_RETRIES, MAX_SECONDS, Step, changed_steps, parsed_pairs
from warehouse.database_url import check_database_url, parse_database_url
from warehouse.quiet_hours import QuietHours, parse_hours, parse_zone
from warehouse.variables import PREFIX, read_variables

PROJECT_ROOT = Path(__file__).resolve().parents[1]

DATABASE = "listenhouse"
"""Name of the database and of its default user."""

MANUAL = "manual"
"""The trigger of runs that a person starts."""

# a shorter one, taken out of lines wherever it stands, would leave little of them
_MIN_SECRET_LENGTH = 4

_MIN_KEY_LENGTH = 32
"""Characters of a key that nobody finds by trying."""

_MAX_DAYS = 100_000


def _absolute(path: object) -> Path:
    try:
        return Path(str(path)).expanduser().resolve()
    except RuntimeError as error:
        # the home of a user that does not exist
        raise ValueError(f"is {str(path)!r}: {error}") from error


def _lake_location(written: object) -> str:
    """The URL of a lake, without a slash at the end."""
    scheme, separator, rest = str(written).partition("://")
    if not separator:
        return f"file://{_absolute(written)}"
    if scheme not in ("file", "s3", "gs", "abfs") or not rest.strip("/"):
        raise ValueError(
            f"is {str(written)!r}; it must be a folder, or a URL that starts with s3://, gs:// or abfs://."
        )
    return str(written).rstrip("/")


def _http_url(without: str, otherwise: str) -> AfterValidator:
    """A check for a URL that has none of the characters of `without` where they mean something."""

    def check(url: str) -> str:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(
                "is not a URL that starts with http:// or https:// and names a host; correct it, "
                "or unset it for the default."
            )
        found = {"?": parts.query, "#": parts.fragment, "@": "@" in parts.netloc}
        if any(found[character] for character in without):
            raise ValueError(otherwise)
        return url

    return AfterValidator(check)


def _long_enough(key: str) -> str:
    if len(key) < _MIN_KEY_LENGTH:
        raise ValueError(
            f"has fewer than {_MIN_KEY_LENGTH} characters: make one with `python -c "
            "'import secrets; print(secrets.token_hex(32))'`."
        )
    return key


_Port = Annotated[int, Field(ge=1, le=65535)]
_Path = Annotated[Path, BeforeValidator(_absolute)]
_ApiUrl = Annotated[
    str,
    _http_url("?#", "has to end with the path that the endpoints follow, without ? or #."),
]
_HeartbeatUrl = Annotated[str, _http_url("#", "has to be an address without #.")]
# alerts carry it: a password in it would be told to everybody
_HealthUrl = Annotated[
    str,
    _http_url("#@", "has to be the plain address of the health page, without a user or #."),
]
_LakeLocation = Annotated[str, BeforeValidator(_lake_location)]


def _comma_separated(written: str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(written, tuple):
        return written
    return tuple(part.strip() for part in written.split(",") if part.strip())


_DatabaseUrl = Annotated[str, AfterValidator(check_database_url)]
_IN_LOWER_CASE = BeforeValidator(str.lower)


class RetrainTriggers(BaseModel):
    """When `listenhouse retrain --if-needed` trains."""

    model_config = ConfigDict(frozen=True)

    days: int = Field(
        default=7,
        ge=1,
        le=10_000,
        description="Days of data since the last training, after which there is another.",
    )
    cooldown_days: int = Field(
        default=2,
        ge=0,
        le=10_000,
        description="Days of data before which nothing triggers a training again.",
    )
    new_listens_percent: int = Field(
        default=20,
        ge=1,
        le=1_000_000,
        description="Listens since the last training, in percent of those that it saw.",
    )
    outcome_days: int = Field(
        default=5,
        ge=1,
        le=365,
        description="Days of the champion's lists, the last whose outcome is known, that lift and "
        "hit rate are judged by.",
    )
    lift_percent: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="Lift over popularity, in points, that has to be exceeded at best.",
    )
    hit_rate_fall_percent: int = Field(
        default=50,
        ge=1,
        le=100,
        description="Fall of the share of users who were hit, below its earlier mean.",
    )
    drift_percent: int = Field(
        default=25,
        ge=1,
        le=10_000,
        description="Population stability index of plays by genre: 25 for 0.25.",
    )


class ListRules(BaseModel):
    """What holds for every list of recommendations, as far as the catalogue allows."""

    model_config = ConfigDict(frozen=True)

    top_tracks_per_artist: int = Field(
        default=2,
        ge=0,
        le=10,
        description="Tracks of one artist among the first 10 of a list, at most; 0 for no cap.",
    )
    tracks_per_artist: int = Field(
        default=3,
        ge=0,
        le=20,
        description="Tracks of one artist in a list of 20, at most; 0 for no cap.",
    )
    exploration: int = Field(
        default=2,
        ge=0,
        le=5,
        description="Places of a list of 20 for tracks that fewer than ten users have played; "
        "0 for none.",
    )


class Retention(BaseModel):
    """For how many days `listenhouse prune` leaves what is there.

    Landing is the memory of the house and has none: what is to go from it is a person
    (`listenhouse forget`) or a crawl (`listenhouse withdraw`).
    """

    model_config = ConfigDict(frozen=True)

    # what is judged by weeks of history needs them
    recommendation_days: int = Field(
        default=180,
        ge=60,
        le=_MAX_DAYS,
        description="Lists of recommendations, and what popularity would have recommended.",
    )
    ops_days: int = Field(
        default=730, ge=90, le=_MAX_DAYS, description="Records of runs, and who was told of what."
    )
    rejected_days: int = Field(
        default=90,
        ge=1,
        le=_MAX_DAYS,
        description="Rejected records, from when they were no longer served.",
    )
    past_days: int = Field(
        default=365,
        ge=1,
        le=_MAX_DAYS,
        description="Schemas of the past (`as_of_…`), from the day that they are of.",
    )


class Settings(BaseSettings):
    """What can be configured. A variable is called as its attribute, or as the alias of it.

    `repr=False` is a secret's: it can be in the file that `…_FILE` names, and no message repeats
    it. What has no description has no variable.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_prefix_target="all",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        # lists and pairs are no JSON
        enable_decoding=False,
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    home: _Path = Field(
        default=PROJECT_ROOT / ".listenhouse", description="Folder for all state on disk."
    )
    external_database_url: _DatabaseUrl | None = Field(
        default=None,
        validation_alias="database_url",
        repr=False,
        description="Any PostgreSQL ≥ 15 with a database in UTF8, "
        "`postgresql://user:password@host:port/database?sslmode=…`; for dlt, dbt and every "
        "command. Without it, the embedded server.",
    )
    # below 32768: Linux gives the ports above to outgoing connections, now and then this one
    embedded_port: _Port = Field(
        default=25432, validation_alias="port", description="TCP port of the embedded PostgreSQL."
    )
    external_api_url: _ApiUrl | None = Field(
        default=None,
        validation_alias="api_url",
        repr=False,
        description="Any server with the same API contract; `https://user:password@host/path` "
        "if it needs credentials. Without it, the simulator.",
    )
    simulator_port: _Port = Field(default=8420, description="TCP port of the simulator.")
    crawl_threads: int = Field(default=8, ge=1, le=64, description="Pages fetched in parallel.")
    request_timeout_seconds: float = Field(
        default=60,
        ge=1,
        le=3600,
        description="Time limit for one response, from the request to its last byte.",
    )
    max_answer_megabytes: int = Field(
        default=64,
        ge=1,
        le=1000,
        description="Size limit for one response, after decompression; 1 MB is 1,000,000 bytes.",
    )
    request_attempts: int = Field(
        default=6, ge=1, le=50, description="Attempts for one page before the crawl fails."
    )
    retry_seconds: float = Field(
        default=300,
        ge=1,
        le=86_400,
        description="Time limit for one page, attempts and waits together.",
    )
    retry_wait_seconds: float = 0.5
    """First wait before another try of a page, doubled at each further one; tests have less."""
    trigger: str = Field(
        default=MANUAL,
        description="What starts the runs, for their record; set by schedulers.",
    )
    step_timeouts: Annotated[dict[str, int], parsed_pairs(1, MAX_SECONDS)] = Field(
        default={},
        description=f"Time limits of steps in seconds, {MAX_SECONDS} at most: "
        "`load=3600,build=1800`. Without it, the defaults in `listenhouse steps`.",
    )
    step_retries: Annotated[dict[str, int], parsed_pairs(0, MAX_RETRIES)] = Field(
        default={},
        description=f"Retries of steps, {MAX_RETRIES} at most: `load=5`. "
        "Without it, the defaults in `listenhouse steps`.",
    )
    step_retry_seconds: float = Field(
        default=60,
        ge=1,
        le=3600,
        description="Wait before the first retry of a step; doubled for each further retry, an "
        "hour at most.",
    )
    heartbeat_url: _HeartbeatUrl | None = Field(
        default=None,
        repr=False,
        description="Monitor that gets a signal when a run starts, succeeds or fails, and notices "
        "a run that never started. Without it, no signal is sent.",
    )
    log_level: Annotated[Literal["warning", "debug", "info", "error"], _IN_LOWER_CASE] = Field(
        default="warning", description="Minimum log level on the terminal."
    )
    log_format: Annotated[Literal["text", "json"], _IN_LOWER_CASE] = Field(
        default="text",
        description="Log format on the terminal; `json` for containers whose output is collected.",
    )
    log_files: int = Field(
        default=60,
        ge=0,
        le=100_000,
        description="Number of log files kept in `logs/`, one for each run; 0 writes none.",
    )
    alerts_config: _Path | None = Field(
        default=None,
        description="File with the targets of alerts, in Apprise's format. Without it, findings "
        "are printed, and no alert is sent.",
    )
    alerts_quiet_hours: Annotated[tuple[int, int], BeforeValidator(parse_hours)] | None = Field(
        default=None, description="Hours in which warnings wait: `22-7`, until 7. Without it, none."
    )
    alerts_time_zone: Annotated[ZoneInfo, BeforeValidator(parse_zone)] = Field(
        default=ZoneInfo("UTC"),
        description="Time zone of the quiet hours, such as `Europe/Berlin`.",
    )
    health_url: _HealthUrl | None = Field(
        default=None,
        repr=False,
        description="URL of the health page, for links in alerts. Without it, no links.",
    )
    metrics_port: _Port = Field(
        default=25490, description="TCP port of the metrics for Prometheus."
    )
    recommends: bool = Field(
        default=True,
        validation_alias="recommend",
        description="Whether a run trains when needed and recommends; `no` for the warehouse only.",
    )
    models: _Path | None = Field(
        default=None,
        description="Folder for the models of the recommender. Without it, `models` in "
        "`LISTENHOUSE_HOME`.",
    )
    retrain: RetrainTriggers = RetrainTriggers()
    lists: ListRules = ListRules()
    canary_percent: int = Field(
        default=0,
        ge=0,
        le=50,
        description="Users in percent who are served by a challenger that the gate refused, until "
        "what they play decides; 10, say. 0 for none.",
    )
    serving_port: _Port = Field(default=8430, description="TCP port of the recommendations API.")
    serving_database_url: _DatabaseUrl | None = Field(
        default=None,
        repr=False,
        description="URL with a login for the API, with fewer privileges. Without it, that of the "
        "warehouse.",
    )
    api_keys: Annotated[tuple[str, ...], BeforeValidator(parse_api_keys)] = Field(
        default=(),
        repr=False,
        description="API keys of 16 characters or more, separated by commas, of which a client "
        "needs one; keys in the file are added, one on each line. Without any, none is needed.",
    )
    rate_limit: int = Field(
        default=6000,
        ge=0,
        le=1_000_000_000,
        description="API requests per client, minute and process; 0 for no limit.",
    )
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(parse_origins)] = Field(
        default=(),
        description="CORS origins whose pages may call the API from a browser, separated by "
        "commas, or `*`.",
    )
    erasure_key: Annotated[str, AfterValidator(_long_enough)] | None = Field(
        default=None,
        repr=False,
        description="Key for the tombstones of erased people, 32 characters or more. Without it, "
        "the file `erasure.key` in `LISTENHOUSE_HOME`.",
    )
    keep: Retention = Retention()
    lake: _LakeLocation | None = Field(
        default=None,
        description="Where the lake is: a folder, or a URL that starts with `s3://`, `gs://` or "
        "`abfs://`. Without it, there is none.",
    )
    lake_tags: int = Field(
        default=14,
        ge=1,
        le=10_000,
        description="Number of publications that the lake keeps, each under its tag.",
    )
    lake_personal: bool = Field(
        default=False,
        description="Whether landing goes to the lake with its personal columns, and with those "
        "that nobody declared.",
    )

    kafka: str | None = Field(
        default=None,
        description="Kafka brokers as `host:port`, separated by commas. Without them, nothing is "
        "streamed.",
    )
    kafka_config: _Path | None = Field(
        default=None,
        description="File with properties of the Kafka client, one `name=value` on each line, such "
        "as those of TLS and SASL.",
    )
    feed: bool = Field(
        default=False,
        description="Whether a run publishes what changed to topics of `LISTENHOUSE_KAFKA`.",
    )
    feed_personal: Annotated[tuple[str, ...], BeforeValidator(_comma_separated)] = Field(
        default=(),
        description="Topics of the feed that get personal columns, separated by commas: "
        "`listenhouse.moovitamix.users`.",
    )
    events_topic: str = Field(
        default="listens", description="Kafka topic that `listenhouse consume` reads."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_environment: PydanticBaseSettingsSource,
        **_files: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Takes arguments alone: `read_settings` is who reads the environment."""
        del settings_cls
        return (init_settings,)

    def but(self, **changes: Any) -> Self:
        """The same but for these settings, by their attributes' names."""
        return type(self)(**dict(self) | changes)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of a run, with their time limits and retries."""
        return changed_steps(
            self.step_timeouts,
            self.step_retries,
            recommends=self.recommends,
            has_lake=self.lake is not None,
            has_feed=self.feed,
        )

    @property
    def quiet_hours(self) -> QuietHours | None:
        """When warnings wait."""
        hours = self.alerts_quiet_hours
        return QuietHours(*hours, self.alerts_time_zone) if hours else None

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
    def wrapped_page_file(self) -> Path:
        """Where the page of a month or year is written, unless told otherwise."""
        return self.home / "pages" / "wrapped.html"

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
        SettingsError: A variable holds a value that cannot be used; names each.
    """
    return read_variables(Settings, os.environ if environ is None else environ)
