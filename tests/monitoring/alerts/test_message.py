"""How alerts read in each service: payloads against what the services document."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from apprise.plugins.slack import NotifySlack

from monitoring.alerts.check import check
from monitoring.alerts.message import Line, Message, Tone
from tests.monitoring.alerts.conftest import Configure, Findings, Hooks, Mailbox

RUN_ID = UUID("0192f3a4-0000-7000-8000-000000000001")
FINDING = {
    "finding_key": "anomaly|listens_new of fct_listens",
    "message": "fct_listens: 41 new listens, expected 880–1,120 on a Tuesday, 96 % below *all* <&>",
    "next_step": "See `listenhouse check` and [the source]",
    "run_id": RUN_ID,
}
HEALTH_URL = "https://house.example/health"
RUN_URL = f"{HEALTH_URL}#run-{RUN_ID}"


def test_teams_gets_an_adaptive_card(
    configure: Configure, tls_hooks: Hooks, findings: Findings
) -> None:
    findings.are(FINDING)
    settings = configure(
        {f"workflows://{tls_hooks.address}/WORKFLOW/SIGNATURE/?verify=no": "critical"},
        health_url=HEALTH_URL,
    )
    assert check(settings).failures == []

    ((path, payload),) = tls_hooks.received
    assert path == "/workflows/WORKFLOW/triggers/manual/paths/invoke"
    # learn.microsoft.com, "Send Adaptive Cards using an Incoming Webhook": type, attachments,
    # contentType and content are what it asks for
    assert set(payload) == {"type", "attachments"}
    assert payload["type"] == "message"
    (attachment,) = payload["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["contentUrl"] is None
    card = attachment["content"]
    assert card["$schema"] == "http://adaptivecards.io/schemas/adaptive-card.json"
    assert card["type"] == "AdaptiveCard"
    assert card["version"] == "1.4"
    title, body = card["body"]
    # no icon, which Teams would fetch from somebody else's server
    assert [part["type"] for part in (title, body)] == ["TextBlock", "TextBlock"]
    assert title["text"].startswith("Listenhouse: 1 critical on 127.0.0.1/test")
    # "Format cards in Teams": bold, links, and \n\n for a new line; names keep their underscores
    assert body["wrap"] is True
    assert body["text"].split("\n\n") == [
        "**Critical:** fct_listens: 41 new listens, expected 880–1,120 on a Tuesday, 96 % below "
        r"\*all\* <&>",
        r"**Next:** See `listenhouse check` and \[the source\]",
        "**Since:** 2026-03-05 03:00 UTC",
        f"**Run:** [0192f3a4]({RUN_URL})",
        f"**Health page:** [of the warehouse]({HEALTH_URL})",
    ]


def test_slack_gets_a_message_with_an_attachment(
    configure: Configure, hooks: Hooks, findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the one address in the plug-in that is fixed; all else is as it would be sent to Slack
    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://{hooks.address}/services")
    findings.are(FINDING)
    settings = configure({"slack://TAAAAAAAA/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC": "critical"})
    (outcome,) = check(settings).outcomes
    assert outcome.target == "slack://…"

    ((path, payload),) = hooks.received
    assert path == "/services/TAAAAAAAA/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC"
    # docs.slack.dev, "Secondary message attachments": all fields are among those documented
    assert set(payload) == {"attachments", "mrkdwn"}
    (attachment,) = payload["attachments"]
    assert set(attachment) == {"color", "footer", "text", "title", "ts"}
    assert attachment["title"].startswith("Listenhouse: 1 critical on 127.0.0.1/test")
    assert attachment["color"] == "#A32037"
    # "Formatting text": &, < and > are escaped, nothing else
    assert attachment["text"].splitlines()[0] == (
        "Critical: fct_listens: 41 new listens, expected 880–1,120 on a Tuesday, 96 % below "
        "*all* &lt;&amp;&gt;"
    )
    assert payload["mrkdwn"] is False


def test_a_mail_is_plain_text(configure: Configure, mailbox: Mailbox, findings: Findings) -> None:
    findings.are(FINDING)
    settings = configure(
        {f"mailto://{mailbox.address}?from=house@example.com&to=ops@example.com": "critical"},
        health_url=HEALTH_URL,
    )
    assert check(settings).failures == []

    (mail,) = mailbox.received
    assert mail["Subject"].startswith("Listenhouse: 1 critical on 127.0.0.1/test")
    assert mail["To"] == "ops@example.com"
    assert mail.get_content_type() == "text/plain"
    lines = mail.get_content().splitlines()
    assert lines[0].endswith("96 % below *all* <&>")
    assert f"Run: {RUN_URL}" in lines


def test_a_webhook_gets_json(configure: Configure, hooks: Hooks, findings: Findings) -> None:
    findings.are(FINDING)
    check(configure({f"json://{hooks.address}/all": "critical"}))
    ((_, payload),) = hooks.received
    assert set(payload) == {"version", "title", "message", "attachments", "type"}
    assert payload["type"] == "failure"


def test_a_long_message_is_one_message_in_teams(
    configure: Configure, tls_hooks: Hooks, findings: Findings
) -> None:
    many = [{**FINDING, "finding_key": f"anomaly|{number}"} for number in range(20)]
    findings.are(*many)
    settings = configure(
        {f"workflows://{tls_hooks.address}/WORKFLOW/SIGNATURE/?verify=no": "critical"}
    )
    check(settings)
    ((_, payload),) = tls_hooks.received
    text: Any = payload["attachments"][0]["content"]["body"][1]["text"]
    assert text.count("**Critical:**") == 20
    # what Teams takes
    assert len(str(payload).encode()) < 28_000


def test_lines_of_a_failure_stay_lines() -> None:
    message = Message(
        "title", [[Line("Critical", "dbt build failed:\n  users: 3 rows")]], Tone.PLAIN
    )
    assert message.as_text() == "Critical: dbt build failed:\n  users: 3 rows"
    assert message.as_markdown() == "**Critical:** dbt build failed:\n\nusers: 3 rows"


def test_a_moment_is_told_in_utc(configure: Configure, hooks: Hooks, findings: Findings) -> None:
    findings.connection.execute("set time zone 'Asia/Tokyo'")
    findings.are({**FINDING, "found_at": datetime(2026, 3, 5, 3, 0)})
    check(configure({f"json://{hooks.address}/all": "critical"}))
    ((_, payload),) = hooks.received
    assert "Since: 2026-03-05 03:00 UTC" in payload["message"]
