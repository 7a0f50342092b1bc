"""export: the metrics, and the real Prometheus that reads them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from conftest import CTL, TOP, ctl, end, invoke, needs_root, unprivileged, until

from procalivectl import export, survey

ALERTS = TOP / "procalivectl/alerts"
DASHBOARD = ALERTS / "procalive.dashboard.json"


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


def troubles(*args: str) -> dict[str, float]:
    """Samples of procalive_trouble by the trouble."""
    found = re.findall(r'^procalive_trouble\{fifo="[^"]*",trouble="([^"]*)"\} (\S+)$', invoke("export", *args)[1], re.M)
    return {trouble: float(value) for trouble, value in found}


def test_a_held_fifo_has_its_metrics(place, hold):
    hold(place / "job")
    until(lambda: not os.utime(place / "job") and "beat_age_seconds/job" in exported(str(place)), "a beat")
    found = exported(str(place))
    assert found["alive/job"] == found["holders/job"] == 1
    assert found["held_seconds/job"] >= 0
    assert found["beat_age_seconds/job"] >= 0
    assert found["waiters/job"] == 0
    assert "idle_seconds/job" not in found


def test_a_job_that_has_not_beaten_has_no_age_of_a_beat(place, hold):
    hold(place / "job")
    assert "beat_age_seconds/job" not in exported(str(place))


def test_a_free_fifo_has_the_time_since_its_last_holder_began_or_beat_and_no_beat(place, hold):
    end(hold(place / "job"))
    os.utime(place / "job", (1, 1))
    found = exported(str(place))
    assert found["idle_seconds/job"] > 1e9
    assert "beat_age_seconds/job" not in found


def test_trouble_is_1_and_all_other_trouble_0(place, hold):
    hold(place / "job").send_signal(signal.SIGSTOP)
    until(lambda: troubles(str(place))["stopped"] == 1, "the stop")
    assert troubles(str(place)) == {trouble: float(trouble == "stopped") for trouble in survey.TROUBLE[:-1]}
    assert troubles("--max-age", "0", str(place))["no beat"] == 1


def test_the_help_of_the_metrics_is_in_the_manual():
    manual = (TOP / "man/procalivectl.1").read_text()
    assert [name for name in export._HELP if f".It Li {name}" not in manual] == []


def test_the_dashboard_and_the_rules_ask_for_no_metric_that_there_is_not():
    dashboard = json.loads((DASHBOARD).read_text())
    panels = [panel for panel in dashboard["panels"] if panel.get("targets")]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    asked += [dashboard["templating"]["list"][1]["query"]["query"], (ALERTS / "procalive.rules.yml").read_text()]
    names = {name for text in asked for name in re.findall(r"procalive_\w+", text)}
    assert names == set(export._HELP)
    assert len(panels) >= 5


def test_promtool_can_read_what_the_dashboard_asks(place, prometheus):
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    rules = [{"record": f"r{number}", "expr": text.replace("$fifo", ".*")} for number, text in enumerate(asked)]
    (place / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        [prometheus / "promtool", "check", "rules", place / "rules.yml"], capture_output=True, check=False
    )
    assert done.returncode == 0, done


def test_a_free_or_missing_fifo_is_0_and_not_absent(place):
    os.mkfifo(place / "free")
    found = exported(str(place / "free"), str(place / "missing"))
    assert found["alive/free"] == found["alive/missing"] == 0
    assert "held_seconds/free" not in found


def test_what_cannot_be_told_is_absent_and_never_0_but_said(place, hold):
    (place / "file").touch()
    hold(place / "job")
    done = ctl("export", str(place / "file"), str(place / "job"))
    assert (done.returncode, done.stderr) == (2, f"procalivectl: {place}/file: not a FIFO\n")
    assert {name.partition("/")[2] for name in metrics(done.stdout)} == {"job"}


@needs_root
def test_a_fifo_held_by_who_cannot_be_seen_has_no_count_of_holders(place, hold):
    os.chmod(place, 0o755)
    hold(place / "job", options=("-m", "0666"))
    with unprivileged():
        assert set(exported(str(place / "job"))) == {"alive/job", "beat_age_seconds/job"}


def test_a_fifo_named_twice_is_one_sample(place, hold):
    hold(place / "job")
    for paths in (("job", "./job", f"{place}/job"), (".", str(place))):
        assert ctl("export", *paths, cwd=place).stdout.count("procalive_alive{") == 1


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


def test_a_textfile_is_written_though_a_path_cannot_be_told(place):
    (place / "file").touch()
    done = ctl("export", "--textfile", str(place / "out.prom"), str(place / "file"), str(place / "job"))
    assert (done.returncode, done.stderr) == (2, f"procalivectl: {place}/file: not a FIFO\n")
    assert metrics((place / "out.prom").read_text()) == {"alive/job": 0, "holders/job": 0, "waiters/job": 0}


def test_a_new_textfile_can_be_read_by_all_and_an_old_one_keeps_owner_and_mode(place):
    file = place / "out.prom"
    assert ctl("export", "--textfile", str(file), str(place / "job"), umask=0o077).returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65533)
    before = file.stat()
    assert ctl("export", "--textfile", str(file), str(place / "job")).returncode == 0
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


@needs_root
def test_a_textfile_of_another_user_is_replaced_by_who_may_write_in_the_directory(place):
    assert invoke("export", "--textfile", str(place / "out.prom"), str(place / "job"))[0] == 0
    os.chmod(place, 0o777)
    with unprivileged():
        assert invoke("export", "--textfile", str(place / "out.prom"), str(place / "job"))[0] == 0
    assert (place / "out.prom").stat().st_uid == 65534
    assert "procalive_alive" in (place / "out.prom").read_text()


def test_a_link_to_a_textfile_stays_one(place):
    (place / "link").symlink_to("out.prom")
    assert invoke("export", "--textfile", str(place / "link"), str(place / "job"))[0] == 0
    assert (place / "link").is_symlink()
    assert metrics((place / "out.prom").read_text())["alive/job"] == 0


def test_what_is_no_regular_file_is_not_replaced_and_the_error_names_it(place):
    os.mkfifo(place / "fifo")
    (place / "directory").mkdir()
    (place / "link").symlink_to("fifo")
    for name in ("fifo", "directory", "link"):
        before = os.lstat(place / name)
        done = ctl("export", "--textfile", name, str(place / "job"), cwd=place)
        assert (done.returncode, done.stderr) == (2, f"procalivectl: {name}: not a regular file\n")
        assert os.lstat(place / name).st_ino == before.st_ino
    assert sorted(path.name for path in place.iterdir()) == ["directory", "fifo", "link"]


def test_a_textfile_that_cannot_be_written_is_named_and_nothing_is_left(place):
    (place / "out.prom").write_text("old")
    limit = ["sh", "-c", 'ulimit -f 0; trap "" XFSZ; exec "$@"', "sh"]
    done = subprocess.run(
        [*limit, *CTL, "export", "--textfile", "out.prom", "job"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "procalivectl: out.prom: File too large\n")
    assert [(path.name, path.read_text()) for path in place.iterdir()] == [("out.prom", "old")]


@pytest.mark.parametrize("listen", ["[::1:0", "::1]:0", "[]:0", "127.0.0.1:65536", "127.0.0.1:", "1:²"])
def test_what_is_no_address_is_refused(listen):
    done = ctl("export", "--listen", listen)
    assert (done.returncode, done.stderr) == (2, f"procalivectl: {listen}: not an address (PORT or HOST:PORT)\n")


def test_the_url_told_is_of_the_address_listened_on(place, spawn):
    server = spawn(*CTL, "export", "--listen", "localhost:0", str(place / "job"), stderr=subprocess.PIPE, text=True)
    url = re.search(r"http://(127\.0\.0\.1|\[::1\]):\d+/metrics", server.stderr.readline())
    assert metrics(fetch(url.group()))["alive/job"] == 0


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
