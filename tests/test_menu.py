"""Visitors choose among pairs of models: what is offered and refused, what stays in memory, and what becomes of runs
whose models made room."""

import gc
import weakref
from dataclasses import replace

import pytest

import sdvar_core as sd
from app.address import read_address
from app.answers import MADE_ROOM
from app.menu import Choice, Menu, choice_of
from app.session import NOT_ALIKE, Visits
from app.visit import new_visit
from tests.fakes import fake_pair
from tests.test_session import SETTINGS, gathered, steps, without_time
from tests.tiny import tiny_pair

ONE, TWO, LARGE = "var-d16-d20", "var-d16-d24", "var-d36"
WORDS = ("rock", "paper", "scissors")


@pytest.fixture
def here(monkeypatch):
    """A computer with a CPU of two precisions, on which every pair fits and the files of two are."""
    free = dict.fromkeys(["cpu"], 10**12)
    monkeypatch.setattr("app.menu.devices", lambda: ("cpu",))
    monkeypatch.setattr("app.menu.precisions", lambda device: ("float32", "bfloat16"))
    monkeypatch.setattr("sdvar_core.footprint.free_memory", lambda device="cpu": free[device])
    known = sd.needs

    def needs(name, precision="float32", batch=1):
        there = {"download": 0, "still_to_write": 0} if name in (ONE, TWO) else {}
        return replace(known(name, precision, batch), **there)

    monkeypatch.setattr("app.menu.needs", needs)
    monkeypatch.setattr("app.menu.outline", lambda name: sd.Outline(name, *facts_of(name)))
    return free


def facts_of(name):
    pair = fake_pair((1, 2, 3, 4, 5)) if name == LARGE else fake_pair()
    return pair.schedule, pair.codes, WORDS


class Loader:
    """Loads fakes and remembers which."""

    def __init__(self):
        self.loaded = []

    def __call__(self, name, device, precision):
        self.loaded.append((name, device, precision))
        pair = fake_pair(tuple(facts_of(name)[0].sides))
        return replace(pair, name=name, precision=precision)


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def visits(here, loader):
    return Visits(fake_pair, places=1, load=loader)


def on(name, **more):
    return SETTINGS | {"pair": name} | more


def test_the_first_pair_is_what_nobody_chose(here, loader):
    menu = Menu(fake_pair, 1, loader)
    assert menu.chosen({}) is None
    assert menu.chosen(dict.fromkeys(("pair", "device", "precision"))) is None
    assert menu.chosen({"pair": "fake", "device": "cpu", "precision": "float32"}) is None
    assert menu.chosen({"precision": "bfloat16"}) == Choice("fake", "cpu", "bfloat16")
    assert menu.chosen({"pair": ONE}) == Choice(ONE, "cpu", "float32")
    assert menu.take(None) is menu.first
    assert not loader.loaded


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"pair": "huge"}, "Unknown pair 'huge': choose one of fake, tiny-worlds, var-d16-d30"),
        ({"pair": ["x"] * 1000}, "Unknown pair"),
        ({"device": "cuda"}, "Unknown device 'cuda': choose one of cpu"),
        ({"device": {"a": 1}}, "Unknown device"),
        ({"precision": "float16"}, "Precision 'float16' is not to be had on cpu"),
        ({"pair": ONE, "precision": 7}, "Precision 7 is not to be had on cpu"),
    ],
)
def test_what_there_is_not_is_one_sentence(visits, settings, sentence):
    ((payload, visit),) = visits.generate(new_visit(), SETTINGS | settings)
    assert payload["notice"].startswith(sentence)
    assert len(payload["notice"]) < 400
    assert visit.asked is None


def test_a_page_without_places_keeps_to_its_pair(here, loader):
    visits = Visits(fake_pair, places=0, load=loader)
    ((payload, _),) = visits.generate(new_visit(), on(ONE))
    assert payload["notice"] == "This page keeps to fake: on a computer of your own it offers every pair."
    gathered(visits.generate(new_visit(), on("fake")))
    assert not loader.loaded


