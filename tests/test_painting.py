"""Pictures ahead of time and on demand: nobody waits for a picture that nobody sees, and none is missing."""

import time
from dataclasses import replace

import numpy as np
import pytest

import sdvar_core as sd
from app import painting
from app.answers import MADE_ROOM, MANY_ASK, NO_PICTURE, SLOW
from app.exports import pictures_of
from app.painting import Painter
from app.run import Run
from app.session import Visits
from app.visit import new_visit
from tests.fakes import fake_pair
from tests.test_session import SETTINGS, gathered

REQUEST = sd.Request(**SETTINGS)


class SlowDecoder:
    """A tokenizer whose pictures take a while."""

    def __init__(self, tokenizer, seconds):
        self.quantizer, self._tokenizer, self._seconds = tokenizer.quantizer, tokenizer, seconds
        self.painted = 0

    def decode(self, canvas):
        self.painted += 1
        time.sleep(self._seconds)
        return self._tokenizer.decode(canvas)


def slow_pair(seconds=0.02):
    pair = fake_pair()
    return replace(pair, tokenizer=SlowDecoder(pair.tokenizer, seconds))


@pytest.fixture
def slow(monkeypatch):
    """A pair whose decoder counts as slow."""
    monkeypatch.setattr(painting, "QUICK", 0.01)
    return slow_pair()


def whole(run):
    run.to_the_end()
    return run


def test_a_quick_decoder_paints_every_event():
    run = whole(Run("x", fake_pair(), REQUEST))
    assert not run.painter.slow
    for index, frame in enumerate(run.frames):
        assert ("picture" in frame) == run.painter.has(index)
        assert "unpainted" not in frame
    assert run.painter.seconds > 0


def test_a_slow_decoder_takes_a_small_part_of_the_time(slow):
    run = whole(Run("x", slow, REQUEST))
    drawn = [index for index in range(len(run.frames)) if run.painter.has(index)]
    assert slow.tokenizer.painted == 1, "the first one, which tells that it is slow"
    assert ["picture" in run.frames[index] for index in drawn] == [True] + [False] * (len(drawn) - 1)
    assert all(("unpainted" in frame) == (frame["index"] in drawn[1:]) for frame in run.frames)


def test_it_paints_ahead_while_the_models_take_longer():
    run = whole(Run("x", fake_pair(), REQUEST))
    painter = Painter(slow_pair(), run.events)
    painter.slow, painter.seconds = True, 1.0
    assert painter.ahead(0, 3.9) is None
    assert painter.ahead(0, 4.1) is not None
    assert painter.ahead(len(run.events) - 1, 10**9) is None, "the end of a round changes no picture"
    assert painter.ahead(-1, 10**9) is None


def test_what_is_painted_later_is_the_same_picture(slow):
    quick, late = whole(Run("x", fake_pair(), REQUEST)), whole(Run("x", slow, REQUEST))
    for index in range(len(quick.frames)):
        if quick.painter.has(index):
            assert np.array_equal(quick.painter.paint(index), late.painter.paint(index))
    assert np.array_equal(late.painter.paint(late.painter.settled()[-1]), late.trace().pictures[0])
    assert len(late.painter.settled()) == len(late.schedule)


def test_a_page_asks_for_the_picture_that_it_shows(slow):
    visits = Visits(lambda: slow)
    frames, visit = gathered(visits.generate(new_visit(), SETTINGS))
    missing = [frame["index"] for frame in frames if "unpainted" in frame]
    before = slow.tokenizer.painted
    answer = visits.picture(visit.name, missing[-1], 0)
    assert answer["picture"].startswith("data:image/webp;base64,")
    assert visits.picture(visit.name, missing[-1], 0) == answer
    assert slow.tokenizer.painted == before + 1
    (again,) = visits.frames(visit.name, missing[-1], missing[-1] + 1)["frames"]
    assert again["picture"] == answer["picture"]
    assert "unpainted" not in again
    known = next(index for index in range(len(frames)) if "rows" in visits.token(visit.name, index, 0))
    assert visits.swatches(visit.name, known, 0) == {"notice": SLOW}


@pytest.mark.parametrize("event", [-1, 10**9, None, "1", 1.0, True, [1]])
def test_a_picture_that_cannot_be(slow, event):
    visits = Visits(lambda: slow)
    frames, visit = gathered(visits.generate(new_visit(), SETTINGS))
    assert visits.picture(visit.name, event, 0) == {"notice": NO_PICTURE}
    assert visits.picture(visit.name, len(frames) - 1, 0) == {"notice": NO_PICTURE}
    for name in ("nobody.1", None, 7, ["x"]):
        assert visits.picture(name, 0, 0) == {"notice": MADE_ROOM}


def test_painting_takes_turns(slow, monkeypatch):
    monkeypatch.setattr("app.answers.MOST_WAIT", 0.01)
    visits = Visits(lambda: slow)
    frames, visit = gathered(visits.generate(new_visit(), SETTINGS))
    missing = next(frame["index"] for frame in frames if "unpainted" in frame)
    with visits._painting:
        assert visits.picture(visit.name, missing, 0) == {"notice": MANY_ASK}
    assert "picture" in visits.picture(visit.name, missing, 0)


def test_files_with_pictures_have_those_of_every_scale(slow, tmp_path):
    visits = Visits(lambda: slow)
    _, visit = gathered(visits.generate(new_visit(), SETTINGS))
    assert len(pictures_of(visits.shown(visit))) == 1, "a trace needs none"
    shown = visits.shown(visit, painted=True)
    settled = visits._runs.named(visit.name).painter.settled()
    assert set(settled) <= set(pictures_of(shown))
    from app.stage.replay import replay_page

    assert '"unpainted":true' not in replay_page(shown.header, shown.frames, shown.baseline, True)
    shown.trace.save(tmp_path / "trace.json")
    payload, opened = visits.open(new_visit(), tmp_path / "trace.json")
    missing = [frame["index"] for frame in payload["frames"] if "unpainted" in frame]
    assert missing, "an opened trace is painted when someone looks, too"
    assert "picture" in visits.picture(opened.name, missing[-1], 0)
