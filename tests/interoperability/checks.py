"""The list of checks, and the way each is run.

In: functions marked with `check`. Out: one line per check on standard output, and whether all passed.
A check whose tool is missing is skipped with its reason; in CI, which installs every tool, it fails.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import traceback

from stage import Failure, Skipped, Stage

CHECKS = []


class Check:
    def __init__(self, name, tools, function):
        self.name = name
        self.tools = tools
        self.function = function


def check(name, *tools):
    """Marks a function that takes a `Stage` as a check; `tools` are what it needs on this machine."""

    def mark(function):
        CHECKS.append(Check(name, tools, function))
        return function

    return mark


def perl(module):
    return (f"the Perl module {module}", lambda: succeeds("perl", f"-M{module}", "-e", "1"))


def program(name):
    return (name, lambda: shutil.which(name, path=SEARCH_PATH) is not None)


def succeeds(*command):
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


# Servers lie where an ordinary user's path does not lead.
SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def run_all(binaries, pattern, list_only):
    """Runs every check whose name contains `pattern`; whether none failed."""
    wanted = [check for check in CHECKS if pattern in check.name]
    if list_only:
        print(*(check.name for check in wanted), sep="\n")
        return True
    os.environ["PATH"] = SEARCH_PATH
    tally = {"ok": 0, "FAILED": 0, "skipped": 0}
    with tempfile.TemporaryDirectory(prefix="interoperability-") as shared:
        os.chmod(shared, 0o755)
        for each in wanted:
            begin = time.monotonic()
            outcome, reason = run_one(each, binaries, pathlib.Path(shared))
            tally[outcome] += 1
            print(f"{outcome:7} {time.monotonic() - begin:5.1f} s  {each.name}{reason}", flush=True)
    print(f"{tally['ok']} checks passed, {tally['FAILED']} failed, {tally['skipped']} skipped")
    return tally["FAILED"] == 0 and tally["ok"] > 0


def run_one(each, binaries, shared):
    """Its outcome, and what to say about it."""
    missing = [name for name, is_there in each.tools if not is_there()]
    try:
        if missing:
            raise Skipped(f"missing: {', '.join(missing)}")
        stage = Stage(binaries, shared)
        try:
            each.function(stage)
        finally:
            stage.close()
    except Skipped as reason:
        if os.environ.get("CI") == "true":
            return "FAILED", f": {reason}, and CI must have it"
        return "skipped", f": skipped: {reason}"
    except Failure as failure:
        return "FAILED", f": {failure}"
    except Exception:  # A fault of a check is a failure of it, and the others still run.
        return "FAILED", f":\n{traceback.format_exc()}"
    return "ok", ""
