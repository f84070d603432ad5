"""The shared loop on a toy problem with a clock that only steps move."""

import dataclasses
import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sdvar_core.training.loop import LoopSettings, Training, rate_factor, read_history, save_atomically
from sdvar_core.training.sheets import contact_sheet, loss_curves


class Toy:
    """Fits a line; every loss moves the clock by a quarter of a second; may fail at a chosen step."""

    def __init__(self, fail_at: int | None = None, bad_step: int | None = None):
        self.model = nn.Linear(3, 1)
        with torch.no_grad():
            self.model.weight.fill_(0.0)
            self.model.bias.fill_(0.0)
        self.optimizers = [torch.optim.AdamW(self.model.parameters(), lr=0.05)]
        self.generator = torch.Generator().manual_seed(0)
        self.seconds, self.fail_at, self.bad_step = 0.0, fail_at, bad_step
        self.rates, self.after = [], 0

    def clock(self) -> float:
        return self.seconds

    def loss(self, progress, step):
        if step == self.fail_at:
            raise KeyboardInterrupt
        self.seconds += 0.25
        inputs = torch.randn(16, 3, generator=self.generator)
        loss = (self.model(inputs).float() - inputs.sum(dim=1, keepdim=True)).square().mean()
        return (loss * math.nan if step == self.bad_step else loss), {"constant": 2.0}

    def after_step(self, progress, step):
        self.rates.append(self.optimizers[0].param_groups[0]["lr"])
        self.after += 1

    def state_dict(self):
        return {"generator": self.generator.get_state(), "after": self.after}

    def load_state_dict(self, state):
        self.generator.set_state(state["generator"])
        self.after = state["after"]


def settings_for(path, seconds: float = 20.0, **changes) -> LoopSettings:
    settings = LoopSettings(path, seconds / 60, warmup_steps=8, checkpoint_seconds=2.0, history_seconds=1.0)
    return dataclasses.replace(settings, **changes)


def train(task: Toy, settings: LoopSettings) -> Training:
    training = Training(task, settings, clock=task.clock, report=io.StringIO(), device=torch.device("cpu"))
    training.run()
    return training


def assert_same(one: nn.Module, other: nn.Module) -> None:
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path):
    whole = train(Toy(), settings_for(tmp_path / "whole"))
    broken = Toy(fail_at=37)
    with pytest.raises(KeyboardInterrupt):
        train(broken, settings_for(tmp_path / "broken"))
    resumed = train(Toy(), settings_for(tmp_path / "broken"))
    assert whole.step == resumed.step == 80
    assert resumed.task.after == 80
    assert_same(whole.task.model, resumed.task.model)
    assert_same(whole.average, resumed.average)
    assert [row["step"] for row in read_history(tmp_path / "whole/history.jsonl")][-1] == 80
    steps = [row["step"] for row in read_history(tmp_path / "broken/history.jsonl")]
    assert steps == sorted(set(steps))


def test_training_learns_and_a_finished_run_stays_finished(tmp_path):
    first = train(Toy(), settings_for(tmp_path, seconds=60))
    rows = read_history(tmp_path / "history.jsonl")
    assert rows[-1]["loss"] < 0.1 * rows[0]["loss"]
    assert rows[-1]["constant"] == 2.0
    again = train(Toy(), settings_for(tmp_path, seconds=60))
    assert again.task.rates == []
    assert_same(first.average, again.average)


def test_a_raised_budget_goes_on_from_before_the_decay(tmp_path):
    train(Toy(), settings_for(tmp_path, seconds=20))
    longer = train(Toy(), settings_for(tmp_path, seconds=40))
    assert longer.step == 160
    assert len(longer.task.rates) == 160 - 56  # the decay began after 14 of 20 seconds, at step 56
    assert longer.task.rates[0] == pytest.approx(0.05)
    whole = train(Toy(), settings_for(tmp_path / "whole", seconds=40))
    assert_same(whole.task.model, longer.task.model)


