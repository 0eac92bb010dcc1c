"""Files of targets: what is understood, what is refused, and that no secret gets out."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from monitoring.alerts.check import check
from monitoring.alerts.delivery import deliver
from monitoring.alerts.message import Line, Message, Tone
from monitoring.alerts.targets import Targets, read_targets
from tests.conftest import free_port
from tests.monitoring.alerts.conftest import Configure, Findings, Hooks, Mailbox
from warehouse.errors import SettingsError
from warehouse.settings import PROJECT_ROOT, Settings

MESSAGE = Message("title", [[Line("Test", "text")]], Tone.PLAIN)

Read = Callable[[str], Targets]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file with the given content."""

    def read_content(content: str) -> Targets:
        file = tmp_path / "alerts.yml"
        file.write_text(content)
        return read_targets(Settings(home=tmp_path, alerts_config=file))

    return read_content


def test_yaml_and_text_say_the_same(read: Read) -> None:
    yaml = read(
        """
        version: 1
        urls:
          - mailto://smtp.example.com?from=house@example.com&to=ops@example.com:
              tag: critical, warning, summary
          - slack://TAAAAAAAA/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC/#music:
              tag: [critical, on-call]
        """
    )
    text = read(
        """
        # who is told
        critical,warning,summary=mailto://smtp.example.com?from=house@example.com&to=ops@example.com
        critical,on-call=slack://TAAAAAAAA/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC/#music
        """
    )
    described = [[(target.name, target.tags) for target in each.all] for each in (yaml, text)]
    assert described[0] == [
        ("mailto://smtp.example.com:25", frozenset({"critical", "warning", "summary"})),
        ("slack://… (on-call)", frozenset({"critical"})),
    ]
    assert described[0] == described[1]


def test_a_token_in_the_place_of_a_host_is_no_name(read: Read) -> None:
    token = "0123456789abcdef" * 4
    targets = read(
        f"""
        critical=matrix://{token}
        critical=ntfy://a-topic-that-nobody-guesses
        critical=ntfy://ntfy.example.com/topic
        critical=json://hooks/path
        """
    )
    assert [target.name for target in targets.all] == [
        "matrix://…",
        "ntfy://…",
        "ntfy://ntfy.example.com",
        "json://hooks",
    ]


def test_a_message_that_is_too_long_for_a_service_comes_in_parts(read: Read, hooks: Hooks) -> None:
    paragraphs = [[Line("Warning", f"{number} " + "long " * 200)] for number in range(12)]
    (target,) = read(f"critical=ntfy://{hooks.address}/topic").all
    assert deliver(target, Message("title", paragraphs, Tone.PLAIN)) is None
    parts = [payload["message"] for payload in hooks.at("/")]
    assert len(parts) > 1
    assert max(map(len, parts)) <= target.service.body_maxlen
    assert all(f"Warning: {number} long" in "".join(parts) for number in range(12))


def test_targets_that_look_alike_are_counted(read: Read) -> None:
    targets = read(
        """
        critical=json://hooks.example:8080/one
        critical=json://hooks.example:8080/two
        critical=json://hooks.example:8081/one
        """
    )
    assert [target.name for target in targets.all] == [
        "json://hooks.example:8080",
        "json://hooks.example:8080 #2",
        "json://hooks.example:8081",
    ]