def test_another_pair_is_read_once_and_says_so(visits, loader):
    values = list(visits.generate(new_visit(), on(ONE)))
    assert values[0][0]["notice"] == f"Reading the models of {ONE} …"
    assert (values[0][0]["busy"], values[0][0]["keep"]) == (True, True)
    frames, visit = gathered(values)
    assert loader.loaded == [(ONE, "cpu", "float32")]
    header = values[-1][0]["header"]
    assert header["pair"] == ONE
    assert {name: header["settings"][name] for name in ("pair", "device", "precision")} == {
        "pair": ONE, "device": "cpu", "precision": "float32"}  # fmt: skip
    again, _ = gathered(visits.generate(visit, on(ONE)))
    assert without_time(again) == without_time(frames)
    assert len(loader.loaded) == 1
    list(visits.generate(new_visit(), on(ONE, precision="bfloat16")))
    assert loader.loaded[1:] == [(ONE, "cpu", "bfloat16")]


def test_only_so_many_stay_and_nothing_holds_the_others(visits, loader):
    _, mine = gathered(visits.generate(new_visit(), on(ONE)))
    list(visits.compare(mine))
    visits.swatches(mine.name, 0, 0)
    held = weakref.ref(visits.menu.take(Choice(ONE, "cpu", "float32")))
    _, other = gathered(visits.generate(new_visit(), on(TWO)))
    gc.collect()
    assert held() is None
    assert visits.frames(mine.name, 0, 1) == {"notice": MADE_ROOM}
    with pytest.raises(sd.SDVARError, match="made room"):
        visits.shown(mine)
    assert [name for name, *_ in loader.loaded] == [ONE, TWO]
    assert visits.shown(other).header["pair"] == TWO


def test_a_run_whose_models_made_room_goes_on(visits, loader):
    before, mine = steps(visits, new_visit(), 5, on(ONE))
    gathered(visits.generate(new_visit(), on(TWO)))
    (news, _), (payload, after), *_ = visits.forward(mine)
    assert news["notice"] == f"Reading the models of {ONE} …"
    assert (payload["count"], payload["header"]["run"]) == (6, mine.name)
    assert without_time(visits.frames(after.name, 0, 5)["frames"]) == without_time(before)
    assert [name for name, *_ in loader.loaded] == [ONE, TWO, ONE]


def test_choosing_another_pair_does_not_bring_the_old_one_back(visits, loader):
    _, mine = gathered(visits.generate(new_visit(), on(ONE)))
    *_, (_, mine) = visits.generate(mine, on(TWO))
    assert [name for name, *_ in loader.loaded] == [ONE, TWO]
    list(visits.generate(mine, SETTINGS))
    assert [name for name, *_ in loader.loaded] == [ONE, TWO]
    assert visits.menu.holds(Choice(TWO, "cpu", "float32")), "the first takes nobody's place"


def test_the_first_pair_stays_beside_another(visits):
    frames, mine = gathered(visits.generate(new_visit(), SETTINGS))
    _, mine = visits.beside(mine)
    *_, (payload, mine) = visits.generate(mine, on(ONE))
    assert (payload["kept"]["header"]["pair"], payload["header"]["pair"]) == ("fake", ONE)
    assert without_time(visits.frames(mine.kept.name, 0, 32)["frames"]) == without_time(frames)[:32]
    (payload, _), *_ = visits.generate(mine, on(ONE, seed=6))
    assert payload["notice"] is None


def test_two_runs_that_cannot_be_in_memory_at_once(visits, loader):
    _, mine = gathered(visits.generate(new_visit(), on(ONE)))
    _, mine = visits.beside(mine)
    *_, (payload, after) = visits.generate(mine, on(TWO))
    assert "cannot be in memory at once: press Reset" in payload["notice"]
    assert after == mine
    assert [name for name, *_ in loader.loaded] == [ONE]


def test_runs_of_other_scales_are_not_compared(visits, monkeypatch):
    monkeypatch.setattr("app.menu.needs", lambda name, *_: sd.Needs(0, 0, 0, 0, 0))
    _, mine = gathered(visits.generate(new_visit(), SETTINGS))
    _, mine = visits.beside(mine)
    *_, (payload, after) = visits.generate(mine, on(LARGE))
    assert payload["notice"] == NOT_ALIKE
    assert after == mine


