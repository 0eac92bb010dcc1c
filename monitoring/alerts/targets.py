"""Who is told: the targets of a configuration file in Apprise's own format.

In: settings. Out: targets with their tags, and names for them that hold no secret.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from apprise import Apprise, AppriseAsset, AppriseConfig, LogCapture, OverflowMode
from apprise.plugins import NotifyBase

from monitoring.alerts.finding import Severity
from warehouse.errors import SettingsError
from warehouse.settings import Settings

SUMMARY = "summary"
"""Tag of the targets that get the summary."""

TAGS = (*(severity.value for severity in reversed(Severity)), SUMMARY)
"""The tags that route; others only name a target."""

_HOSTED = frozenset(
    {
        *("form", "forms", "json", "jsons", "xml", "xmls"),
        *("mailto", "mailtos", "workflow", "workflows"),
    }
)
"""Services that always name a host; of others a token or a topic can stand in its place."""

_LONG_MESSAGES = frozenset({"workflow", "workflows"})
"""Teams takes 28 KB, whatever Apprise says of it."""

_ALWAYS = "always"
"""Apprise's tag for targets that are told of everything."""

# what Apprise logs can quote addresses with the secrets in them: nothing of it leaves this package
_apprise_log = logging.getLogger("apprise")
_apprise_log.setLevel(logging.DEBUG)
_apprise_log.propagate = False
_apprise_log.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Target:
    """One address that is told.

    Attributes:
        name: Its URL without anything that can be secret, and tags of the user's own; no two
            targets of a file have the same.
        tags: Which of `TAGS` it has.
        service: Sends to it.
    """

    name: str
    tags: frozenset[str]
    service: NotifyBase


@dataclass(frozen=True)
class Targets:
    """What a configuration file holds.

    Attributes:
        all: Targets, in the order of the file.
        problems: Sentences on entries of the file that are of no use.
    """

    all: tuple[Target, ...] = ()
    problems: tuple[str, ...] = ()

    def tagged(self, tag: str) -> list[Target]:
        """The targets that have a tag."""
        return [target for target in self.all if tag in target.tags]


def read_targets(settings: Settings) -> Targets:
    """Reads the configuration file.

    Args:
        settings: Which file.

    Returns:
        Its targets; none where no file is configured.

    Raises:
        SettingsError: The file cannot be read, or names nobody who can be told.
    """
    file = settings.alerts_config
    if file is None:
        return Targets()
    try:
        content = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"The alerts configuration {file} cannot be read ({error.strerror}): correct "
            "LISTENHOUSE_ALERTS_CONFIG, or the rights of the file."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"The alerts configuration {file} is not UTF-8 text.") from error
    services, problems = _load(file, content)
    targets, untagged = [], []
    for name, service in zip(_names(services), services, strict=True):
        own_tags = _tags(service)
        tags = frozenset(TAGS) if _ALWAYS in own_tags else own_tags.intersection(TAGS)
        if tags:
            targets.append(Target(name, tags, service))
        else:
            untagged.append(name)
    if untagged:
        problems.append(
            f"{file}: {', '.join(untagged)} without a tag critical, warning or summary is never "
            "told anything."
        )
    if not targets:
        raise SettingsError(
            "\n".join(
                [
                    f"The alerts configuration {file} names nobody who can be told: it needs an "
                    "Apprise URL with a tag critical, warning or summary (docs/monitoring.md has "
                    "examples).",
                    *problems,
                ]
            )
        )
    return Targets(tuple(targets), tuple(problems))


def shows_host(service: NotifyBase) -> bool:
    """Whether the host in a service's URL is one: some put a token there."""
    host = service.host or ""
    looks_like_one = "." in host or ":" in host or host == "localhost"
    return "host" in service.template_tokens and (service.schema in _HOSTED or looks_like_one)


def _load(file: Path, content: str) -> tuple[list[NotifyBase], list[str]]:
    asset = AppriseAsset(
        app_id="Listenhouse",
        app_desc="Listenhouse, the listen-history warehouse",
        # its icons would be fetched from somebody else's server
        image_url_mask=None,
        image_path_mask=None,
        async_mode=False,
        service_timeout=30,
    )
    config = AppriseConfig(asset=asset)
    pending: list[NotifyBase] = []
    with LogCapture(level=logging.DEBUG, fmt="%(levelname)s %(message)s") as log:  # type: ignore[no-untyped-call]
        config.add_config(content)
        services = list(Apprise(config, asset=asset).find(report=pending))
        said = log.getvalue()
    for service in services:
        # or a service with room for less refuses a long message, again and again
        is_as_it_comes = service.overflow_mode is OverflowMode.UPSTREAM
        if is_as_it_comes and service.schema not in _LONG_MESSAGES:
            service.overflow_mode = OverflowMode.SPLIT
    # only where, not what: the entry can hold a password
    unusable = re.findall(
        r"^(?:WARNING|ERROR|DEBUG Unparseable).*\b(line \d+|entry #\d+)", said, re.MULTILINE
    )
    problems = []
    if unusable:
        problems.append(
            f"{file}: Apprise cannot use {', '.join(dict.fromkeys(unusable))}. Compare with "
            "https://appriseit.com/services/."
        )
    if pending:
        problems.append(
            f"{file}: {len(pending)} of its entries wait for a variable APPRISE_TEMPLATE_… that "
            "is not set."
        )
    return services, problems


def _tags(service: NotifyBase) -> frozenset[str]:
    return frozenset(map(str, service.tags))


def _names(services: Collection[NotifyBase]) -> list[str]:
    seen = Counter[str]()
    names = []
    for name in map(_describe, services):
        seen[name] += 1
        names.append(f"{name} #{seen[name]}" if seen[name] > 1 else name)
    return names


def _describe(service: NotifyBase) -> str:
    """The service's URL without anything that can be secret, and the user's own tags."""
    host = (service.host or "") if shows_host(service) else "…"
    port = f":{service.port}" if shows_host(service) and service.port else ""
    own_tags = sorted(_tags(service).difference((*TAGS, _ALWAYS)))
    return f"{service.schema}://{host}{port}" + (f" ({', '.join(own_tags)})" if own_tags else "")
