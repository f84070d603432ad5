"""The Tree tab shared: its address, its files, and who may see what, in a real browser on a tiny pair."""

from urllib.parse import parse_qs, urlsplit

import sdvar_core as sd
from tests.browser import BROWSER_TEST, until
from tests.tree_browser import PROMPT, choose, generate, go_to, told, trace_of, unfold

pytestmark = BROWSER_TEST
LIGHT = True
WRONG_FILE = {"name": "x.json", "mimeType": "a/b", "buffer": b"[]"}


def test_a_fresh_browser_restores_settings_and_cursor(tree_visitor, open_tree, text_pair):
    choose(tree_visitor, prompt="class Ä:\n", temperature=0.7, steps=2)
    generate(tree_visitor)
    go_to(tree_visitor, 9)
    tree_visitor.wait_for_function("new URLSearchParams(location.search).get('event') === '10'")
    query = {name: values[0] for name, values in parse_qs(urlsplit(tree_visitor.url).query).items()}
    assert (query["tab"], query["prompt"], query["steps"]) == ("tree", "class Ä:\n", "2")
    query.pop("__theme")
    other = open_tree(fresh=True, **query)
    other.wait_for_function("sdvarTree.count === 10 && sdvarTree.cursor === 9 && !sdvarTree.busy")
    assert other.evaluate("sdvarTree.header.settings") == tree_visitor.evaluate("sdvarTree.header.settings")
    text = "JSON.stringify(sdvarTree.state.text)"
    assert other.evaluate(text) == tree_visitor.evaluate(text)
    assert other.input_value("#tree-prompt textarea") == "class Ä:\n"
    assert other.input_value("#tree-length input[type=number]") == "40"


def test_tabs_keep_their_runs_and_the_address_follows(finished_tree):
    finished_tree.wait_for_function("new URLSearchParams(location.search).get('tab') === 'tree'")
    finished_tree.get_by_role("tab", name="Scales", exact=True).click()
    finished_tree.wait_for_function("!new URLSearchParams(location.search).has('tab')")
    finished_tree.keyboard.press("ArrowLeft")
    last = finished_tree.evaluate("sdvarTree.count - 1")
    assert finished_tree.evaluate("sdvarTree.cursor") == last, "keys belong to the tab that is open"
    finished_tree.get_by_role("tab", name="Tree", exact=True).click()
    finished_tree.wait_for_function("new URLSearchParams(location.search).has('event')")
    assert finished_tree.evaluate("sdvarTree.finished")


def test_a_strangers_address_is_one_sentence(open_tree):
    page = open_tree(tab="tree", prompt="ok", topk="99", event="<b>", seed="3")
    page.wait_for_function("sdvarTree.notice")
    assert told(page, "sentence") == "The address holds values that do not fit and were left out: topk, event."
    assert page.input_value("#tree-prompt textarea") == "ok"
    assert page.input_value("#tree-seed input") == "3"


def download(page, kind, folder):
    with page.expect_download(timeout=60_000) as started:
        page.click(f"#tree-share-{kind}")
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def test_files_come_out_open_without_the_page_and_come_in_again(tree_visitor, visit, open_tree, text_pair, tmp_path):
    generate(tree_visitor)
    unfold(tree_visitor, "tree-share")
    files = {kind: download(tree_visitor, kind, tmp_path) for kind in ("trace", "replay", "text")}
    trace = trace_of(text_pair)
    assert sd.TextTrace.load(files["trace"]).same_run(trace)
    assert files["text"].read_bytes() == PROMPT + trace.written
    assert tree_visitor.evaluate("sdvarTree.header.run").rpartition(".")[0] not in files["replay"].read_text()
    page = visit(files["replay"].as_uri(), offline=True, color_scheme="dark")
    until(page, f"sdvarTree.finished && sdvarTree.count === {len(trace.events)}")
    for index in (3, 11, len(trace.events) - 1):
        page.evaluate("index => sdvarTree.goTo(index)", index)
        tree_visitor.evaluate("index => sdvarTree.goTo(index)", index)
        for what in ("text", "sentence", "counters"):
            shown = f"JSON.stringify(sdvarTree.state.{what})"
            assert page.evaluate(shown) == tree_visitor.evaluate(shown)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("sdvarTree.cursor") == 1
    assert page.evaluate("document.documentElement.scrollHeight") <= 900
    other = open_tree(fresh=True)
    unfold(other, "tree-share")
    other.set_input_files("#tree-share input[type=file][accept]", str(files["trace"]))
    other.wait_for_function("n => sdvarTree.count === n && sdvarTree.finished", arg=len(trace.events))
    assert told(other, "count-against") == "not in the file"
    other.set_input_files(
        "#tree-share input[type=file][accept]", {"name": "x.json", "mimeType": "a/b", "buffer": b"[]"}
    )
    other.wait_for_function("sdvarTree.notice")
    assert "is not a text trace" in told(other, "sentence")
    assert other.evaluate("sdvarTree.count") == len(trace.events)
