"""docs/recipes.md, and the README's recipes, run as they stand."""

import re
import shutil

import pytest
from blocks import BASH, blocks

DOCUMENT = "docs/recipes.md"


def lines(document):
    """Each line by itself; cron's times are cron's matter."""
    texts = [line for block in blocks(document, "sh", "") for line in block.lines()]
    return [text.replace("*/5 * * * *  ", "") for text in texts]


def readmes():
    return [line for line in lines("README.md") if re.match(r"procalive |/usr/local/bin/procalive ", line)]


@pytest.mark.parametrize("line", [*lines(DOCUMENT), *readmes()])
def test_a_recipe_runs_its_job(place, line):
    status, output = place.script(line)
    unknown = "--status" in line  # nobody held, so it is not known how that ended
    assert status == (125 if unknown else 0), output
    assert bool(place.has_run()) == (not unknown and not re.match(r"procalive check", line))


@pytest.mark.parametrize("block", blocks(DOCUMENT, "sh", "script"), ids=lambda block: block.name)
def test_a_script_runs_its_job(place, block):
    place.command("script", "#!/bin/sh\n" + place.fit(block.text))
    status, output = place.script("script")
    assert status == 0, output
    assert place.has_run() == ["job"]


def test_of_a_script_a_second_run_is_refused(place):
    for block in blocks(DOCUMENT, "sh", "script"):
        place.command("script", "#!/bin/sh\n" + place.fit(block.text))
        first = place.start([BASH, "-c", "script; exit $?"], slow=True)
        name = re.search(r"@\w+", block.text)[0]
        assert place.run(["procalive", "wait", "--up", "-t", "20", name])[0] == 0
        if "-w inf" not in block.text:
            assert place.script("script")[0] == 75
        place.release()
        assert first.wait(timeout=20) == 0


def test_the_make_target_runs_both_under_one_lock(place):
    (block,) = blocks(DOCUMENT, "make")
    with open(place.file("Makefile"), "w", encoding="utf-8") as file:
        file.write(block.text)
    first = place.start(["make", "-j2", "deploy"], slow=True)
    assert place.run(["procalive", "wait", "--up", "-t", "20", "@deploy"])[0] == 0
    assert place.script("procalive hold @deploy -- job")[0] == 75
    place.release()
    assert first.wait(timeout=20) == 0
    assert place.has_run() == ["a.sh", "b.sh"]


def test_the_ansible_task_runs_the_backup(place):
    (block,) = blocks(DOCUMENT, "yaml")
    command = re.search(r"ansible.builtin.command: (.*)", block.text)[1]
    status, output = place.script(command)
    assert status == 0, output
    assert place.has_run() == ["backup.sh"]
    if not shutil.which("ansible-playbook"):
        pytest.skip("half of it: not installed here: ansible-playbook")
    with open(place.file("play.yml"), "w", encoding="utf-8") as file:
        file.write(block.text)
    status, output = place.run(["ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml"])
    assert status == 0, output
    assert place.has_run() == ["backup.sh"]
