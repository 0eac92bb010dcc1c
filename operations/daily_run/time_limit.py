"""Ends a step whose time is up.

In: a step, and what to do when it does not let itself be ended. Out: an error in its place, or
the end of the process. The run's lock is of a session, which ends with either.

The alarm interrupts what Python waits for, as Ctrl-C does, so that dbt cancels its queries. What
waits in a library's own code, such as ADBC's for a table that is locked, does not hear it: after a
grace period a thread of its own records the failure, has it told, and ends the process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from warehouse.daily_steps import Step
from warehouse.errors import StepTimedOutError, TimeIsUp

_MIN_GRACE_SECONDS, _MAX_GRACE_SECONDS = 5.0, 60.0
_MAX_TELLING_SECONDS = 180.0
_SECONDS_TO_NEXT_RING = 0.1


@contextmanager
def time_limit(step: Step, when_stuck: Callable[[StepTimedOutError], None]) -> Iterator[None]:
    """Ends the block when the time of a step is up. For the main thread only.

    Args:
        step: Whose time it is.
        when_stuck: Called from another thread when the block does not end; the process then does.

    Raises:
        StepTimedOutError: The time was up.
    """
    seconds = step.timeout_seconds
    sentence = (
        f"The step {step.name} took longer than {seconds:,} s and was ended; what was committed "
        "stays, nothing else is visible. Find out what it waited for, or give it more time with "
        f"LISTENHOUSE_STEP_TIMEOUTS={step.name}={2 * seconds}, then `listenhouse run --resume`."
    )

    def ring(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TimeIsUp(sentence)

    def ring_again(swallowed: sys.UnraisableHookArgs) -> None:
        # Python lets no exception out of a destructor or a weak reference's callback
        if isinstance(swallowed.exc_value, TimeIsUp):
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_NEXT_RING)
        else:
            hook_before(swallowed)

    def end() -> None:
        error = StepTimedOutError(sentence)
        # the database, or who is told, can be what hangs
        telling = threading.Thread(target=when_stuck, args=(error,), daemon=True)
        telling.start()
        telling.join(_MAX_TELLING_SECONDS)
        sys.stderr.write(f"{error}\n")
        end_process(error.exit_code)

    grace = min(_MAX_GRACE_SECONDS, max(_MIN_GRACE_SECONDS, seconds / 10))
    watch = threading.Timer(seconds + grace, end)
    watch.daemon = True
    before = signal.signal(signal.SIGALRM, ring)
    hook_before, sys.unraisablehook = sys.unraisablehook, ring_again
    try:
        watch.start()
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            watch.cancel()
    except TimeIsUp as error:
        raise StepTimedOutError(str(error)) from error
    finally:
        sys.unraisablehook = hook_before
        signal.signal(signal.SIGALRM, before)


def end_process(exit_code: int) -> NoReturn:
    """Ends the process now: threads of a step that hangs are not waited for."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(exit_code)
