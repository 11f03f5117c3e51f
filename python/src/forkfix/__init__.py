"""pytest plugin: runs the tests under ``forkfix run --watch``, and tells which forked children hang.

``pytest -p forkfix`` becomes forkfix once, which starts the same command line again as its child. That one adds what
was recorded to the terminal summary. Whatever runs below it (workers of xdist, children of pytest-forked, pytest in a
test) is watched as well and does nothing by itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NoReturn, Optional

import pytest

#: Says who started the tests and where they are recorded, ``PID:FILE``.
GUARD = "FORKFIX_PYTEST"
#: Names the command, where the option does not.
COMMAND = "FORKFIX_COMMAND"

Hang = Dict[str, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("forkfix", "forked children that hang")
    add = group.addoption
    add("--forkfix", metavar="PATH", help="the forkfix command (default: $FORKFIX_COMMAND, else that in PATH)")
    add("--forkfix-hang-after", metavar="SECONDS", help="how long a child must not move to count as hung")
    add(
        "--forkfix-on-hang",
        choices=["report", "kill", "core"],
        default="kill",
        help="what becomes of a child that hangs (default: kill, so that the test goes on)",
    )
    add("--forkfix-strict", action="store_true", help="the run fails if a child hung, whatever its test says")
    add(
        "--forkfix-report",
        metavar="FILE",
        action="append",
        default=[],
        help="also write the recording to FILE: .jsonl, .html, .xml, .sarif or .txt; may be repeated",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    option = config.option
    if GUARD in os.environ or is_switched_off() or option.help or option.version:
        return
    if config.invocation_params.args != tuple(sys.argv[1:]):
        raise pytest.UsageError(
            "-p forkfix cannot start pytest again, because another program called pytest.main(); "
            "run that program with: forkfix run --watch -- PROGRAM"
        )
    become_forkfix(config)


def become_forkfix(config: pytest.Config) -> NoReturn:
    """Replaces this process; comes back with an error only."""
    option = config.option
    command = find_command(option.forkfix)
    recording = Path(tempfile.mkdtemp(prefix="forkfix-pytest-"), "run.jsonl")
    words = [command, "run"]
    if sys.platform == "linux":  # elsewhere it can protect, but not watch
        words += ["--watch", f"--on-hang={option.forkfix_on_hang}"]
        words += [f"--report={path}" for path in [recording, *option.forkfix_report]]
        if option.forkfix_hang_after is not None:
            words += [f"--hang-after={option.forkfix_hang_after}"]
        if option.forkfix_strict:
            # Also a child that hangs when pytest has ended.
            words += ["--error-exitcode=1"]
    environment = {**os.environ, GUARD: f"{os.getpid()}:{recording}"}
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:  # it has put files in the place of our standard streams
        capture.stop_global_capturing()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(command, [*words, "--", *command_line(config)], environment)
    except OSError as error:
        shutil.rmtree(recording.parent, ignore_errors=True)
        raise pytest.UsageError(f"-p forkfix: '{command}' cannot be executed: {error.strerror}") from error


def find_command(explicit: Optional[str]) -> str:
    """The path of the forkfix command."""
    name = explicit or os.environ.get(COMMAND) or "forkfix"
    found = shutil.which(name)
    if found is None:
        raise pytest.UsageError(
            f"-p forkfix needs the forkfix command, and '{name}' is none that can be executed; install forkfix, "
            f"or name it with --forkfix=PATH or {COMMAND}=PATH"
        )
    return found


def command_line(config: pytest.Config) -> List[str]:
    """What started this process."""
    if sys.version_info >= (3, 10):
        return [sys.executable, *sys.orig_argv[1:]]
    flags: List[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,unused-ignore]
    return [sys.executable, *flags, "-m", "pytest", *config.invocation_params.args]


def is_switched_off() -> bool:
    return os.environ.get("FORKFIX") in ("off", "0")


def recording() -> Optional[Path]:
    """Where this run is recorded, if this is the process that forkfix started."""
    pid, _, path = os.environ.get(GUARD, "").partition(":")
    return Path(path) if pid == str(os.getppid()) and path else None


def hangs() -> Iterator[Hang]:
    """What was recorded of children that hang, so far. forkfix is still writing."""
    path = recording()
    if path is None or not path.is_file():
        return
    for line in path.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # half a line
            continue
        if isinstance(entry, dict) and entry.get("type") == "hang":
            yield entry


def place(thread: Optional[Hang], root: Path) -> str:
    """Where a thread was: its innermost frame in a file below `root`, else its innermost with a file."""
    frames = [*(thread or {}).get("python", []), *(thread or {}).get("frames", [])]
    named = [frame for frame in frames if frame.get("file")]
    own = [frame for frame in named if root in Path(root, frame["file"]).parents]
    if not named:
        return "where is not known"
    frame = (own or named)[0]
    path = os.path.relpath(frame["file"], root) if own else frame["file"]
    return f"{path}:{frame.get('line', '?')} {frame.get('function', '')}".rstrip()


def summary(hang: Hang, root: Path) -> Iterator[str]:
    """The lines about a child: which test, and what one looks for first."""
    # With the name of the variable that says so.
    test = str(hang.get("test") or "outside of tests").rpartition("PYTEST_CURRENT_TEST=")[2]
    lock = hang.get("lock") or {}
    what = " ".join(filter(None, (lock.get("kind"), lock.get("symbol")))) or "something unknown"
    yield f"{test}: child {hang.get('pid')} hung on {what} ({hang.get('action')})"
    waiting = hang.get("waiting") or [None]
    yield f"  waits:    {place(waiting[0], root)}"
    holder = hang.get("holder")
    if holder:
        yield f"  held by:  thread \"{holder.get('name')}\", {place(holder, root)}"
    yield f"  forked:   {place(hang.get('fork'), root)}"
    yield f"  why:      {(hang.get('reason') or {}).get('text', 'not known')}"
    for advice in hang.get("advice") or []:
        yield f"  to do:    {advice}"


def pytest_report_header(config: pytest.Config) -> Optional[str]:
    if recording() is None:
        return None
    return f"forkfix: watches forked children (on a hang: {config.option.forkfix_on_hang})"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.option.forkfix_strict and session.exitstatus == 0 and any(hangs()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    found = list(hangs())
    if not found:
        return
    terminalreporter.section("forkfix")
    for hang in found:
        first, *rest = summary(hang, config.rootpath)
        terminalreporter.line(first, red=True)
        for line in rest:
            terminalreporter.line(line)
    rendered = report(config) if config.option.verbose > 0 else ""
    terminalreporter.line(rendered or "Stacks: pytest -v, or --forkfix-report=FILE.")


def report(config: pytest.Config) -> str:
    """The whole report, with stacks; empty if it cannot be had."""
    path = recording()
    if path is None:
        return ""
    command = [find_command(config.option.forkfix), "report", "--text", str(path)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    lines = result.stdout.decode(errors="replace").splitlines()
    # Figures of the run make no sense before its end.
    return "\n".join(line for line in lines if not line.startswith("forkfix: ")).rstrip()


def pytest_unconfigure() -> None:
    path = recording()
    if path is not None:  # forkfix has it open, and needs no name for it
        shutil.rmtree(path.parent, ignore_errors=True)