def test_what_cannot_be_loaded_is_one_sentence_and_loses_nothing(here, loader):
    def load(name, device, precision):
        raise RuntimeError("[enforce fail] not enough memory: you tried to allocate 8 GB\nmore")

    visits = Visits(fake_pair, places=1, load=load)
    frames, mine = gathered(visits.generate(new_visit(), SETTINGS))
    *_, (payload, after) = visits.generate(mine, on(ONE))
    assert payload["notice"].startswith(f"{ONE} could not be loaded: [enforce fail] not enough memory")
    assert "\n" not in payload["notice"]
    assert (payload["busy"], after) == (False, mine)
    *_, (payload, after) = visits.generate(mine, on("var-d16-d30"))
    assert payload["notice"] == "var-d16-d30 is not here yet: under Models press 'Download 9.7 GB'."
    here["cpu"] = 10**9
    *_, (payload, after) = visits.generate(mine, on(ONE))
    assert payload["notice"].startswith(
        f"{ONE} in float32 needs 6.9 GB of memory on cpu, but 1.0 GB are free: choose a"
    )
    assert without_time(visits.frames(mine.name, 0, 32)["frames"]) == without_time(frames)[:32]


def test_what_makes_room_counts_as_free(visits, here, loader):
    gathered(visits.generate(new_visit(), on(ONE)))
    here["cpu"] = sd.needs(TWO).memory - sd.needs(ONE).resident
    gathered(visits.generate(new_visit(), on(TWO)))
    here["cpu"] = 0
    gathered(visits.generate(new_visit(), on(TWO, seed=1)))
    assert [name for name, *_ in loader.loaded] == [ONE, TWO]


def test_the_rows_say_what_each_pair_needs(visits, here):
    here["cpu"] = 20 * 10**9
    rows = {name: label for label, name in visits.menu.rows("cpu", "float32")}
    assert list(rows) == ["fake", *sd.PAIRS]
    assert rows["fake"] == "fake\nopened with the page"
    assert rows["tiny-worlds"] == "tiny-worlds\nships with this page"
    assert rows["var-d16-d30"] == "var-d16-d30\n18.6 GB of memory · 9.7 GB to get"
    assert rows[ONE] == f"{ONE}\n6.9 GB of memory · on this disk"
    assert rows[LARGE] == f"{LARGE}\n22.2 GB of memory: too large here"
    assert dict(map(reversed, visits.menu.rows("cpu", "bfloat16")))[LARGE].endswith("GB to get")
    gathered(visits.generate(new_visit(), on(ONE)))
    assert dict(map(reversed, visits.menu.rows("cpu", "float32")))[ONE] == f"{ONE}\nin memory"


def test_a_trace_finds_the_models_that_made_it(visits, tmp_path):
    _, mine = gathered(visits.generate(new_visit(), on(ONE)))
    path = tmp_path / "trace.json"
    visits.shown(mine).trace.save(path)
    payload, opened = visits.open(new_visit(), path)
    assert payload["header"]["pair"] == ONE
    assert visits.shown(opened).frames[0]["picture"] is not None
    payload, _ = visits.beside(opened)
    assert payload["notice"] is None


def test_an_address_names_the_models(here, loader):
    menu, defaults = Menu(fake_pair, 1, loader), SETTINGS | {"carry_over": "off"}
    address = read_address({"pair": ONE, "precision": "bfloat16", "seed": "3"}, defaults, menu)
    assert address.settings == {"pair": ONE, "precision": "bfloat16", "label": "rock", "seed": 3}
    assert address.notice is None
    address = read_address({"pair": ONE, "world": "paper"}, defaults, menu)
    assert address.settings["label"] == "paper"
    hostile = {"pair": "<b>", "device": "cuda:9", "precision": "x" * 10**5, "gamma": "2"}
    address = read_address(hostile, defaults, menu)
    assert address.settings == {"gamma": 2}
    assert address.notice.endswith("left out: pair, device, precision.")
    address = read_address({"pair": ONE}, defaults, Menu(fake_pair, 0, loader))
    assert (address.settings, address.notice.endswith("left out: pair.")) == ({}, True)
    assert not loader.loaded, "an address is read without its models"


def test_the_choice_that_means_a_pair():
    assert choice_of(tiny_pair()) == Choice("tiny", "cpu", "float32")
