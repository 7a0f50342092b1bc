#!/usr/bin/env python3
"""pages.py DIRECTORY: the manuals and the documents as pages for a browser.

Needs mandoc, and Markdown for Python (python3-markdown, or pip install markdown).
"""

import os
import posixpath
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 60em; margin: auto; padding: 1em; font-family: sans-serif; line-height: 1.4; }}
pre, code {{ font-family: monospace; background: #f4f4f4; }}
pre {{ padding: .5em; overflow-x: auto; }}
table {{ border-collapse: collapse; }}
td, th {{ border: 1px solid #ccc; padding: .2em .5em; text-align: left; vertical-align: top; }}
img {{ max-width: 100%; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def tracked(*patterns):
    """Files of the repository by name, or of a tree without git all that are there."""
    command = ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", *patterns]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split() if os.path.isfile(os.path.join(ROOT, name))]


def page_of(name):
    """The page that a document or manual becomes: docs/x.md is docs/x.html."""
    if name.endswith(".md"):
        return name[:-3] + ".html"
    return name + ".html" if re.fullmatch(r"man/.*\.\d", name) else name


def retarget(html):
    """Links to documents and manuals lead to their pages."""

    def target(match):
        name, mark, anchor = match[2].partition("#")
        return f"{match[1]}{name if ':' in name else page_of_link(name)}{mark}{anchor}{match[3]}"

    return re.sub(r'((?:href|src)=")([^"]+)(")', target, html)


def page_of_link(name):
    at = name.rfind("man/")
    return name[:at] + page_of(name[at:]) if at >= 0 else page_of(name)


def from_markdown(name):
    import markdown

    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        text = file.read()
    # GitHub's info strings may have several words; those of Markdown for Python one.
    text = re.sub(r"^```(\w+) .*$", r"```\1", text, flags=re.M)
    body = markdown.markdown(text, extensions=["fenced_code", "tables", "toc"])
    return PAGE.format(title=text.partition("\n")[0].strip("# "), body=retarget(body))


def from_mdoc(name):
    made = subprocess.run(
        ["mandoc", "-Thtml", "-Oman=%N.%S.html", os.path.join(ROOT, name)], capture_output=True, text=True, check=True
    )
    # Only our own manuals have a page here.
    own = {posixpath.basename(page) for page in tracked("man/*")}

    def link(match):
        return match[0] if match[1] in own else match[2]

    return re.sub(r'<a class="Xr" href="([^"]*)\.html">(.*?)</a>', link, made.stdout)


def main(directory):
    for name in tracked("*.md", "man/*", "docs/*.svg", "tests/bench/*.svg"):
        page = os.path.join(directory, page_of(name))
        os.makedirs(os.path.dirname(page), exist_ok=True)
        if name.endswith(".svg"):
            with open(os.path.join(ROOT, name), "rb") as source, open(page, "wb") as copy:
                copy.write(source.read())
            continue
        with open(page, "w", encoding="utf-8") as file:
            file.write(from_markdown(name) if name.endswith(".md") else from_mdoc(name))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: pages.py DIRECTORY")
    main(sys.argv[1])
