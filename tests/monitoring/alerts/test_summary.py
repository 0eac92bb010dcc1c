"""The summary: a mail about the warehouse as it is, with the health page attached."""

from __future__ import annotations

import re
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from monitoring.alerts.summary import send_summary
from tests.commands import run_command
from tests.dbt_project.warehouse_build import Warehouse
from tests.monitoring.alerts.conftest import Configure, Findings, Hooks, Mailbox
from warehouse.errors import SettingsError, SourceError
from warehouse.ops.run_record import RunRecord
from warehouse.settings import Settings


@pytest.fixture
def reader(configure: Configure, mailbox: Mailbox) -> Settings:
    """Somebody who gets the summary by mail."""
    return configure({f"mailto://{mailbox.address}?from=house@x.example&to=a@x.example": "summary"})


def fail_a_run(settings: Settings) -> UUID:
    """Leaves the record of a run that failed."""
    record = RunRecord(settings, "a test")

    def run() -> None:
        with record.run():
            record.begin()
            with record.step("load"):
                raise SourceError("The API is gone.")

    with pytest.raises(SourceError):
        run()
    return record.run_id


def page_of(mail: EmailMessage) -> str:
    """The mail as a mail program shows it."""
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def test_the_summary_says_how_the_warehouse_is_and_brings_the_page(
    reader: Settings, mailbox: Mailbox, copied: Warehouse
) -> None:
    settings = reader.but(
        external_database_url=copied.url, health_url="https://house.example/health"
    )
    run_id = fail_a_run(settings)
    ((succeeded, runs),) = copied.query(
        "select count(*) filter (where status = 'succeeded'), count(*) from ops.runs"
        " where started_at > now() - interval '7 days'"
    )

    (outcome,) = send_summary(settings, 7)
    assert outcome.error is None
    (mail,) = mailbox.received
    assert mail["Subject"].startswith("Listenhouse: trouble, the last 7 days on 127.0.0.1/")
    page = page_of(mail)
    assert "step load failed" in page
    assert f"{succeeded} of {runs} runs succeeded." in page
    assert f'href="https://house.example/health#run-{run_id}"' in page
    assert re.search(r"users: \d+ records landed", page)
    (attachment,) = mail.iter_attachments()
    assert attachment.get_filename() == "listenhouse-health.html"
    assert "<svg" in attachment.get_content()
    assert copied.query("select target, notice, status from ops.alert_deliveries") == [
        (f"mailto://{mailbox.address}", "summary", "delivered")
    ]


def test_a_summary_of_nothing_says_so(reader: Settings, mailbox: Mailbox) -> None:
    send_summary(reader, 1)
    (mail,) = mailbox.received
    assert mail["Subject"].startswith("Listenhouse: nothing yet, the last day on ")
    assert "There was none." in page_of(mail)


def test_what_a_finding_says_is_text(
    reader: Settings, mailbox: Mailbox, findings: Findings
) -> None:
    findings.are({"message": "<img src=x> & more"})
    send_summary(reader, 1)
    (mail,) = mailbox.received
    assert "&lt;img src=x&gt; &amp; more" in page_of(mail)


def test_a_summary_for_nobody_is_refused(configure: Configure, hooks: Hooks) -> None:
    settings = configure({f"json://{hooks.address}/all": "critical"})
    with pytest.raises(SettingsError, match="has the tag summary"):
        send_summary(settings, 1)


def test_a_summary_that_does_not_arrive_fails_the_command(
    configure: Configure, hooks: Hooks, connection: psycopg.Connection, tmp_path: Path
) -> None:
    settings = configure({f"json://{hooks.address}/all": "summary"})
    environment = {
        "LISTENHOUSE_HOME": str(tmp_path),
        "LISTENHOUSE_DATABASE_URL": settings.database_url,
        "LISTENHOUSE_ALERTS_CONFIG": str(settings.alerts_config),
    }
    command = ("listenhouse", "alerts", "summary", "--days", "7")
    assert run_command(*command, environment=environment).returncode == 0
    hooks.failing.add("/all")
    outcome = run_command(*command, environment=environment)
    assert outcome.returncode == 1
    assert "could not be told" in outcome.stderr
    assert connection.execute(
        "select status from ops.alert_deliveries order by recorded_at"
    ).fetchall() == [("delivered",), ("failed",)]
