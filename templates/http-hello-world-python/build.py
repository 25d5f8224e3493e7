"""Builds the component: `python3 build.py`.

With `componentize-py` on the PATH, that one is used. Without it, this makes a virtual environment in `.venv`, installs requirements.txt into it,
and uses it again until requirements.txt changes.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
REQUIREMENTS = PROJECT / "requirements.txt"
VENV = PROJECT / ".venv"
COMPONENT = "dist/http_hello_world_python.wasm"


def main() -> None:
    environment = dict(os.environ)
    found = shutil.which("componentize-py")
    if found:
        componentize = [found]
    else:
        # Not .venv/bin/componentize-py: that script names its interpreter by an absolute path, so it breaks when the project is moved.
        componentize = [venv_python(), "-c", "from componentize_py import script; script()"]
        # The packages that app.py imports are looked up here.
        environment["VIRTUAL_ENV"] = str(VENV)
    run(
        *componentize,
        *("--quiet", "--wit-path", "wit", "--world", "component"),
        *("componentize", "app", "--output", COMPONENT),
        env=environment,
    )


def venv_python() -> str:
    """Returns the interpreter of a `.venv` in which requirements.txt is installed."""
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    installed = VENV / "requirements.txt"
    wanted = REQUIREMENTS.read_bytes()
    if not python.exists():
        run(sys.executable, "-m", "venv", "--clear", VENV)
    if not installed.exists() or installed.read_bytes() != wanted:
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS)
        installed.write_bytes(wanted)
    return str(python)


def run(*command: "str | Path", env: "dict[str, str] | None" = None) -> None:
    status = subprocess.run(command, cwd=PROJECT, env=env).returncode
    if status != 0:
        sys.exit(status if status > 0 else 1)


main()
