"""Make docs/top.svg anew: real FIFOs and holders, Textual's own SVG export.

    python docs/screenshot.py [SECONDS]

It watches for that long first (300), so that the timeline has something to
show.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TOP)

from procalivectl import live, survey  # noqa: E402

_SIZE = (120, 20)
# What each job does: the name of FIFO and script, options of hold, the script.
_JOBS = (
    ("backup", "", "while touch -c $PROCALIVE_FIFO; do sleep 7; done"),
    ("mirror", "-o", "while touch -c $PROCALIVE_FIFO; do sleep 11; done"),
    ("import", "", "sleep 3600"),
    ("readers", "-s", "while touch -c $PROCALIVE_FIFO; do sleep 5; done"),
    ("readers", "-s", "while touch -c $PROCALIVE_FIFO; do sleep 6; done"),
)


def start_jobs(directory: str) -> list[subprocess.Popen[bytes]]:
    hold = os.path.join(TOP, "bin/procalive")

    def start(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=directory, start_new_session=True)

    jobs = []
    for name, options, script in _JOBS:
        with open(f"{directory}/{name}.sh", "w") as file:
            file.write(script)
        jobs.append(start(hold, "hold", *options.split(), f"{name}.fifo", "sh", f"{name}.sh"))
        while not os.path.islink(f"{directory}/{name}.fifo.holder"):
            time.sleep(0.02)
    jobs.append(start(hold, "wait", "backup.fifo"))
    # Held for a while, free for a while, over and over.
    jobs.append(start("sh", "-c", f"while :; do {hold} hold report.fifo sleep 35; sleep 45; done"))
    return jobs


async def picture(directory: str, seconds: float) -> str:
    app = live.Top(survey.Survey([os.path.relpath(directory)], max_age=60.0))
    async with app.run_test(size=_SIZE) as pilot:
        await asyncio.sleep(seconds)
        app._tick()
        await pilot.pause()
        return app.export_screenshot(title=f"procalivectl top --max-age 60s {os.path.relpath(directory)}")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 300.0
    with tempfile.TemporaryDirectory() as above:
        directory = os.path.join(above, "jobs")
        os.mkdir(directory)
        os.chdir(above)
        jobs = start_jobs(directory)
        try:
            svg = asyncio.run(picture(directory, seconds))
        finally:
            for job in jobs:
                os.killpg(job.pid, 9)
                job.wait()
    # The picture shall load nothing from elsewhere: any monospaced font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "monospace")
    with open(os.path.join(TOP, "docs/top.svg"), "w") as file:
        file.write(svg)


if __name__ == "__main__":
    main()
