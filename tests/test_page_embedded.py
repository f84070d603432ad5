"""The page on the models that ship with this repository: what a visitor's first press of Generate gives."""

import sdvar_core as sd
from tests.browser import BROWSER_TEST, go_to, shown
from tests.test_page import WORLD, assert_counters, expected_verdicts, verdicts

pytestmark = BROWSER_TEST


def test_generate_shows_the_run_of_these_settings(finished, pair):
    trace = sd.generate(pair, label=WORLD, seed=7, gamma=3)
    assert finished.evaluate("sdvar.count") == len(trace.events)
    assert verdicts(finished) == expected_verdicts(trace, len(pair.schedule))
    tokens = finished.evaluate("sdvar.state.scales.map(s => Array.from(s.tokens))")
    assert tokens == [entry[0].tolist() for entry in trace.tokens]
    for index in range(len(trace.events)):
        go_to(finished, index)
        assert_counters(finished, trace, index)
    assert shown(finished, "against") == "identical"
