"""Other people's Python packages, for tests that hold ours against them."""
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys


def python_with(*requirements):
    """The Python of a virtual environment that has these packages, as ("name==version", ...), from PyPI: made once,
    under OMNIBUS_CACHE (default ~/.cache/omnibus), by whoever comes first."""
    cache = pathlib.Path(os.environ.get("OMNIBUS_CACHE") or pathlib.Path.home() / ".cache/omnibus")
    cache.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(requirements))
    home = cache / name
    with open(cache / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / ".done").exists():
            shutil.rmtree(home, ignore_errors=True)
            for command in ([sys.executable, "-m", "venv", str(home)],
                            [str(home / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile", *requirements]):
                done = subprocess.run(command, capture_output=True, text=True, timeout=480)
                if done.returncode != 0:
                    raise AssertionError(f"{' '.join(requirements)} could not be installed (needs python3-venv and PyPI): {done.stderr}")
            (home / ".done").touch()
    return str(home / "bin/python")
