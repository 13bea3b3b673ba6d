"""Other people's Node packages, for tests that hold ours against them."""
import base64
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile


def node_path_with(name, version, integrity):
    """A NODE_PATH that has this package, one that depends on no other, from npm's registry: fetched once, under OMNIBUS_CACHE
    (default ~/.cache/omnibus), by whoever comes first. `integrity` is what npm says of it: sha512- and base64."""
    cache = pathlib.Path(os.environ.get("OMNIBUS_CACHE") or pathlib.Path.home() / ".cache/omnibus")
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"{name}-{version}"
    with open(cache / f"{name}-{version}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / ".done").exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            done = subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=home, capture_output=True, text=True, timeout=120)
            if done.returncode != 0:
                raise AssertionError(f"{name} {version} could not be fetched (needs npm and its registry): {done.stderr}")
            package, = home.glob("*.tgz")
            found = "sha512-" + base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
            if found != integrity:
                raise AssertionError(f"{name} {version} is not the package it was: {found}")
            with tarfile.open(package) as archive:
                archive.extractall(home)
            (home / "node_modules").mkdir()
            (home / "package").rename(home / "node_modules" / name)
            (home / ".done").touch()
    return str(home / "node_modules")
