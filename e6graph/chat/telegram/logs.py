"""Logs that do not tell a secret."""

from __future__ import annotations

import logging
from typing import Any


def keep_from_logs(secret: str) -> None:
    """Let no record hold it, and the libraries, which log addresses with the token, say little."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for name, level in {
        "httpx": "WARNING",
        "httpcore": "WARNING",
        "telegram": "CRITICAL",
    }.items():
        logging.getLogger(name).setLevel(level)  # telegram raises what it logs
    make = logging.getLogRecordFactory()

    def discreet(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        record.msg = logging.Formatter().format(record).replace(secret, "<BOT_TOKEN>")
        record.args, record.exc_info, record.exc_text, record.stack_info = (), None, None, None
        return record

    logging.setLogRecordFactory(discreet)  # a filter would miss handlers that come later
