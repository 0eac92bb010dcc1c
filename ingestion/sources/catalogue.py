"""Which sources there are: what is done for each of them is done for what stands here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingestion.crawl.decoding import person_of_rejected
from ingestion.endpoint import Endpoint
from ingestion.sources import events, moovitamix, spotify


@dataclass(frozen=True)
class Source:
    """A source, and where it lands.

    Attributes:
        name: What marts call it.
        schema: Where it lands.
        endpoints: Its landing tables.
        is_crawled: Whether it is read whole each day, as versions of records; otherwise it is a
            list of events, which are imported or consumed.
        filed_under: Whose a rejected record of an import is, by what it is filed under.
    """

    name: str
    schema: str
    endpoints: tuple[Endpoint, ...]
    is_crawled: bool
    filed_under: Callable[[str], str] | None = None

    @property
    def personal_endpoints(self) -> tuple[Endpoint, ...]:
        """Those whose records say whose they are."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.person is not None)

    @property
    def quarantine(self) -> str:
        """Schema and table of its rejected records."""
        return f"{self.schema}.rejected_records"

    def owner_of_rejected(self, endpoint_name: str, record: str) -> str | None:
        """Whose a rejected record is; None as far as one cannot tell.

        Args:
            endpoint_name: What it was read as.
            record: As it came.
        """
        if self.filed_under is not None:
            return self.filed_under(endpoint_name)
        for endpoint in self.personal_endpoints:
            if endpoint.name == endpoint_name:
                owner = person_of_rejected(endpoint, record)
                return None if owner is None else str(owner)
        return None


SOURCES = {
    source.name: source
    for source in (
        Source(
            moovitamix.SOURCE_NAME,
            moovitamix.LANDING_SCHEMA,
            moovitamix.ENDPOINTS,
            is_crawled=True,
        ),
        Source(
            spotify.SOURCE_NAME,
            spotify.LANDING_SCHEMA,
            spotify.ENDPOINTS,
            is_crawled=False,
            filed_under=spotify.owner_of_rejected,
        ),
        Source(
            events.SOURCE_NAME,
            events.LANDING_SCHEMA,
            events.ENDPOINTS,
            is_crawled=False,
        ),
    )
}
"""By name."""

LANDING_SCHEMAS = tuple(source.schema for source in SOURCES.values())