def test_the_example_in_the_documentation_is_understood(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPRISE_TEMPLATE_SMTP_PASSWORD", "hunter2")
    page = (PROJECT_ROOT / "docs/monitoring.md").read_text()
    targets = read(page.partition("```yaml\n")[2].partition("```")[0])
    assert targets.problems == ()
    assert [(target.name, sorted(target.tags)) for target in targets.all] == [
        ("mailtos://smtp.example.com:587", ["critical", "summary", "warning"]),
        ("workflow://prod-1.westeurope.logic.azure.com:443", ["critical", "warning"]),
        ("slack://… (on-call)", ["critical"]),
        ("jsons://hooks.example.com", ["critical"]),
    ]


def test_a_secret_can_come_from_the_environment(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = """
    version: 1
    template:
      - MAIL_PASSWORD
    urls:
      - mailto://house:${MAIL_PASSWORD}@smtp.example.com?to=ops@example.com:
          tag: critical
      - json://hooks.example:
          tag: warning
    """
    waiting = read(content)
    assert [target.name for target in waiting.all] == ["json://hooks.example"]
    assert "APPRISE_TEMPLATE_…" in waiting.problems[0]
    monkeypatch.setenv("APPRISE_TEMPLATE_MAIL_PASSWORD", "hunter2")
    assert read(content).problems == ()
    assert len(read(content).all) == 2


def test_an_entry_that_cannot_be_used_is_named_by_its_place_and_not_quoted(read: Read) -> None:
    targets = read(
        """
        version: 1
        urls:
          - nosuchservice://hunter2@host:
              tag: critical
          - slack://hunter2:
              tag: critical
          - json://hooks.example:
              tag: critical
        """
    )
    (problem,) = targets.problems
    assert "Apprise cannot use entry #1, entry #2" in problem
    assert "hunter2" not in problem


def test_a_target_without_a_tag_that_routes_is_a_problem(read: Read) -> None:
    targets = read("critical=json://one.example\nmusic=json://two.example\njson://three.example")
    (problem,) = targets.problems
    assert "json://two.example (music), json://three.example without a tag" in problem


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# nobody yet\n",
        "music=json://hooks.example",
        "hunter2 and nothing else",
        "version: 1\nurls: hunter2: [",
        "critical=slack://hunter2",
    ],
)
def test_a_file_that_names_nobody_is_refused(read: Read, content: str) -> None:
    with pytest.raises(SettingsError, match="names nobody who can be told") as refusal:
        read(content)
    assert "hunter2" not in str(refusal.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for file, reason in ((tmp_path / "none.yml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(SettingsError, match=reason):
            read_targets(Settings(home=tmp_path, alerts_config=file))
    (tmp_path / "picture.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_targets(Settings(home=tmp_path, alerts_config=tmp_path / "picture.yml"))


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that a log of every detail holds; pytest's own also listens where nobody is to."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    level_before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    root.debug("listening")
    yield written
    root.removeHandler(handler)
    root.setLevel(level_before)


def test_no_secret_gets_out(
    configure: Configure,
    hooks: Hooks,
    tls_hooks: Hooks,
    findings: Findings,
    logged: io.StringIO,
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    hooks.failing.add("/hooks/hunter2path")
    settings = configure(
        {
            f"json://ada:hunter2@{nowhere}/hooks/hunter2path?+X-Key=hunter2key": "critical",
            f"json://ada:hunter2@{hooks.address}/hooks/hunter2path": "critical",
            f"mailto://ada:hunter2@{nowhere}?from=a@example.com&to=hunter2@example.com": "critical",
            # its certificate is not trusted
            f"workflows://{tls_hooks.address}/hunter2workflow/hunter2signature": "critical",
            f"xml://{nowhere}/hunter2path": "critical",
            f"ntfy://ada:hunter2@{nowhere}/hunter2topic": "critical",
            "discord://hunter2webhook/hunter2token?cto=0.001": "critical",
        }
    )
    findings.are({})
    report = check(settings)
    assert len(report.failures) == 7
    written = findings.connection.execute("select target, error from ops.alert_deliveries")
    reasons = " ".join(f"{target}: {error}" for target, error in written)
    assert "hunter2" not in reasons + str(report.outcomes)
    assert logged.getvalue() == "listening\n"
    assert "Connection refused" in reasons
    assert "error=503" in reasons
    assert "certificate verify failed" in reasons


def test_what_a_server_answers_is_kept_without_secrets_and_addresses(
    configure: Configure, mailbox: Mailbox
) -> None:
    def refuse(_server: SMTP, _session: Session, _envelope: Envelope, *_: object) -> AuthResult:
        answer = "535 5.7.8 ops@example.com has another password than hunter2secret"
        return AuthResult(success=False, handled=False, message=answer)

    port = free_port()
    controller = Controller(
        mailbox, hostname="127.0.0.1", port=port, authenticator=refuse, auth_require_tls=False
    )
    controller.start()
    url = f"mailto://ada:hunter2secret@127.0.0.1:{port}?from=a@x.example&to=b@x.example"
    (target,) = read_targets(configure({f"{url}&mode=insecure": "critical"})).all
    error = deliver(target, MESSAGE)
    controller.stop()
    assert error is not None
    assert "535, b'5.7.8 … has another password than …'" in error


@pytest.mark.parametrize("url", ["json://{}/bad?optional=yes", "json://{}/bad"])
def test_a_failure_is_a_failure_also_where_apprise_overlooks_it(
    configure: Configure, hooks: Hooks, url: str
) -> None:
    hooks.failing.add("/bad")
    (target,) = read_targets(configure({url.format(hooks.address): "critical"})).all
    assert deliver(target, MESSAGE) is not None
    hooks.failing.clear()
    assert deliver(target, MESSAGE) is None


def test_no_file_is_no_target(settings: Settings) -> None:
    assert read_targets(settings.but(alerts_config=None)) == Targets()
