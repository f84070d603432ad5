"""The table of acceptance rules: what each is called, whether it is exact, and what can be set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from sdvar_core.errors import RequestError
from sdvar_core.probability import residual
from sdvar_core.randomness import ScaleLuck
from sdvar_core.request import real_number, whole_number
from sdvar_core.speculative import acceptance, relaxed
from sdvar_core.speculative.acceptance import Verdict, draft_draw, likeliest, target_answer

Draw = Callable[[Tensor, ScaleLuck], Tensor]


@dataclass(frozen=True)
class Option:
    """A number that a rule takes: its default, its bounds, and one line on what it does."""

    default: float
    least: float
    most: float
    sentence: str
    whole: bool = False

    def checked(self, name: str, value: object) -> float:
        """The value as a number within the bounds; RequestError otherwise."""
        if self.whole:
            return whole_number(name, value, int(self.least), int(self.most))
        return real_number(name, value, self.least, self.most)


@dataclass(frozen=True)
class Rule:
    """How the draft proposes, how the target answers alone, and how a proposal is judged.

    exact: the committed tokens have the target's law, as long as every option has its default.
    codebook: ``judge`` takes the codebook too. whole: a scale has one verdict, not one for each token.
    redraw: of p and q, the distribution that a token which is not kept is drawn from; None where the target's own
    answer stands instead, or the scale is redrawn as a whole.
    """

    name: str
    exact: bool
    sentence: str
    judge: Callable[..., Verdict]
    propose: Draw = draft_draw
    answer: Draw = target_answer
    options: Mapping[str, Option] = field(default_factory=dict)
    codebook: bool = False
    whole: bool = False
    redraw: Callable[[Tensor, Tensor], Tensor] | None = None

    def checked(self, options: Mapping[str, object]) -> dict[str, float]:
        """All options of the rule, those not given at their defaults; RequestError for an unknown or impossible one."""
        for name in options:
            if name not in self.options:
                known = ", ".join(self.options) or "none"
                raise RequestError(f"Rule {self.name!r} has no option {name!r}; its options: {known}.")
        return {name: option.checked(name, options.get(name, option.default)) for name, option in self.options.items()}

    def exact_with(self, options: Mapping[str, float]) -> bool:
        """Whether the rule is exact with these options."""
        return self.exact and all(
            options.get(name, option.default) == option.default for name, option in self.options.items()
        )


def _least_kept(default: float) -> Option:
    return Option(default, 0.01, 1.0, "Share of kept tokens from which a scale passes.")


_ALL_RULES = (
    Rule(
        "coupled",
        True,
        "Draft and target share their luck. The picture equals the target's own, token for token.",
        acceptance.coupled,
        propose=target_answer,
        options={"tolerance": Option(0.0, 0.0, 1.0, "Share of changed tokens with which a scale passes; 0 is exact.")},
    ),
    Rule(
        "token",
        True,
        "Each guess is kept with probability min(1, p/q), else redrawn. The distribution is the target's.",
        acceptance.token,
        redraw=residual,
    ),
    Rule(
        "scale",
        True,
        "A scale is kept whole with probability min(1, P/Q), else redrawn. The distribution is the target's.",
        acceptance.scale,
        options={"leniency": Option(0.0, 0.0, 1.0, "Nats a token by which the test is eased; 0 is exact.")},
        whole=True,
    ),
    Rule(
        "greedy",
        True,
        "Always the likeliest code, as at temperature 0. The picture equals the target's greedy one.",
        acceptance.greedy,
        propose=likeliest,
        answer=likeliest,
    ),
    Rule(
        "top1",
        False,
        "A scale passes if enough guesses are the target's likeliest code.",
        relaxed.top1,
        options={"least_kept": _least_kept(0.5)},
    ),
    Rule(
        "topk",
        False,
        "A scale passes if enough guesses are among the target's k likeliest codes.",
        relaxed.topk,
        options={
            "least_kept": _least_kept(0.8),
            "k": Option(50, 1, 65536, "How many of the target's likeliest codes count.", whole=True),
        },
    ),
    Rule(
        "kl",
        False,
        "A guess is kept where draft and target nearly agree in distribution.",
        relaxed.kl,
        options={"least_kept": _least_kept(0.8), "bound": Option(0.5, 0.0, 100.0, "Largest KL(p‖q) in nats.")},
    ),
    Rule(
        "typical",
        False,
        "A guess is kept where the target finds it typical: likely enough for its own uncertainty.",
        relaxed.typical,
        options={
            "least_kept": _least_kept(0.8),
            "epsilon": Option(0.1, 0.0, 1.0, "A probability that is always enough."),
            "delta": Option(0.3, 0.0, 1.0, "Share of e^−entropy that is enough."),
        },
    ),
    Rule(
        "neighbours",
        False,
        "Codes that look alike lend each other their probability.",
        relaxed.neighbours,
        options={
            "least_kept": _least_kept(0.8),
            "k": Option(10, 1, 65536, "How many of the nearest codes lend.", whole=True),
            "bound": Option(0.2, 0.0, 1.0, "Most probability that may be lent."),
        },
        codebook=True,
        redraw=residual,
    ),
    Rule(
        "likelihood",
        False,
        "A scale is kept whole if the target finds it hardly more surprising than its own draws, else redrawn whole.",
        relaxed.likelihood,
        options={"bound": Option(0.1, 0.0, 100.0, "Largest mean excess surprise in nats a token.")},
        whole=True,
    ),
    Rule(
        "budget",
        False,
        "Like token, but a scale may pass with corrected tokens while draft and target differ little in all.",
        relaxed.budget,
        options={"bound": Option(4.0, 0.0, 1e6, "Largest sum of TV(p, q) over the scale.")},
        redraw=residual,
    ),
)
RULES: dict[str, Rule] = {rule.name: rule for rule in _ALL_RULES}


def rule_named(name: str) -> Rule:
    """The rule of that name; RequestError for an unknown one."""
    if name not in RULES:
        raise RequestError(f"Unknown rule {name!r}: choose one of {', '.join(RULES)}.")
    return RULES[name]