def test_rates_warm_up_stay_and_fall(tmp_path):
    settings = settings_for(tmp_path)
    assert rate_factor(0, 0.0, settings) == pytest.approx(1 / 8)
    assert rate_factor(7, 0.1, settings) == 1.0
    assert rate_factor(50, 0.69, settings) == 1.0
    assert rate_factor(50, 0.85, settings) == pytest.approx(0.5)
    assert rate_factor(50, 1.0, settings) == 0.0
    rates = train(Toy(), settings).task.rates
    assert rates[0] == pytest.approx(0.05 / 8)
    assert max(rates) == pytest.approx(0.05)
    assert rates[-1] < 0.003


def test_a_step_that_overflows_is_left_out_and_counted(tmp_path):
    training = train(Toy(bad_step=5), settings_for(tmp_path))
    assert all(torch.isfinite(value).all() for value in training.average.state_dict().values())
    rows = read_history(tmp_path / "history.jsonl")
    assert sum(row["skipped"] > 0 for row in rows) == 1
    assert all(math.isfinite(row["loss"]) for row in rows)


def test_progress_is_plain_lines_where_there_is_no_terminal(tmp_path):
    task, report = Toy(), io.StringIO()
    settings = settings_for(tmp_path, report_seconds=5.0)
    Training(task, settings, clock=task.clock, report=report, device=torch.device("cpu")).run()
    lines = report.getvalue().splitlines()
    assert 4 <= len(lines) <= 6
    assert "\r" not in report.getvalue()
    assert "step 80" in lines[-1]


def test_a_terminal_gets_one_line_rewritten(tmp_path):
    task, report = Toy(), io.StringIO()
    report.isatty = lambda: True
    Training(task, settings_for(tmp_path), clock=task.clock, report=report, device=torch.device("cpu")).run()
    assert report.getvalue().count("\n") == 1
    assert report.getvalue().count("\r") > 10


def test_no_half_written_checkpoint_is_left(tmp_path):
    save_atomically({"value": 1}, tmp_path / "deep/checkpoint.pt")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["checkpoint.pt"]


def test_a_figure_that_comes_late_is_averaged_over_the_steps_that_have_it(tmp_path):
    class Late(Toy):
        def loss(self, progress, step):
            loss, figures = super().loss(progress, step)
            return loss, figures | ({"held_out": 4.0} if step >= 6 else {})

    train(Late(), settings_for(tmp_path, 5.0))
    rows = read_history(tmp_path / "history.jsonl")
    assert {row["held_out"] for row in rows if "held_out" in row} == {4.0}
    assert "held_out" not in rows[0]


def test_a_torn_history_line_ends_the_history(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps({"step": 1, "loss": 2.0}) + "\n" + '{"step": 2, "lo', encoding="utf-8")
    assert read_history(path) == [{"step": 1, "loss": 2.0}]
    assert read_history(tmp_path / "none.jsonl") == []


def read_picture(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_contact_sheets_keep_pictures_where_they_belong(tmp_path):
    pictures = np.zeros((5, 8, 8, 3), np.uint8)
    pictures[:, :, :, 0] = np.arange(5)[:, None, None] * 40
    contact_sheet(pictures, 3, tmp_path / "plain.png")
    sheet = read_picture(tmp_path / "plain.png")
    assert sheet.shape == (18, 28, 3)
    assert sheet[12, 12].tolist() == [160, 0, 0]
    contact_sheet(pictures[:4], 2, tmp_path / "named.png", ["one", "two"], cell=16)
    assert read_picture(tmp_path / "named.png").shape == (34, 96 + 34, 3)


def test_curves_are_drawn(tmp_path):
    history = [{"minutes": 0.1 * step, "loss": 1 / (1 + step), "psnr": float(step)} for step in range(5)]
    loss_curves(history, [["loss"], ["psnr", "missing"]], "Toy", tmp_path / "curves.png")
    assert read_picture(tmp_path / "curves.png").shape[1] > 500
