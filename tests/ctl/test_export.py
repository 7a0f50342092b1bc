"""export: the metrics, and the real Prometheus that reads them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from conftest import CTL, TOP, ctl, invoke, until

ALERTS = TOP / "procalivectl/alerts"


def metrics(text: str) -> dict[str, float]:
    """Samples by `name of the metric/name of the FIFO`."""
    samples = re.findall(r'^procalive_(\w+)\{fifo="[^"]*/([^/"]*)"\} (\S+)$', text, re.MULTILINE)
    return {f"{name}/{fifo}": float(value) for name, fifo, value in samples}


def exported(*args: str) -> dict[str, float]:
    return metrics(invoke("export", *args)[1])


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def serve(spawn):
    """Start an export on a free port of loopback; its URL."""

    def start(*paths: str) -> str:
        server = spawn(*CTL, "export", "--listen", "0", *paths, stderr=subprocess.PIPE, text=True)
        return re.search(r"http://\S+", server.stderr.readline()).group()

    return start


def test_a_held_fifo_has_all_five_metrics(place, hold):
    hold(place / "job")
    found = exported(str(place))
    assert found["alive/job"] == found["holders/job"] == 1
    assert found["held_seconds/job"] >= 0
    assert found["beat_age_seconds/job"] >= 0
    assert found["waiters/job"] == 0


def test_a_free_or_missing_fifo_is_0_and_not_absent(place):
    os.mkfifo(place / "free")
    found = exported(str(place / "free"), str(place / "missing"))
    assert found["alive/free"] == found["alive/missing"] == 0
    assert "held_seconds/free" not in found


def test_what_cannot_be_told_is_absent_and_never_0(place):
    (place / "file").touch()
    assert exported(str(place / "file")) == {}


def test_waiters_are_counted(place, hold, spawn):
    hold(place / "job")
    spawn(str(TOP / "bin/procalive"), "wait", str(place / "job"))
    until(lambda: exported(str(place))["waiters/job"] == 1, "one waiter")


def test_a_name_with_a_quote_and_a_newline_stays_one_sample(place, prometheus):
    os.mkfifo(place / 'a"b\n\udcff')
    out = ctl("export", str(place / 'a"b\n\udcff')).stdout
    assert out.count("procalive_alive{") == 1
    assert (
        subprocess.run([prometheus / "promtool", "check", "metrics"], input=out, text=True, check=False).returncode == 0
    )


def test_a_textfile_is_replaced_at_once_and_nothing_is_left(place, hold):
    hold(place / "job")
    file = place / "out.prom"
    file.write_text("old")
    before = file.stat().st_ino
    assert invoke("export", "--textfile", str(file), str(place)) == (0, "")
    assert metrics(file.read_text())["alive/job"] == 1
    assert file.stat().st_ino != before  # renamed over, not written into
    assert [path.name for path in place.glob("out*")] == ["out.prom"]


def test_listen_is_on_loopback_and_looks_anew_each_time(place, hold, serve):
    url = serve(str(place / "job"))
    assert url.startswith("http://127.0.0.1:")
    assert metrics(fetch(url))["alive/job"] == 0
    hold(place / "job")
    assert metrics(fetch(url))["alive/job"] == 1


def test_a_port_in_use_is_one_line_and_status_2():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ctl("export", "--listen", str(port))
    assert (done.returncode, done.stderr) == (2, f"procalivectl: 127.0.0.1:{port}: Address already in use\n")


def test_promtool_finds_nothing_to_mend_in_the_metrics(place, hold, prometheus):
    hold(place / "job")
    out = ctl("export", str(place)).stdout
    done = subprocess.run(
        [prometheus / "promtool", "check", "metrics"], input=out, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_promtool_passes_the_alert_rules_and_their_tests(prometheus):
    for args in (("check", "rules", "procalive.rules.yml"), ("test", "rules", "procalive.test.yml")):
        done = subprocess.run([prometheus / "promtool", *args], cwd=ALERTS, capture_output=True, text=True, check=False)
        assert (done.returncode, "SUCCESS" in done.stdout) == (0, True), done


def test_a_real_prometheus_scrapes_it_and_alerts(place, hold, serve, spawn, prometheus):
    hold(place / "job")
    target = re.sub(r"http://|/metrics", "", serve(str(place / "job")))
    with socket.create_server(("127.0.0.1", 0)) as free:
        web = f"127.0.0.1:{free.getsockname()[1]}"
    start_prometheus(spawn, prometheus, place, target, web)
    assert until(lambda: ask(web, "procalive_alive"), "a sample") == "1"
    os.utime(place / "job", (1, 1))
    assert until(lambda: ask(web, 'ALERTS{alertname="ProcaliveJobHung"}'), "the alert") == "1"


def start_prometheus(spawn, programs: Path, place: Path, target: str, web: str) -> None:
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS / "procalive.rules.yml")],
        "scrape_configs": [{"job_name": "procalive", "static_configs": [{"targets": [target]}]}],
    }
    (place / "prometheus.json").write_text(json.dumps(config))  # which is YAML
    options = [f"--config.file={place}/prometheus.json", f"--storage.tsdb.path={place}/data"]
    with (place / "log").open("w") as log:
        spawn(str(programs / "prometheus"), *options, f"--web.listen-address={web}", stdout=log, stderr=log)


def ask(web: str, query: str) -> str | None:
    """The value of the first sample, once there is one."""
    try:
        answer = json.loads(fetch(f"http://{web}/api/v1/query?query={urllib.parse.quote(query)}"))
    except OSError:
        return None  # not yet up
    result = answer["data"]["result"]
    return result[0]["value"][1] if result else None
