"""Gestures of a visitor of the Tree tab."""

from urllib.parse import urlencode

import sdvar_core as sd
from tests.browser import drawn

STAGE = "#tree-stage"
PROMPT = b"def __init__(self, "
SETTINGS = {"prompt": PROMPT.decode(), "topk": 4, "steps": 3, "nodes": 24, "length": 40, "seed": 7}
SEEK = """test => { let i = sdvarTree.count - 1; const holds = new Function("return " + test);
  for (sdvarTree.goTo(i); i > 0 && !holds();) sdvarTree.goTo(--i); }"""


def trace_of(pair, **settings):
    """The run that the controls ask for once the length is 40."""
    return sd.generate_text(pair, **(SETTINGS | settings))


def opened(visit, address, width=1440, height=900, theme="light", **query):
    """A fresh visitor, on the Tree tab, once its stage is there."""
    page = visit(f"{address}?{urlencode({'__theme': theme} | query)}", width, height)
    page.wait_for_selector("#generate", state="attached")
    if query.get("tab") != "tree":
        page.get_by_role("tab", name="Tree", exact=True).click()
    page.wait_for_selector(f"{STAGE} .stage[data-ready=true]")
    return page


def part(name):
    return f'{STAGE} [data-part="{name}"]'


def told(page, name):
    return page.inner_text(part(name))


def set_number(page, name, value):
    field = f"#tree-{name} input[type=number]"
    page.fill(field, str(value))
    page.press(field, "Tab")


def choose(page, **settings):
    for name, value in settings.items():
        if name == "prompt":
            page.fill("#tree-prompt textarea", value)
        else:
            set_number(page, name, value)


def generate(page):
    before = page.evaluate("sdvarTree.header.run")
    page.click("#tree-generate")
    page.wait_for_function(
        "run => sdvarTree.header.run !== run && sdvarTree.finished && sdvarTree.baseline && "
        "sdvarTree.cursor === sdvarTree.count - 1",
        arg=before,
        timeout=60_000,
    )


def go_to(page, index):
    page.evaluate("index => sdvarTree.goTo(index)", index)
    drawn(page)


def seek(page, condition):
    """Back from the end to the last event of which the condition, JavaScript, holds."""
    page.evaluate(SEEK, condition)
    drawn(page)


def pick(page, box, name):
    """Choose from a menu of the rail."""
    page.click(f"#tree-{box} input")
    page.get_by_role("option", name=name, exact=True).click()
    page.wait_for_timeout(300)  # its note


def unfold(page, accordion):
    page.click(f"#{accordion} > button")
    page.wait_for_timeout(300)
