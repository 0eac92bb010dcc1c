"""Publishes the feed and dies at a point: `python -m tests.streams.killed_feed POINT`.

Points: before a transaction begins, in the middle of its messages, before it is committed, and
before the cursor moves.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from typing import Any
from unittest import mock

from operations.change_feed import publish_feed
from streams import publisher
from warehouse.run_lock import hold_run_lock
from warehouse.settings import read_settings

IN_THE_MIDDLE = 150


def die(*_arguments: Any, **_names: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingProducer:
    """A producer that dies at a point, and is Kafka's otherwise."""

    def __init__(self, producer: Any, point: str) -> None:
        self._producer = producer
        self._point = point
        self._numbers = count()

    def begin_transaction(self) -> None:
        if self._point == "begin":
            die()
        self._producer.begin_transaction()

    def produce(self, *arguments: Any, **names: Any) -> None:
        if self._point == "produce" and next(self._numbers) == IN_THE_MIDDLE:
            # what was produced until now is with the broker
            self._producer.flush()
            die()
        self._producer.produce(*arguments, **names)

    def commit_transaction(self, *arguments: Any) -> None:
        if self._point == "commit":
            self._producer.flush()
            die()
        self._producer.commit_transaction(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)


def main() -> None:
    [_, point] = sys.argv
    settings = read_settings()
    opened = publisher.Feed._open

    def opening(feed: publisher.Feed) -> DyingProducer:
        return DyingProducer(opened(feed), point)

    with mock.patch.object(publisher.Feed, "_open", opening), hold_run_lock(settings) as lock:
        if point == "move":
            with mock.patch.object(publisher.Feed, "_move", die):
                publish_feed(settings, lock)
        publish_feed(settings, lock)


if __name__ == "__main__":
    main()
