"""What becomes of an error at the command line: one message and an exit code, never a traceback."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from klantwaarde.cli.options import BAD_INPUT, BUG, DONE, WRONG_USAGE
from klantwaarde.cli.screen import enough, print_traceback, survive_encoding, words
from klantwaarde.errors import BadParameters, KlantwaardeError

if TYPE_CHECKING:
    from collections.abc import Callable

DEBUG = "KLANTWAARDE_DEBUG"
"""The variable that asks for a traceback, as `--debug` does."""
USAGE: Any = typer.BadParameter.__mro__[2]
"""What Typer raises for words it does not understand: of click, or of its own copy of it."""
TERMINATED, INTERRUPTED = 128 + signal.SIGTERM, 128 + signal.SIGINT
GRACE = 5  # seconds for a statement to stop and files to be removed; others wait ten before they kill

_HIDDEN = re.compile(r"^\.(.+?)\.(?:new|old|lock|\d+\.part)$")
"""Names that our unfinished files have; what is meant is in the middle."""


def told(command: Callable[..., Any]) -> None:
    """A command of Typer, run; what goes wrong is said in one message, and the exit code tells the kind."""
    survive_encoding()
    ended = _end_in_order()
    try:
        sys.exit(command(standalone_mode=False) or DONE)
    except BadParameters as error:
        _fail(f"Error: {error}{_done(error)}", WRONG_USAGE)
    except KlantwaardeError as error:
        _fail(f"Error: {error}{_done(error)}", BAD_INPUT)
    except BrokenPipeError:
        enough()
    except OSError as error:
        _fail(f"Error: {of_the_system(error)}{_done(error)}", BAD_INPUT)
    except MemoryError:
        _fail("Error: The memory is full. Give --memory-limit, or a machine with more of it.", BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort) as stop:
        if ended.is_set():
            sys.exit(TERMINATED)
        _fail(f"Stopped.{_done(stop) or ' The results of an earlier run are as they were.'}", INTERRUPTED)
    except USAGE as error:
        _say_usage(error)
    except Exception as error:  # noqa: BLE001 - the last resort
        _report(error)


def _done(error: BaseException) -> str:
    """What had been done before the error, which stays done."""
    return "".join(f" {note}" for note in getattr(error, "__notes__", ()))


def _say_usage(error: Any) -> NoReturn:
    message = io.StringIO()
    error.show(message)
    words.print(message.getvalue().rstrip("\n"), soft_wrap=True)
    sys.exit(error.exit_code)


def of_the_system(error: OSError) -> str:
    """What the system refused, of which file, in words that say what to do."""
    reason = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        return f"The disk is full ({reason}). Make room, or write to another place."
    if error.filename is None:
        return f"{reason}."
    path = Path(os.fsdecode(error.filename))
    shown = Path(*(_HIDDEN.sub(r"\1", part) for part in path.parts)) if path.parts else path
    if error.errno == errno.ENOENT and shown != path and not shown.parent.exists():
        return f"There is no folder {shown.parent}. Make it first, or write to another place."
    return f"{shown} cannot be read or written: {reason}."


def _report(error: Exception) -> NoReturn:
    if os.environ.get(DEBUG):
        print_traceback()
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300] + _done(error)
    _fail(
        f"This is a bug in klantwaarde: {reason}\nPlease report it, with the command that you gave. "
        "klantwaarde --debug COMMAND shows where it is.",
        BUG,
    )


def _fail(message: str, code: int) -> NoReturn:
    """A message on standard error, red on a screen; where that is closed, the code must do."""
    with contextlib.suppress(OSError, ValueError):
        words.print(message, style="red", soft_wrap=True)
    sys.exit(code)


def _end_in_order() -> threading.Event:
    """End on SIGTERM as on an error: unfinished files are removed. Whether it came: an engine may tell it otherwise."""
    came = threading.Event()

    def end(*_: object) -> NoReturn:
        came.set()
        sys.exit(TERMINATED)

    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, end)
        if os.name == "posix":
            _watch()
    return came


def _watch() -> None:
    """Hear of signals while the main thread is deep within a statement, where Python's own handlers cannot run."""
    heard, said = os.pipe()
    os.set_blocking(said, False)
    signal.set_wakeup_fd(said, warn_on_full_buffer=False)
    threading.Thread(target=_end_anyway, args=(heard,), daemon=True).start()


def _end_anyway(heard: int) -> None:
    """End as if killed where a signal has not ended the process in order: the next run mends what that leaves."""
    codes = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
    while number := os.read(heard, 1):
        if number[0] in codes:
            time.sleep(GRACE)
            os.write(2, b"Stopped.\n")
            os._exit(codes[signal.Signals(number[0])])
