"""What a service's ``__main__`` calls: settings, the event loop, the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any

from rillcast.contracts.errors import RillcastError
from rillcast.runtime.errors import Crashed, StartError, Stopped
from rillcast.runtime.process import stop_signals
from rillcast.runtime.process.garbage_collection import collect_in_portions
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.telemetry.logs import configure_logging, get_logger

log = get_logger(__name__)


def run_service(run: Callable[[Any], Coroutine[Any, Any, None]], settings_type: type[NodeSettings]) -> None:
    """Read the settings, run the service with them until it ends, and return if that was in order. Otherwise the
    process exits with code 1, after one line in the log that says why. Called once in a process, in its main thread."""
    stop_signals.catch()
    import uvloop

    from rillcast.runtime.settings import load_settings

    settings = load_settings(settings_type)
    configure_logging(settings.log_level, settings.log_format, settings.node_id)
    collect_in_portions()
    try:
        uvloop.run(run(settings))
    except Stopped:
        log.info("Told to stop before it was up")
    except Crashed:
        sys.exit(1)
    except (StartError, RillcastError) as error:
        log.error("Cannot start", reason=str(error))
        sys.exit(1)
    finally:
        stop_signals.ignore()
