"""Settings from environment variables."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

from warehouse.errors import SettingsError
from warehouse.process_environment import prepare_environment
from warehouse.settings import PROJECT_ROOT, RetrainTriggers, Settings, read_settings


def test_without_any_variable_everything_is_ours() -> None:
    settings = read_settings({})

    assert settings.uses_embedded_postgres
    assert settings.uses_simulator
    assert settings.home == PROJECT_ROOT / ".listenhouse"
    assert settings.model_directory == PROJECT_ROOT / ".listenhouse" / "models"
    assert settings.retrain == RetrainTriggers()
    assert settings.database_url == "postgresql://listenhouse@127.0.0.1:25432/listenhouse"


def test_an_empty_variable_counts_as_unset() -> None:
    assert read_settings({"LISTENHOUSE_DATABASE_URL": " "}).uses_embedded_postgres


def test_variables_point_everything_elsewhere(tmp_path: Path) -> None:
    settings = read_settings(
        {
            "LISTENHOUSE_DATABASE_URL": "postgresql://ada:secret@db.example:6432/music",
            "LISTENHOUSE_API_URL": "https://api.example/v1/",
            "LISTENHOUSE_HOME": str(tmp_path),
            "LISTENHOUSE_CRAWL_THREADS": "3",
            "LISTENHOUSE_ALERTS_CONFIG": str(tmp_path / "alerts.yml"),
            "LISTENHOUSE_ALERTS_QUIET_HOURS": "22 - 07",
            "LISTENHOUSE_ALERTS_TIME_ZONE": "Europe/Berlin",
            "LISTENHOUSE_HEALTH_URL": "https://house.example/health?theme=dark",
            "LISTENHOUSE_MODELS": str(tmp_path / "elsewhere"),
            "LISTENHOUSE_RETRAIN_DAYS": "14",
        }
    )

    assert settings.database_url == "postgresql://ada:secret@db.example:6432/music"
    assert settings.api_url == "https://api.example/v1"
    assert settings.dlt_directory == tmp_path / "dlt"
    assert settings.crawl_threads == 3
    assert settings.alerts_config == tmp_path / "alerts.yml"
    assert str(settings.quiet_hours) == "22:00 to 7:00 Europe/Berlin"
    assert settings.health_url == "https://house.example/health?theme=dark"
    assert settings.model_directory == tmp_path / "elsewhere"
    assert settings.retrain == RetrainTriggers(days=14)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTENHOUSE_PORT", "0"),
        ("LISTENHOUSE_PORT", "65536"),
        ("LISTENHOUSE_PORT", "port"),
        ("LISTENHOUSE_CRAWL_THREADS", "-1"),
        ("LISTENHOUSE_RETRY_SECONDS", "nan"),
        ("LISTENHOUSE_STEP_RETRY_SECONDS", "inf"),
        ("LISTENHOUSE_RECOMMEND", "maybe"),
        ("LISTENHOUSE_API_URL", "api.example"),
        ("LISTENHOUSE_API_URL", "ftp://api.example"),
        ("LISTENHOUSE_DATABASE_URL", "mysql://ada@db.example/music"),
        ("LISTENHOUSE_DATABASE_URL", "postgresql:///music"),
        ("LISTENHOUSE_DATABASE_URL", "postgresql://db.example/music"),
        ("LISTENHOUSE_DATABASE_URL", "postgresql://ada:hunter2@db.example"),
        ("LISTENHOUSE_DATABASE_URL", "postgresql://ada:hunter2%off@db.example/music"),
        ("LISTENHOUSE_DATABASE_URL", "postgresql://ada:hunter2@db.example/music?speed=high"),
        ("LISTENHOUSE_API_URL", "https://api.example/v1?key=hunter2"),
        ("LISTENHOUSE_RETRAIN_DAYS", "0"),
        ("LISTENHOUSE_RETRAIN_LIFT_PERCENT", "-1"),
        ("LISTENHOUSE_RETRAIN_HIT_RATE_FALL_PERCENT", "101"),
        ("LISTENHOUSE_LOG_LEVEL", "loud"),
        ("LISTENHOUSE_LOG_FORMAT", "xml"),
        ("LISTENHOUSE_LOG_FILES", "-1"),
        ("LISTENHOUSE_HOME", "~nobody-by-that-name/house"),
        ("LISTENHOUSE_DATABASE_URL", "postgresql://ada:hunter2@db.example:port/music"),
        ("LISTENHOUSE_ALERTS_CONFIG", "~nobody-by-that-name/alerts.yml"),
        ("LISTENHOUSE_ALERTS_QUIET_HOURS", "22"),
        ("LISTENHOUSE_ALERTS_QUIET_HOURS", "22-25"),
        ("LISTENHOUSE_ALERTS_QUIET_HOURS", "7-7"),
        ("LISTENHOUSE_ALERTS_QUIET_HOURS", "0-24"),
        ("LISTENHOUSE_ALERTS_TIME_ZONE", "Mars/Olympus"),
        ("LISTENHOUSE_ALERTS_TIME_ZONE", "../Berlin"),
        ("LISTENHOUSE_ALERTS_TIME_ZONE", "Europe"),
        ("LISTENHOUSE_HEALTH_URL", "house.example"),
        ("LISTENHOUSE_HEALTH_URL", "https://house.example/health#top"),
        ("LISTENHOUSE_HEALTH_URL", "https://ada:hunter2@house.example/health"),
        ("LISTENHOUSE_SERVING_PORT", "0"),
        ("LISTENHOUSE_SERVING_DATABASE_URL", "postgresql://ada:hunter2@db.example"),
        ("LISTENHOUSE_API_KEYS", ","),
        ("LISTENHOUSE_API_KEYS", "long-enough-0123456789,hunter2"),
        ("LISTENHOUSE_API_KEYS", "hunter2 with blanks in it"),
        ("LISTENHOUSE_API_KEYS", "hunter2-ümlaut-0123456789"),
        ("LISTENHOUSE_API_KEYS_FILE", "/nowhere/keys"),
        ("LISTENHOUSE_API_KEYS_FILE", "/dev/null"),
        ("LISTENHOUSE_RATE_LIMIT", "-1"),
        ("LISTENHOUSE_CORS_ORIGINS", "house.example"),
        ("LISTENHOUSE_CORS_ORIGINS", "https://house.example/page"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_but_a_password_is_not(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refusal:
        read_settings({name: value})
    assert "hunter2" not in str(refusal.value)


def test_all_wrong_variables_are_named_at_once_each_with_what_it_must_be() -> None:
    wrong = {
        "LISTENHOUSE_PORT": "65536",
        "LISTENHOUSE_LOG_LEVEL": "loud",
        "LISTENHOUSE_KEEP_OPS_DAYS": "1",
        "LISTENHOUSE_ERASURE_KEY": "hunter2",
    }
    with pytest.raises(SettingsError) as refusal:
        read_settings(wrong)
    assert set(str(refusal.value).splitlines()) == {
        "LISTENHOUSE_PORT is '65536'; it must be a whole number from 1 to 65535.",
        "LISTENHOUSE_LOG_LEVEL is 'loud'; it must be one of warning, debug, info, error.",
        "LISTENHOUSE_KEEP_OPS_DAYS is '1'; it must be a whole number from 90 to 100000.",
        "LISTENHOUSE_ERASURE_KEY has fewer than 32 characters: make one with `python -c "
        "'import secrets; print(secrets.token_hex(32))'`.",
    }
    # a traceback shows what an exception came from, and pydantic's holds the values
    assert refusal.value.__context__ is None


def test_nothing_but_the_declared_names_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {
        "LISTENHOUSE_EMBEDDED_PORT": "1",
        "LISTENHOUSE_RETRY_WAIT_SECONDS": "9",
        "LISTENHOUSE_RETRAIN": "never",
        "listenhouse_port": "1",
        "LISTENHOUSE_IMAGE": "listenhouse",
    }
    assert read_settings(others) == Settings()
    monkeypatch.setenv("LISTENHOUSE_PORT", "6000")
    assert Settings().embedded_port == 25432
    assert read_settings().embedded_port == 6000


def test_who_reads_settings_leaves_the_environment_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://ada:hunter2@db.example/music\n")
    monkeypatch.setenv("LISTENHOUSE_DATABASE_URL_FILE", str(file))
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    before = dict(os.environ)

    settings = read_settings()
    assert os.environ == before

    with mock.patch.dict(os.environ):
        prepare_environment(settings)
        assert os.environ["LISTENHOUSE_DATABASE_URL"] == settings.database_url
        assert "PGTZ" not in os.environ
        # a process that this one starts reads both, which are the same
        assert read_settings() == settings


@pytest.mark.parametrize(
    ("database", "api", "secrets"),
    [
        ("ada:hunter2%21@db.example/music", "api.example", {"hunter2%21", "hunter2!"}),
        ("ada@db.example/music", "ada:hunter2@api.example", {"hunter2"}),
        ("ada:music@db.example/music", "ada:abc@api.example", set()),
    ],
)
def test_the_passwords_in_the_urls_are_known_as_secrets(
    database: str, api: str, secrets: set[str]
) -> None:
    settings = read_settings(
        {
            "LISTENHOUSE_DATABASE_URL": f"postgresql://{database}",
            "LISTENHOUSE_API_URL": f"https://{api}",
        }
    )
    assert settings.secrets == secrets


def test_the_api_has_a_login_keys_and_origins_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("third-0123456789abc\n\n  fourth-0123456789ab\n")
    settings = read_settings(
        {
            "LISTENHOUSE_SERVING_PORT": "9000",
            "LISTENHOUSE_SERVING_DATABASE_URL": "postgresql://api:hunter2@db.example/music",
            "LISTENHOUSE_API_KEYS": "first-0123456789abc, second-0123456789ab,",
            "LISTENHOUSE_API_KEYS_FILE": str(file),
            "LISTENHOUSE_RATE_LIMIT": "0",
            "LISTENHOUSE_CORS_ORIGINS": "https://house.example, http://127.0.0.1:3000",
        }
    )
    keys = (
        "first-0123456789abc",
        "second-0123456789ab",
        "third-0123456789abc",
        "fourth-0123456789ab",
    )
    assert settings.serving_port == 9000
    assert settings.serving_database_url == "postgresql://api:hunter2@db.example/music"
    assert settings.api_keys == keys
    assert settings.rate_limit == 0
    assert settings.cors_origins == ("https://house.example", "http://127.0.0.1:3000")
    assert settings.secrets == {*keys, "hunter2"}
    assert not any(key in repr(settings) for key in keys)
