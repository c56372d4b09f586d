"""The log of the host and the app: plain lines on stderr, in UTC, with their invocation."""

import logging
import sys
import time

from azure_functions_runtime import invocation_id_cv


def log_to_stderr() -> None:
    """Log to stderr from INFO on; the Azure SDK and the worker library only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s %(levelname)s [%(invocation)s] %(name)s: %(message)s")
    formatter.converter = time.gmtime
    formatter.default_time_format = "%Y-%m-%dT%H:%M:%S"
    formatter.default_msec_format = "%s.%03dZ"
    handler.setFormatter(formatter)
    handler.addFilter(_name_invocation)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)


def log_everything() -> None:
    """Log everything from all loggers of this process, whatever levels the app has set."""
    logging.getLogger().setLevel(logging.DEBUG)
    for name in logging.getLogger().manager.loggerDict:
        logging.getLogger(name).setLevel(logging.NOTSET)


def _name_invocation(record: logging.LogRecord) -> bool:
    record.invocation = invocation_id_cv.get() or "host"
    return True
