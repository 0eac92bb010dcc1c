"""Sends a message to a target.

In: a target and a message. Out: whether it arrived, and why not in words without secrets.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from apprise import Apprise, AppriseResult, NotifyFormat
from apprise.plugins import NotifyBase
from apprise.result import AppriseResultStatus

from monitoring.alerts.message import Message, Tone
from monitoring.alerts.targets import Target, shows_host
from warehouse.redaction import redacted

# what the network or a mail server said, in the exceptions that Apprise logs
_CAUSE = re.compile(r"\[(?:Errno|SSL)[^\]]*\] [^()\"'\n]+|\d{3}, b'[^']*'|timed out")
_MIN_SECRET_LENGTH = 4


def deliver(target: Target, message: Message) -> str | None:
    """Sends a message.

    Args:
        target: Whom to.
        message: What.

    Returns:
        Why it did not arrive, or None when the target took it.
    """
    # a service that reads Markdown only gets links, all others lines of plain text
    body_format = target.service.resolve_format(NotifyFormat.TEXT)
    if body_format is NotifyFormat.MARKDOWN:
        body = message.as_markdown()
    else:
        body_format, body = NotifyFormat.TEXT, message.as_text()
    return _send(
        target,
        body=body,
        title=message.title,
        notify_type=message.tone,
        body_format=body_format,
    )


def deliver_page(target: Target, title: str, page: str, attachment: Path | None) -> str | None:
    """Sends an HTML page.

    Args:
        target: Whom to.
        title: The subject.
        page: The body, a whole document.
        attachment: A file that goes with it.

    Returns:
        Why it did not arrive, or None when the target took it.
    """
    return _send(
        target,
        body=page,
        title=title,
        notify_type=Tone.PLAIN,
        body_format=NotifyFormat.HTML,
        attach=str(attachment) if attachment else None,
    )


def _send(target: Target, **content: Any) -> str | None:
    service = target.service
    # the paths of webhooks are secrets, and urllib3 would log them
    log = logging.getLogger("urllib3.connectionpool")
    level_before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        result = Apprise(service, asset=service.asset).notify(**content, log_level=logging.DEBUG)
    finally:
        log.setLevel(level_before)
    return _find_failure(service, result)


def _find_failure(service: NotifyBase, result: AppriseResult) -> str | None:
    # a target marked as optional counts as told, unless one looks closer
    attempts = [attempt for sent in result.results for attempt in sent.attempts]
    if attempts and attempts[-1].status is AppriseResultStatus.SUCCESS:
        return None
    if result.status is AppriseResultStatus.NOMATCH:
        return "Apprise had nobody to send it to"
    if result.status is AppriseResultStatus.TIMEOUT:
        return "no answer in time"
    entries = list(result.logs())
    said = [entry.message for entry in entries if entry.level in ("WARNING", "ERROR", "CRITICAL")]
    causes = [
        found.group().strip()
        for entry in entries
        if "Exception" in entry.message and (found := _CAUSE.search(entry.message))
    ]
    reason = ": ".join([*(text.rstrip(".") for text in said[-1:]), *causes[-1:]])
    return redacted(reason, _secrets(service)) or "Apprise does not say why"


def _secrets(service: NotifyBase) -> Iterator[str]:
    """All of a service's address but its host, because any part of it may be secret."""
    parts = urlsplit(service.url())  # type: ignore[no-untyped-call]
    held = [parts.username, parts.password, *parts.path.split("/")]
    for name, value in parse_qsl(parts.query):
        # such as the HTTP method, a word that messages have
        is_known = name in service.template_args and name not in service.template_tokens
        if not is_known or service.template_args[name].get("private"):
            held.append(value)
    if not shows_host(service):
        held.append(parts.hostname)
    for text in held:
        for form in (text or "", unquote(text or "")):
            if len(form) >= _MIN_SECRET_LENGTH:
                yield form
