"""The Tree tab on the embedded pair python-bytes."""

import sdvar_core as sd
from tests.browser import BROWSER_TEST, served
from tests.tree_browser import PROMPT, choose, generate, opened, told, trace_of

pytestmark = BROWSER_TEST


def test_the_real_pair_writes_its_own_greedy_text_in_fewer_calls(visit, pair):
    python_bytes = sd.load_pair("python-bytes")
    with served(pair, python_bytes) as url:
        page = opened(visit, url)
        choose(page, length=120)
        generate(page)
        trace = trace_of(python_bytes, length=120)
        text = PROMPT + trace.written
        assert page.evaluate("sdvarTree.state.text.map(b => b.token)") == list(text)
        assert told(page, "count-calls") == str(trace.target_calls)
        assert told(page, "count-against") == "identical"
        assert float(told(page, "count-reduction").removesuffix("×")) > 3
