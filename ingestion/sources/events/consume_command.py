"""What a person sees of consuming: each batch's figures, and what became of all.

In: settings. Out: landed events, and their figures on the terminal.
"""

from __future__ import annotations

from rich.console import Console

from ingestion.sources.events import LANDING_SCHEMA
from ingestion.sources.events.consumer import EventConsumer
from ingestion.sources.events.landing import Figures
from warehouse.ops.run_record import RunRecord
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)


def run_consumer(settings: Settings, *, until_end: bool, accept_gap: bool) -> Figures:
    """Lands events until the end of the topic, or until it is interrupted.

    Args:
        settings: Which brokers, topic and warehouse.
        until_end: Whether to stop at the end of the topic.
        accept_gap: Whether to go on where Kafka deleted messages before they were landed.

    Returns:
        What became of the messages.

    Raises:
        ListenhouseError: Something a person has to act on; what was landed stays.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    with RunRecord(settings, "listenhouse consume").logged():
        consumer = EventConsumer(settings, until_end=until_end, accept_gap=accept_gap)
        try:
            if not until_end:
                console.print(
                    f"Consuming {settings.events_topic} at {settings.kafka}. Ctrl-C stops it."
                )
            consumer.run(_log)
        except KeyboardInterrupt:
            # a batch that was under way is rolled back, and comes again
            if until_end:
                raise
        finally:
            consumer.close()
            _show(console, settings, consumer.figures)
    return consumer.figures


def _log(figures: Figures) -> None:
    _logger.info(
        "events landed",
        message_count=figures.messages,
        landed_count=figures.landed,
        duplicate_count=figures.duplicates,
        rejected_count=figures.rejected,
        forgotten_count=figures.forgotten,
    )


def _show(console: Console, settings: Settings, figures: Figures) -> None:
    others = {
        "duplicates": figures.duplicates,
        "of forgotten people": figures.forgotten,
        f"rejected (the reasons are in {LANDING_SCHEMA}.rejected_records)": figures.rejected,
    }
    told = "".join(f", {count:,} {what}" for what, count in others.items() if count)
    console.print(
        f"{figures.messages:,} messages of {settings.events_topic}: {figures.landed:,} new "
        f"events{told}."
    )
    if figures.landed:
        console.print("They are in the marts after the next load and build: `listenhouse run`.")
