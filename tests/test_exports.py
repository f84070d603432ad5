"""A run as files: each opens, says what the run says, is small enough, and takes no stranger's text for markup."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import sdvar_core as sd
from app.exports import EXPORTS, MOST_FILES, MOST_FOLDERS, Shelf, file_name, pictures_of
from app.figures import palette, progress
from app.figures.film import EFFORTS, PICTURE, chosen, film
from app.figures.slide import slide
from app.frames import VERSION
from app.run import Run
from app.session import Visits, new_visit
from app.stage.component import HERE as STAGE
from app.stage.replay import embedded, replay_page
from tests.fakes import fake_pair

HOSTILE = "</script><script>alert(1)</script><!-- {{7*7}} ${x} \"'&"


def run_of(events=None, **settings):
    run = Run("handle.1", fake_pair(), sd.Request(**({"label": "paper", "seed": 5, "gamma": 2} | settings)))
    while not run.finished and (events is None or len(run.frames) < events):
        run.advance()
    return run.shown()


@pytest.fixture(scope="module")
def shown():
    return run_of()


class Parts(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.texts.setdefault(self.tags[-1] if self.tags else "", []).append(data)


def page_of(shown):
    return replay_page(shown.header, shown.frames, shown.baseline, shown.trace.finished)


def test_every_export_of_finished_and_unfinished_runs_is_a_file(tmp_path):
    for shown in (run_of(), run_of(events=1), run_of(events=7), run_of(gamma=0), run_of(rule="token", label=[1, 2])):
        for kind, export in EXPORTS.items():
            path = Shelf(tmp_path).put("someone", kind, shown)
            assert path.suffix == export.ending
            assert 500 < path.stat().st_size < 1_500_000


def test_names_say_world_seed_and_rule(shown):
    assert file_name(shown, ".json") == "sdvar-paper-seed5-coupled.json"
    assert file_name(run_of(events=2), ".gif") == "sdvar-paper-seed5-coupled-unfinished.gif"
    strange = replace(shown, header=shown.header | {"label": "../../etc/<b>" + "x" * 300})
    assert re.fullmatch(r"sdvar-etc-b-x{1,32}-seed5-coupled\.json", file_name(strange, ".json"))


def test_the_trace_file_is_the_run(shown, tmp_path):
    loaded = sd.Trace.load(Shelf(tmp_path).put("someone", "trace", shown))
    assert loaded.same_run(shown.trace)
    assert np.array_equal(loaded.pictures, shown.trace.pictures)


def test_the_replay_page_holds_the_run_and_asks_nobody(shown):
    text = page_of(shown)
    parts = Parts(text)
    recorded = json.loads(next(entry for entry in parts.texts["script"] if entry.startswith('{"title"')))
    assert recorded["value"]["frames"] == json.loads(json.dumps(shown.frames))
    assert recorded["value"]["header"]["run"] == "replay", "the name of the live run is a key to it"
    assert "handle" not in json.dumps(recorded["value"]["header"])
    assert recorded["value"]["finished"]
    assert recorded["idle"]["version"] == VERSION
    assert not re.search(r"https?:|@import|url\(|//[a-z]+\.", text.replace("data:image", ""))
    assert not {"src", "href"} & set(parts.attributes)
    assert not {"link", "img", "iframe", "object"} & set(parts.tags)
    assert "@" not in re.sub(r"@media", "", text), "a place in the template was left empty"


def test_the_replay_page_allows_its_own_script_only(shown):
    text = page_of(shown)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]
    scripts = [entry for entry in Parts(text).texts["script"] if entry.strip()]
    assert len(scripts) == 2
    assert "<!--" not in scripts[1]


def test_the_replay_page_runs_the_modules_of_the_live_stage(shown):
    text = page_of(shown)
    for name in ("main.js", "store.js", "pyramid.js"):
        assert text.count(f'modules["{name}"] = (') == 1


@pytest.mark.parametrize("text", [HOSTILE, "</SCRIPT >", "<!--<script>", "\u2028", "@SCRIPT@"])
def test_hostile_strings_stay_strings(shown, text):
    assert json.loads(embedded(text)) == text
    assert not re.search(r"[<>&]", embedded(text))
    hostile = replace(shown, header=shown.header | {"label": text, "pair": text})
    parts = Parts(page_of(hostile))
    assert parts.tags.count("script") == 2
    recorded = json.loads(next(entry for entry in parts.texts["script"] if entry.startswith('{"title"')))
    assert recorded["value"]["header"]["label"] == text


def test_the_film_shows_every_event_and_its_picture(shown):
    data = film(shown.trace, pictures_of(shown), "paper")
    with Image.open(io.BytesIO(data)) as gif:
        assert gif.n_frames == len(shown.trace.events)
        assert gif.size == (640, 400)
        gif.seek(gif.n_frames - 1)
        assert gif.info["duration"] == 3000
        assert gif.info["loop"] == 0


def test_the_film_of_restless_pictures_stays_small():
    """Noise in as many colours as a film's palette holds, in the film's own size: nothing is harder to compress."""
    shown = run_of()
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (256, 3), np.uint8)
    noise = colours[rng.integers(0, 256, (len(shown.frames), PICTURE, PICTURE))]
    data = film(shown.trace, dict(enumerate(noise)), "paper")
    assert len(data) < 1_200_000


def test_long_runs_are_sampled_evenly_with_both_ends(shown):
    run = list(progress.moments(shown.trace))
    most = len(run) // 2
    taken = [moment.index for moment in chosen(run, most)]
    assert len(taken) == most
    assert (taken[0], taken[-1]) == (0, len(run) - 1)
    assert chosen(run, EFFORTS[0][0]) == run


@pytest.mark.parametrize("form", ["png", "pdf"])
@pytest.mark.parametrize("label", ["paper", HOSTILE, "$x_{y$", "雪\n\x07" * 50])
def test_the_slide_is_made_whatever_the_names_are(shown, form, label):
    data = slide(shown.trace, pictures_of(shown), label, form, [1.0, 2.0], "So it is.")
    assert data.startswith(b"\x89PNG" if form == "png" else b"%PDF")
    if form == "png":
        assert abs(Image.open(io.BytesIO(data)).size[0] - 1920) <= 1


def test_figures_can_do_without_pictures(shown):
    assert slide(shown.trace, {}, "paper", "png").startswith(b"\x89PNG")
    assert film(shown.trace, {}, "paper").startswith(b"GIF89a")


def test_moments_tell_what_became_of_every_token(shown):
    trace = shown.trace
    run = list(progress.moments(trace))
    assert [moment.calls for moment in run][-1] == trace.target_calls
    codes = np.concatenate([scale.verdicts for scale in run[-1].scales])
    assert (codes == progress.BONUS).sum() == trace.bonus
    assert (codes == progress.CORRECTED).sum() == trace.corrected
    assert not set(codes.tolist()) & {progress.PENDING, progress.THROWN}
    thrown = [
        moment for moment in run if any(s is not None and s.verdicts[0] == progress.THROWN for s in moment.scales)
    ]
    assert bool(thrown) == (trace.discarded > 0)


def test_the_colours_are_those_of_the_page():
    sheet = (STAGE / "tokens.css").read_text().partition(".dark")[0]
    for name, colour in palette.COLOURS.items():
        assert f"--sd-{name}: {colour};" in sheet


def test_the_shelf_holds_few_files_and_few_visits(tmp_path):
    shelf = Shelf(tmp_path)
    for seed in range(MOST_FILES + 3):
        shelf.put("first", "trace", run_of(events=1, seed=seed))
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == MOST_FILES
    assert "first" not in folder.name, "the address of a file must not tell the visit's handle"
    for number in range(MOST_FOLDERS):
        shelf.put(f"other {number}", "trace", run_of(events=1))
    assert not folder.exists()
    shelf.clear("other 3")
    assert len(list(tmp_path.iterdir())) == MOST_FOLDERS - 1
    shelf.clear("nobody")


def test_nothing_shown_is_one_sentence(tmp_path):
    visits = Visits(fake_pair)
    with pytest.raises(sd.SDVARError, match="no run to share yet"):
        visits.shown(new_visit())
    _, visit = next(visits.step(new_visit(), {"label": 0}))
    assert len(visits.shown(visit).frames) == 1
    _, visit = visits.reset(visit)
    with pytest.raises(sd.SDVARError, match="no run to share yet"):
        visits.shown(visit)


def test_a_run_that_made_room_can_still_be_shared():
    visits = Visits(fake_pair, most_runs=1)
    _, visit = next(visits.step(new_visit(), {"label": 0}))
    next(visits.step(new_visit(), {"label": 1}))
    assert visits.shown(visit).trace.request.label == 0
