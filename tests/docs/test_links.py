"""Every link in the documents leads somewhere, and the pages can be made."""

import os
import re
import subprocess
import sys

import pytest
from blocks import ROOT, text_of

DOCUMENTS = sorted(
    [name for name in os.listdir(ROOT) if name.endswith(".md")]
    + [f"docs/{name}" for name in os.listdir(f"{ROOT}/docs") if name.endswith(".md")]
)


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


def anchors(text):
    """What GitHub and Python-Markdown make of the headings."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_of_a_document_leads_somewhere(document):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(text_of(document))):
        name, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", name):
            continue
        path = os.path.normpath(os.path.join(os.path.dirname(document), name)) if name else document
        assert os.path.exists(os.path.join(ROOT, path)), link
        assert not anchor or anchor in anchors(text_of(path)), link


def test_the_documents_name_no_place_of_a_machine():
    for document in DOCUMENTS:
        assert not re.search(r"/(?:work|root)/|localhost:\d", text_of(document)), document


def test_the_readme_is_not_longer_than_200_lines():
    assert len(text_of("README.md").splitlines()) <= 200


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """What `make html` makes: {name: text}."""
    directory = str(tmp_path_factory.mktemp("html"))
    subprocess.run([sys.executable, f"{ROOT}/docs/pages.py", directory], check=True)
    names = [
        os.path.relpath(os.path.join(at, name), directory) for at, _, files in os.walk(directory) for name in files
    ]
    return {name: read(os.path.join(directory, name)) for name in names}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_there_is_a_page_of_each_document_and_manual(pages):
    manuals = {f"man/{name}.html" for name in os.listdir(f"{ROOT}/man")}
    assert manuals | {re.sub(r"md$", "html", document) for document in DOCUMENTS} <= set(pages)


def test_every_link_between_pages_leads_somewhere(pages):
    for page, text in pages.items():
        for link in re.findall(r'(?:href|src)="([^"]*)"', text) if page.endswith(".html") else ():
            name, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            path = os.path.normpath(os.path.join(os.path.dirname(page), name)) if name else page
            if path in pages:
                assert not anchor or f'id="{anchor}"' in pages[path], (page, link)
            else:  # of the checkout: a folder, a script
                assert os.path.exists(os.path.join(ROOT, path)), (page, link)
                assert not path.endswith((".md", ".1", ".3", ".7")), (page, link)
