"""The address: what fits is taken, what does not is left out and told, whoever wrote it."""

import pytest

from app.address import PARAMETERS, read_address
from app.menu import Menu
from app.session import Visits, new_visit
from app.tabs.scales import ORDER
from sdvar_core import Request
from tests.fakes import fake_pair
from tests.test_session import SETTINGS, gathered, without_time

DEFAULTS = SETTINGS | {"carry_over": "off"}


def read(**query):
    return read_address(query, DEFAULTS, Menu(fake_pair))


def test_every_control_has_its_parameter():
    assert tuple(PARAMETERS.values()) == ORDER
    assert set(PARAMETERS.values()) <= set(Request.__dataclass_fields__)


def test_an_address_without_settings_asks_for_nothing():
    address = read(__theme="dark", utm_source="x")
    assert (address.settings, address.event, address.notice) == ({}, None, None)


def test_settings_that_fit_are_taken():
    address = read(world="rock", seed="12", rule="greedy", gamma="1", draft_length="stepwise", guidance="0.3",
                   temperature="0.95", top_k="3", top_p="0.5", carry_over="true", event="4")  # fmt: skip
    assert address.settings == {"label": "rock", "seed": 12, "rule": "greedy", "gamma": 1, "draft_length": "stepwise",
                                "guidance": 0.3, "temperature": 0.95, "top_k": 3, "top_p": 0.5,
                                "carry_over": "stale"}  # fmt: skip
    assert address.event == 4
    assert address.notice is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("world", "atlantis"),
        ("world", "<img src=x onerror=alert(1)>"),
        ("world", "0"),
        ("seed", "-1"),
        ("seed", "1.5"),
        ("seed", "9" * 40),
        ("seed", "9" * 100_000),
        ("seed", ""),
        ("rule", "{{value}}"),
        ("rule", "__class__"),
        ("gamma", "99"),
        ("gamma", "nan"),
        ("draft_length", "../../etc/passwd"),
        ("guidance", "nan"),
        ("guidance", "inf"),
        ("guidance", "1e999"),
        ("temperature", "0"),
        ("temperature", "-1"),
        ("top_k", "-1"),
        ("top_p", "2"),
        ("carry_over", "yes"),
        ("event", "0"),
        ("event", "-3"),
        ("event", "1e9"),
        ("event", "99999999999"),
        ("event", None),
    ],
)
def test_a_value_that_does_not_fit_is_left_out_and_told_in_one_sentence(name, text):
    address = read(**{"world": "rock", "seed": "3", name: text})
    assert PARAMETERS.get(name) not in address.settings
    assert address.event is None
    assert len(address.settings) == (1 if name in ("world", "seed") else 2)
    assert address.notice == f"The address holds values that do not fit and were left out: {name}."


def test_values_must_fit_one_another():
    address = read(rule="token", tolerance="0.1")
    assert address.settings == {"rule": "token"}
    assert "tolerance" in address.notice


def test_the_run_of_an_address_is_made_again_up_to_its_event():
    visits = Visits(fake_pair)
    whole, _ = gathered(visits.generate(new_visit(), SETTINGS))
    for event in (1, 6, len(whole), 10_000):
        frames, visit = gathered(visits.restore(new_visit(), SETTINGS, event))
        assert without_time(frames) == without_time(whole[:event])
        assert visit.count == min(event, len(whole))


def test_a_restored_run_goes_on_and_can_be_stopped():
    visits = Visits(fake_pair)
    *_, (payload, visit) = visits.restore(new_visit(), SETTINGS, 5)
    assert not payload["busy"]
    (payload, _), *_ = visits.forward(visit)
    assert (payload["first"], payload["count"]) == (5, 6)
    values = visits.restore(new_visit(), SETTINGS, 5)
    _, visit = next(values)
    visits.stop(visit)
    assert [payload["count"] for payload, _ in values] == [1]
