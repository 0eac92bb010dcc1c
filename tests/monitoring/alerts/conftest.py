"""A mail server and a web server that write down what they are sent, and findings made to order."""

from __future__ import annotations

import email
import email.policy
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.conftest import free_port
from warehouse.settings import Settings


@dataclass
class Hooks:
    """A web server that takes webhooks.

    Attributes:
        address: Host and port.
        received: Path and payload of each request, in order.
        failing: Paths that answer 503.
    """

    address: str = ""
    received: list[tuple[str, Any]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    def at(self, path: str) -> list[Any]:
        """What a path was sent and took, since it was last asked."""
        taken = [payload for to, payload in self.received if to == path]
        self.received = [request for request in self.received if request[0] != path]
        return taken


@contextmanager
def serve_hooks(certificate: Path | None = None) -> Iterator[Hooks]:
    """A web server that takes webhooks, with TLS where it is given a certificate and its key."""
    hooks = Hooks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = self.path.partition("?")[0]
            if path not in hooks.failing:
                hooks.received.append((path, payload))
            self.send_response(503 if path in hooks.failing else 200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    hooks.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield hooks
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Mailbox:
    """A mail server that keeps what it is given.

    Attributes:
        address: Host and port.
        received: Mails, in order.
    """

    address: str
    received: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Takes a mail."""
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.received.append(mail)
        return "250 taken"


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    """A web server that takes webhooks."""
    with serve_hooks() as served:
        yield served


@pytest.fixture
def tls_hooks(tmp_path: Path) -> Iterator[Hooks]:
    """The same with TLS, by a certificate that nobody else trusts."""
    certificate = tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    command += ["-days", "1", "-keyout", str(certificate), "-out", str(tmp_path / "public.pem")]
    subprocess.run(command, check=True, capture_output=True)
    certificate.write_text(certificate.read_text() + (tmp_path / "public.pem").read_text())
    with serve_hooks(certificate) as served:
        yield served


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server that keeps what it is given."""
    port = free_port()
    mailbox = Mailbox(f"127.0.0.1:{port}")
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield mailbox
    controller.stop()


@dataclass(frozen=True)
class Findings:
    """Stands in for `health.rpt_findings`, which dbt builds: the same columns, rows made to order.

    Attributes:
        connection: To the warehouse.
    """

    connection: psycopg.Connection

    def are(self, *findings: Mapping[str, object]) -> None:
        """From now on these are wrong, and nothing else."""
        self.connection.execute("truncate health.rpt_findings")
        for values in findings:
            row = {
                "finding_key": "data_stale|users",
                "rule_name": "data_stale",
                "subject": "users",
                "severity": "critical",
                "message": "users: the last crawl is 3 days old, it should be 36 hours at most",
                "next_step": "Run `listenhouse run` and see why no run did it",
                "run_id": None,
                "found_at": "2026-03-05 03:00",
                "is_event": False,
            } | dict(values)
            self.connection.execute(
                """
                insert into health.rpt_findings values (
                    %(finding_key)s, %(rule_name)s, %(subject)s, %(severity)s, %(message)s,
                    %(next_step)s, %(run_id)s, %(found_at)s, %(is_event)s
                )
                """,
                row,
            )


@pytest.fixture
def findings(connection: psycopg.Connection) -> Findings:
    """What is wrong: nothing yet."""
    connection.execute("create schema health")
    connection.execute(
        """
        create table health.rpt_findings (
            finding_key text, rule_name text, subject text, severity text, message text,
            next_step text, run_id uuid, found_at timestamp, is_event boolean
        )
        """
    )
    return Findings(connection)


Configure = Callable[..., Settings]
"""Takes the tags of each target by its URL, and other settings by name."""


@pytest.fixture
def configure(tmp_path: Path, settings: Settings) -> Configure:
    """Writes a file of targets, and names it in the settings."""

    def write(targets: dict[str, str], **changes: Any) -> Settings:
        file = tmp_path / "alerts.conf"
        file.write_text("".join(f"{tags}={url}\n" for url, tags in targets.items()))
        return settings.but(alerts_config=file, **changes)

    return write
