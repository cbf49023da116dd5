"""What is made from the code: docs/scored.md, what Python blocks print, and the README's pictures where Chromium is.

`python -m docs.make` writes it; `python -m docs.make --check` prints what has changed (the pictures are not compared).
"""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from docs.blocks import printed_anew
from docs.scored import scored_page

ROOT = Path(__file__).parents[1]

PICTURES = {"report.png": (20, 1790), "total.png": (2236, 2915)}
"""What the README shows of the demo's report: file to first and last row of pixels."""

MARGIN = 70


def pictures(chromium: str) -> None:
    """The demo's report as pictures, of a window 1200 pixels wide."""
    with tempfile.TemporaryDirectory() as folder:
        whole, report = Path(folder) / "whole.png", Path(folder) / "demo"
        _run(sys.executable, "-m", "klantwaarde", "demo", "--out", str(report))
        _run(
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-sync", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
            f"--user-data-dir={folder}/profile", "--window-size=1200,4000", f"--screenshot={whole}",
            (report / "report.html").as_uri(),
        )  # fmt: skip
        with Image.open(whole) as page:
            for name, (top, bottom) in PICTURES.items():
                part = page.convert("RGB").crop((MARGIN, top, page.width - MARGIN, bottom)).quantize(128)
                part.save(ROOT / "docs" / "images" / name, optimize=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words


def pages() -> dict[Path, str]:
    """Every page as it should be."""
    made = ROOT / "docs" / "scored.md"
    written = [path for path in (*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md"))) if path != made]
    return {made: scored_page()} | {path: printed_anew(path.read_text(encoding="utf-8")) for path in written}


def main(*words: str) -> int:
    """Write the pages, or check them."""
    stale = {path: text for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text}
    if "--check" in words:
        for path, text in stale.items():
            old = path.read_text("utf-8") if path.exists() else ""
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), text.splitlines(True), path.name, "now"))
        return int(bool(stale))
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("No Chromium: the pictures stay as they are.\n")
    else:
        pictures(chromium)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
