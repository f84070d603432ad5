"""The stage's files: what the browser will run is whole, constant, and asks nobody else for anything."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.stage.bundle import bundle, markup

STAGE = Path(__file__).parent.parent / "app" / "stage"
TESTS = Path(__file__).parent / "stage"
MODULES = sorted(STAGE.glob("*.js")) + sorted(STAGE.glob("tree/*.js"))
ENTRIES = ("main.js", "tree/main.js")
PAGES = ("stage.html", "tree/tree.html")


def exports(path):
    return set(re.findall(r"^export (?:async )?(?:function|const|let|class) (\w+)", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_imports_only_what_is_exported(path):
    imports = re.findall(r'^import \{([^}]*)\} from "(\.\.?/[\w./]+)";', path.read_text(), re.MULTILINE)
    assert len(imports) == len(re.findall(r"^import ", path.read_text(), re.MULTILINE))
    for names, source in imports:
        assert {name.strip() for name in names.split(",")} <= exports(path.parent / source)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_says_what_it_is_and_writes_text_only(path):
    text = path.read_text()
    assert text.startswith("// ")
    assert "innerHTML" not in text
    assert len(text.splitlines()) < 300


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_bundle_holds_modules_once_and_no_import(entry):
    script = bundle(STAGE, entry)
    for path in MODULES:
        assert script.count(f'modules["{path.relative_to(STAGE).as_posix()}"] = (') <= 1
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)


def test_every_module_is_in_a_bundle():
    scripts = [bundle(STAGE, entry) for entry in ENTRIES]
    for path in MODULES:
        name = f'modules["{path.relative_to(STAGE).as_posix()}"] = ('
        assert any(name in script for script in scripts), name


def test_templates_are_constant_and_ask_nobody():
    texts = [(STAGE / name).read_text() for name in ("stage.css", "tokens.css", "tree/tree.css")]
    for text in texts + [markup(STAGE, page) for page in PAGES]:
        assert not re.search(r"\$\{|\{\{|`|\\|https?:|@import|url\(", text)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_holds_what_it_includes_and_every_part_once(page):
    text = markup(STAGE, page)
    assert "<!--" not in text
    assert not re.search(r"\{\w+\}", text)
    parts = re.findall(r'data-part="([^"]*)"', text)
    assert sorted(parts) == sorted(set(parts))
    assert {"play", "scrubber", "rounds"} <= set(parts)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_bundle_is_javascript_that_node_can_read(entry, tmp_path):
    script = tmp_path / "bundle.js"
    script.write_text(f"(function (element, trigger, props, server, upload, watch) {{{bundle(STAGE, entry)}}})")
    subprocess.run(["node", "--check", str(script)], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("path", sorted(TESTS.glob("*.test.mjs")), ids=lambda path: path.name)
def test_the_modules_pass_their_own_tests(path):
    result = subprocess.run(["node", "--no-warnings", "--test", str(path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


TEXTS = ("ink", "muted", "accent", "corrected-text", "bonus-text", "pending-text")
GROUNDS = ("card", "ground", "well")
WASHES = {"accent-wash": ("ink", "accent"), "corrected-wash": ("ink", "corrected-text"), "bonus-wash": ("ink",)}


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one, other):
    """As WCAG 2.2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [":root", ".dark"])
def test_text_stands_out_from_what_it_is_written_on(theme):
    block = (STAGE / "tokens.css").read_text().split(theme, 1)[1].split("}", 1)[0]
    colours = dict(re.findall(r"--sd-([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [(text, ground) for text in TEXTS for ground in GROUNDS]
    pairs += [(text, wash) for wash, texts in WASHES.items() for text in texts]
    weak = [(text, ground) for text, ground in pairs if contrast(colours[text], colours[ground]) < 4.5]
    assert weak == []
