"""A Kafka broker on loopback, to try streams with and for tests: Apache Kafka itself, one node.

    python -m tools.kafka_broker [--port 9092] [--folder .listenhouse/kafka]

In: the jars that `make kafka` fetches, and Java 17 or newer. Out: a broker that runs until Ctrl-C;
its topics stay in the folder. It has no authentication and listens on 127.0.0.1 only.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[1]

JARS = ROOT / "kafka/jars"

_CLUSTER_ID = "bGlzdGVuaG91c2Utb25lMA"
"""Any 16 bytes in base64."""

_STARTS_WITHIN_SECONDS = 60.0

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
num.partitions=3
# one node holds every topic of Kafka's own
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# that it died is noticed when it is back, and it waits for that
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""

_LOGGING = """\
<Configuration>
<Appenders><Console name="console"><PatternLayout pattern="%d %p %m%n"/></Console></Appenders>
<Loggers><Root level="warn"><AppenderRef ref="console"/></Root></Loggers>
</Configuration>
"""


class BrokerError(Exception):
    """The broker cannot be started."""


def why_unavailable() -> str | None:
    """What this machine lacks for a broker, and what brings it; None where it has all."""
    if shutil.which("java") is None:
        return "there is no Java: install Java 17 or newer"
    if not any(JARS.glob("kafka_*.jar")):
        return "Kafka is not there: run `make kafka`, which takes Maven"
    return None


class Broker:
    """A broker; starts when its context is entered.

    Attributes:
        port: Where clients find it, on 127.0.0.1.
        folder: Where its topics are.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or _free_port()
        self._controller_port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """As clients name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.folder / "broker.log"

    def start(self) -> None:
        """Starts it, with the topics that are in its folder.

        Raises:
            BrokerError: Something is missing, or it does not start.
        """
        if lacking := why_unavailable():
            raise BrokerError(lacking)
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        properties.write_text(
            _PROPERTIES.format(
                port=self.port, controller_port=self._controller_port, folder=self.folder
            )
        )
        (self.folder / "log4j2.xml").write_text(_LOGGING)
        with self.log.open("ab") as log:
            if not (self.folder / "data/meta.properties").exists():
                format_ = ("format", "--cluster-id", _CLUSTER_ID, "--config", str(properties))
                subprocess.run(
                    self._java("kafka.tools.StorageTool", *format_),
                    stdout=log,
                    stderr=log,
                    check=True,
                )
            # of a session of its own: Ctrl-C is ours, and the broker is then stopped in order
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()

    def stop(self) -> None:
        """Stops it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kills it."""
        self._end(signal.SIGKILL)

    def wait(self) -> None:
        """Waits until it ends."""
        if self._process is not None:
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            "java",
            "-Xms64m",
            "-Xmx384m",
            # what runs for minutes does not win by the second compiler
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            f"-Dlog4j2.configurationFile={self.folder}/log4j2.xml",
            "-cp",
            f"{JARS}/*",
            main,
            *arguments,
        ]

    def _wait(self) -> None:
        deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        self.kill()
        raise BrokerError(f"Kafka did not start on port {self.port}; it said why in {self.log}")

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


def main() -> None:
    """Runs a broker until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.kafka_broker", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--folder", type=Path, default=ROOT / ".listenhouse/kafka")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Broker(options.folder, options.port) as broker, suppress(KeyboardInterrupt):
            print(  # noqa: T201
                f"Kafka listens on {broker.bootstrap_servers}, and its topics are in "
                f"{broker.folder}. Ctrl-C stops it.\n"
                f"  export LISTENHOUSE_KAFKA={broker.bootstrap_servers}",
                flush=True,
            )
            broker.wait()
    except BrokerError as error:
        sys.exit(f"{error}.")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
