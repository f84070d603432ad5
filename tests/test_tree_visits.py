"""Visitors of the Tree tab: runs go on, are computed again, are compared, opened and refused, and stay one's own."""

from dataclasses import replace

import pytest

import sdvar_core as sd
from app.answers import MADE_ROOM
from app.exports import Shelf
from app.session import new_visit
from app.tree.address import read_tree_address
from app.tree.exports import TREE_EXPORTS, text_file_name
from app.tree.session import TreeVisits
from tests.tiny import tiny_text_pair

SETTINGS = {"prompt": "def main(", "topk": 3, "steps": 2, "nodes": 0, "length": 20, "temperature": 0.0, "seed": 3}
PAIR = tiny_text_pair()


def visits(**settings) -> TreeVisits:
    return TreeVisits(lambda: PAIR, **settings)


def played(these: TreeVisits, visit=None, **settings):
    """The last payload of a whole run, and the visit after it."""
    return last(these.generate(visit or new_visit(), SETTINGS | settings))


def last(answers):
    return list(answers)[-1]


def test_a_run_is_that_of_the_library():
    these = visits()
    payload, visit = played(these)
    trace = sd.generate_text(PAIR, **(SETTINGS | {"nodes": None}))
    assert these.shown(visit).trace.same_run(trace)
    assert payload["finished"]
    assert payload["count"] == len(trace.events)


def test_steps_are_single_events_and_go_on_after_room_was_made():
    these, visit = visits(most_runs=1), new_visit()
    for count in range(1, 5):
        payload, visit = last(these.step(visit, SETTINGS))
        assert payload["count"] == count
    name = visit.name
    played(these)  # another visitor
    assert these.frames(name, 0, 4) == {"notice": MADE_ROOM}
    payload, visit = last(these.forward(visit))
    assert payload["count"] == 5
    assert len(these.frames(name, 0, 9)["frames"]) == 5


def test_a_greedy_run_is_the_targets_own_text():
    these = visits()
    _, visit = played(these)
    ((payload, _),) = these.compare(visit)
    assert payload["baseline"]["comparable"]
    assert payload["baseline"]["differs"] is None
    assert len(payload["baseline"]["milliseconds"]) == 20
    assert payload["baseline"]["sound"] is None
    assert list(these.compare(visit)) == []


def test_a_fault_is_compared_with_the_sound_engine():
    these = visits()
    _, visit = played(these, fault="bonus counted twice")
    ((payload, _),) = these.compare(visit)
    sound = sd.generate_text(PAIR, **(SETTINGS | {"nodes": None}))
    assert payload["baseline"]["sound"]["accepted"] == sound.accepted
    assert payload["baseline"]["sound"]["differs"] is not None


def test_visitors_see_their_own_runs_only():
    these = visits()
    _, one = played(these)
    two = new_visit()
    with pytest.raises(sd.SDVARError, match="no run to share yet"):
        these.shown(two)
    other = replace(one, handle=two.handle)
    assert these.frames(other.name, 0, 1) == {"notice": MADE_ROOM}
    assert these.token(other.name, 2, 1) == {"notice": MADE_ROOM}
    assert "rows" in these.token(one.name, 2, 1)
    for wrong in ((one.name, 2, 10_000), (one.name, -1, 0), (one.name, "2", 1), (one.name, 0, 0)):
        assert "notice" in these.token(*wrong)


@pytest.mark.parametrize("settings", [{"topk": 0}, {"temperature": -1}, {"seed": "x"}, {"children": "sampled"}])
def test_wrong_settings_are_one_sentence_and_nothing_is_lost(settings):
    these = visits()
    before, visit = played(these)
    payload, after = played(these, visit, **settings)
    assert payload["keep"]
    assert payload["notice"].endswith(".")
    assert after == visit
    assert these.shown(visit).frames[-1] == before["frames"][-1]


def test_without_models_the_tab_says_how_to_get_them():
    these = TreeVisits(lambda: sd.load_pair("python-nowhere"))
    assert "Unknown pair" in these.greet(new_visit())["notice"]
    payload, _ = played(these)
    assert "Unknown pair" in payload["notice"]
    assert visits().greet(new_visit()) is None


def test_the_pair_is_loaded_once_and_only_when_needed():
    loaded = []
    these = TreeVisits(lambda: loaded.append(1) or PAIR)
    assert not loaded
    these.greet(new_visit())
    played(these)
    assert loaded == [1]


def test_files_of_a_run(tmp_path):
    these = visits()
    _, visit = played(these)
    shelf = Shelf(tmp_path, TREE_EXPORTS, text_file_name)
    paths = {kind: shelf.put(visit.handle, kind, these.shown(visit)) for kind in TREE_EXPORTS}
    assert paths["trace"].name == "sdvar-def-main-seed3-topk3-steps2.json"
    assert sd.TextTrace.load(paths["trace"]).same_run(these.shown(visit).trace)
    assert paths["text"].read_bytes() == b"def main(" + these.shown(visit).trace.written
    page = paths["replay"].read_text()
    assert visit.handle not in page
    assert page.count('modules["tree/main.js"] = (') == 1
    assert page.count('modules["store.js"] = (') == 1
    assert 'modules["main.js"]' not in page
    payload, visit = these.open(visit, paths["trace"])
    assert payload["header"]["opened"]
    assert payload["finished"]
    assert these.token(visit.name, 2, 1)["notice"].startswith("A trace file")


@pytest.mark.parametrize("change", [
    lambda text: text[:200],
    lambda text: "[]",
    lambda text: text.replace('"node":1,', '"node":900,'),
    lambda text: text.replace('"kind":"tree_drafted"', '"kind":"violation"', 1),
])  # fmt: skip
def test_a_wrong_file_is_one_sentence_and_nothing_is_lost(tmp_path, change):
    these = visits()
    _, visit = played(these, fault="bonus counted twice")
    path = tmp_path / "run.json"
    these.shown(visit).trace.save(path)
    path.write_text(change(path.read_text()))
    payload, after = these.open(visit, path)
    assert payload["notice"].endswith(".")
    assert "\n" not in payload["notice"]
    assert after == visit


DEFAULTS = {"prompt": "def main(", "topk": 4, "steps": 3, "expansion": "full", "nodes": 24, "temperature": 0, "seed": 7,
            "length": 120, "verification": "tree", "children": "likeliest", "shape": "fixed"}  # fmt: skip


def test_an_address_holds_settings_and_event():
    query = {"tab": "tree", "prompt": "a\nb é", "topk": "2", "temperature": "0.5", "event": "12", "world": "9"}
    address = read_tree_address(query, DEFAULTS)
    assert address.settings == {"prompt": "a\nb é", "topk": 2, "temperature": 0.5}
    assert (address.event, address.notice) == (12, None)
    assert read_tree_address({"seed": "9", "event": "3"}, DEFAULTS) == read_tree_address({}, DEFAULTS)


def test_a_strangers_address_is_checked_value_by_value():
    query = {"tab": "tree", "prompt": "x" * 2001, "topk": "0", "steps": "2", "nodes": "{{x}}", "length": "9999",
             "shape": "<b>", "event": "-1", "temperature": "nan"}  # fmt: skip
    address = read_tree_address(query, DEFAULTS)
    assert address.settings == {"steps": 2}
    assert address.event is None
    assert address.notice.endswith("left out: prompt, topk, nodes, temperature, length, shape, event.")
