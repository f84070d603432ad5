"""Views that explain: masks to compare, and the difference to the exact picture."""

import base64
import time

import numpy as np
import pytest

from tests.browser import BROWSER_TEST, drawn, generate, go_to, resize
from tests.test_page_tokens import choose_rule

pytestmark = BROWSER_TEST
LIGHT = True

WRONG = {"token": "in its own scale", "within": "itself alone", "row0": "first rows", "query": "own guessed tokens"}
PIXELS = """name => { const canvas = document.querySelector(`[data-part=${name}]`);
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height), chunks = [];
  for (let i = 0; i < data.length; i += 8192) chunks.push(String.fromCharCode(...data.subarray(i, i + 8192)));
  return btoa(chunks.join("")); }"""


def pixels(page, name):
    drawn(page)
    return np.frombuffer(base64.b64decode(page.evaluate(PIXELS, name)), np.uint8).reshape(-1, 4)


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_wrong_masks_are_drawn_and_told_beside_the_right_one(finished, width, height):
    resize(finished, width, height)
    go_to(finished, finished.evaluate("(() => { let i = sdvar.count - 1; do sdvar.goTo(--i); while (sdvar.frame.kind "
                                      "!== 'target_call' || sdvar.frame.start < 3); return i; })()"))  # fmt: skip
    assert not finished.is_visible('[data-part="mask-said"]')
    seen = [pixels(finished, "mask")]
    for kind, words in WRONG.items():
        finished.select_option('[data-part="mask-kind"]', kind)
        drawn(finished)
        assert words in finished.inner_text('[data-part="mask-said"]')
        assert words in finished.get_attribute('[data-part="mask"]', "aria-label")
        seen.append(pixels(finished, "mask"))
        card = "document.querySelector('.mask-card')"
        assert finished.evaluate(f"{card}.scrollHeight <= {card}.clientHeight + 1")
    drawings = {drawing.tobytes() for drawing in seen}
    assert len(drawings) == len(seen)


def test_the_row_of_a_token_follows_the_mask(finished):
    finished.evaluate("sdvar.select(5, 3)")
    finished.select_option('[data-part="mask-kind"]', "within")
    with_row = pixels(finished, "mask")
    finished.evaluate("sdvar.select(5, 30)")
    assert (pixels(finished, "mask") != with_row).any()


def test_the_difference_of_an_exact_run_is_none(visitor):
    visitor.click("[data-picture=difference]")
    drawn(visitor)
    assert "appears here" in visitor.get_attribute('[data-part="picture"]', "aria-label")
    generate(visitor)
    drawn(visitor)
    assert "all tokens equal" in visitor.get_attribute('[data-part="picture"]', "aria-label")


def test_the_difference_is_shown_after_every_scale(visitor, pair):
    choose_rule(visitor, "token")
    generate(visitor)
    visitor.click("[data-picture=difference]")
    visitor.wait_for_function("document.querySelector('[data-part=picture]').ariaLabel.includes('black is equal')")
    scales = len(pair.schedule)
    assert f"after {scales} of {scales}" in visitor.get_attribute('[data-part="picture"]', "aria-label")
    picture = pixels(visitor, "picture")[:, :3]
    assert picture.max() > 20
    visitor.keyboard.press("Home")
    drawn(visitor)
    assert "Nothing is committed" in visitor.get_attribute('[data-part="picture"]', "aria-label")


def test_pictures_that_were_not_painted_ahead_come_when_someone_looks(finished, visitor, monkeypatch):
    monkeypatch.setattr("app.painting.QUICK", 0.0)
    monkeypatch.setattr("app.painting.SHARE", 0.0)
    generate(visitor)
    names, until = ("picture", "pyramid"), time.monotonic() + 20.0
    wanted = [pixels(finished, name) for name in names]
    while any((pixels(visitor, name) != one).any() for name, one in zip(names, wanted)):
        assert time.monotonic() < until
    assert visitor.evaluate("sdvar.frame.counters.decoder_ms") < finished.evaluate("sdvar.frame.counters.decoder_ms")
