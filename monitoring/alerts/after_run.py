"""What follows a run, however it ended: people are told, and the terminal shows what is wrong.

In: a run. Out: messages, lines, the health page. Nothing that goes wrong here changes how the run
ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from monitoring.alerts.check import check, tell_unrecorded
from monitoring.alerts.report import print_outcomes, print_report, print_warning
from monitoring.health_page.page import refresh_page
from warehouse.errors import (
    BusyError,
    DatabaseError,
    ListenhouseError,
    SettingsError,
    Termination,
)
from warehouse.run_log import get_logger
from warehouse.settings import Settings

_logger = get_logger(__name__)


@contextmanager
def check_alerts_after(settings: Settings) -> Iterator[None]:
    """Checks the alerts after the run in the block, unless Ctrl-C ended it.

    Args:
        settings: Which warehouse, and who is told.
    """
    try:
        yield
    except BusyError:
        # the run that is under way tells how it ends
        raise
    except (Exception, Termination) as error:
        notify(settings, error)
        raise
    notify(settings, None)


def notify(settings: Settings, failure: BaseException | None) -> None:
    """Checks the alerts after a run.

    Args:
        settings: Which warehouse, and who is told.
        failure: What ended the run, if it failed.
    """
    try:
        _check_and_show(settings, failure)
    except SettingsError as error:
        # what is wrong is shown where it cannot be told
        _warn(error)
        notify(settings.but(alerts_config=None), failure)
    except Exception as error:  # a good run stays one
        _warn(error)


def _check_and_show(settings: Settings, failure: BaseException | None) -> None:
    try:
        report = check(settings, failure=failure)
    except DatabaseError:
        if failure is None:
            raise
        print_outcomes(settings, tell_unrecorded(settings, failure))
        return
    # how the run failed is said at its very end
    shown = [finding for finding in report.findings if not (failure and finding.is_failed_run)]
    print_report(settings, replace(report, findings=shown))
    refresh_page(settings)


def _warn(error: Exception) -> None:
    # what nobody foresaw can quote a secret
    cause = str(error) if isinstance(error, ListenhouseError) else type(error).__name__
    _logger.debug("alerts not checked", exc_info=error)
    print_warning(f"the alerts were not checked. {cause}")
