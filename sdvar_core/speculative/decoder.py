"""One run in progress: draft some scales, check them all in one target call, keep what the rule keeps.

Target-only decoding is this with gamma = 0. Source: design section 2; Leviathan et al. 2023 lifted from tokens to
scales of a VAR pyramid (Tian et al. 2024).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdvar_core.carry_over import refreshed
from sdvar_core.errors import RequestError
from sdvar_core.events import Bonus, Carried, Drafted, Event, Judged, RoundEnd, TargetCall, Unverified
from sdvar_core.phases import Phase, plan
from sdvar_core.probability import entropy, of_token
from sdvar_core.randomness import Luck, ScaleLuck
from sdvar_core.request import Request
from sdvar_core.speculative.acceptance import Verdict
from sdvar_core.speculative.clock import Clock
from sdvar_core.speculative.costs import Costs, Timing
from sdvar_core.speculative.draft_length import GoOn, Outcome, always, draft_length_named
from sdvar_core.speculative.overturn import overturned
from sdvar_core.speculative.pair import Pair, ScaleModel
from sdvar_core.speculative.reader import Prefix, Reader
from sdvar_core.speculative.records import floats, ints, judged
from sdvar_core.speculative.rules import rule_named

Listener = Callable[[Event, Tensor | None, Tensor | None], None]
"""Told an event with the p and q it came from, float64 (batch, n², codes), just before the event is yielded."""


def nobody(event: Event, target: Tensor | None, draft: Tensor | None) -> None:
    """The listener of a run whose distributions nobody asks for."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A guess of one scale: tokens int64 (batch, n²) and q, the distribution that they were drawn from.

    If the draft was asked: its guided logits, their distribution (q, unless stale answers corrected it), q's entropy.
    """

    tokens: Tensor
    distribution: Tensor
    logits: Tensor | None = None
    draft: Tensor | None = None
    entropy: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Window:
    """The scales that a round is about: the first of them, what is proposed, and the prefix if all of it were kept."""

    start: int
    proposals: list[Proposal]
    supposed: Prefix


class Decoder:
    """The state of one run, and one method for each step of a round. The steps are what a fault replaces.

    listener: hears the distributions, which events do not carry: they are a hundred times as large as all else.
    costs: what forwards cost, for the controllers that ask; None means to measure them during the run.
    settings, rule, options: those in force at the event that is being made; a fork of the request changes them.
    by_hand: tokens whose verdict is turned round at that event.
    window, answers: of the round in progress, or of the last one; answers are the target's guided logits.
    """

    listener: Listener = staticmethod(nobody)
    carried: dict[int, tuple[Tensor, Tensor | None]]  # by scale: stale answers, and what the draft thought then

    def __init__(self, pair: Pair, request: Request, clock: Clock, luck: Luck, costs: Costs | None = None) -> None:
        self.pair, self.request, self.clock, self.luck = pair, request, clock, luck
        self.scales = len(pair.schedule)
        self.phases = plan(request.phases, self.scales)
        self.parts = request.parts
        self.adopt(self.parts[0])
        self.by_hand: list[int] = []
        self.draft_length = draft_length_named(request.draft_length)
        self.given_costs = costs
        self.draft = self.new_reader(pair.draft)
        self.target = self.new_reader(pair.target)
        self.prefix = Prefix.empty(pair.tokenizer.quantizer, request.batch)
        self.window = Window(0, [], self.prefix)
        self.answers: list[Tensor] = []
        self.carried = {}
        self.rounds: list[RoundEnd] = []
        self.outcomes: list[Outcome] = []
        self.draft_timings: list[Timing] = []
        self.target_timings: list[Timing] = []

    def events(self) -> Iterator[Event]:
        """Decode to the end, yielding every event as it happens. RequestError at a fork that this run cannot take."""
        number = 0
        self.reach(number)
        for phase in self.phases:
            while self.prefix.scales < phase.until:
                for event in self.round(phase):
                    if self.by_hand and not isinstance(event, Judged):
                        raise RequestError(
                            f"Event {number + 1} of this run judges no scale: only there can a verdict be overturned."
                        )
                    yield event
                    number += 1
                    self.reach(number)
        if self.request.forks and self.request.forks[-1].event > number:
            raise RequestError(f"This run ends after {number} events: there is no later one to fork at.")

    def reach(self, number: int) -> None:
        """Take on what the request's forks change from event ``number`` on."""
        self.by_hand = []
        for fork, part in zip(self.request.forks, self.parts[1:]):
            if fork.event == number:
                self.adopt(part)
                self.by_hand += [] if fork.token is None else [fork.token]

    def adopt(self, settings: Request) -> None:
        """Put the rule, its options and the γ of these settings in force."""
        self.settings, self.rule = settings, rule_named(settings.rule)
        self.options = self.rule.checked(dict(settings.options))
        if self.rule.codebook:
            self.options["codebook"] = self.pair.tokenizer.quantizer.codebook

    def round(self, phase: Phase) -> Iterator[Event]:
        """Draft, verify, judge, commit, roll back."""
        go_on = always if phase.do == "draft" else self.draft_length.go_on
        window = self.window = yield from self.propose(self.gamma(phase), go_on)
        if phase.do == "draft":
            tokens = yield from self.trust(window)
        else:
            answers = yield from self.verify(window)
            tokens = yield from self.judge(window, answers)
        yield self.commit(window, tokens)

    def gamma(self, phase: Phase) -> int:
        """Scales to propose in this round.

        The last scale of a phase is never drafted to be verified: the call that checks the others gives it for free.
        """
        left = phase.until - self.prefix.scales
        if phase.do == "draft":
            return left
        if phase.do == "target":
            return 0
        chosen = self.draft_length.choose(self.settings.gamma, self.outcomes, self.prefix.scales, self.costs)
        return min(chosen, left - 1)

    def propose(self, gamma: int, go_on: GoOn) -> Generator[Event, None, Window]:
        """Guess gamma scales, or fewer, each from the guesses before it; what is committed stays untouched."""
        start, supposed, proposals, entropies = self.prefix.scales, self.prefix, [], []
        for scale in range(start, start + gamma):
            if not go_on(entropies):
                break
            if scale in self.carried and self.request.carry_over == "stale":
                stale, _ = self.carried[scale]
                proposal = Proposal(self.rule.propose(stale, self.luck_of(scale)), stale)
                yield self.told(Carried(self.number, scale, ints(proposal.tokens)), None, stale)
            else:
                proposal = yield from self.guess(scale, supposed)
                entropies.append(proposal.entropy.flatten().tolist())
            proposals.append(proposal)
            supposed = self.extended(supposed, proposal.tokens)
        return Window(start, proposals, supposed)

    def guess(self, scale: int, supposed: Prefix) -> Generator[Event, None, Proposal]:
        """One forward of the draft, over the scales that its cache misses and this one."""
        began, read_from = self.clock(), self.draft.cache.scales
        logits = self.draft.logits(supposed.inputs, scale + 1)[-1]
        own = self.draft.distribution(logits)
        stale, then = self.carried.get(scale, (None, None))
        q = own if then is None else refreshed(own, stale, then)
        seconds = self.clock() - began
        self.draft_timings.append(Timing(read_from, scale + 1, seconds))
        x, unsure = self.rule.propose(q, self.luck_of(scale)), entropy(q)
        numbers = ints(x), floats(of_token(q, x)), floats(unsure)
        yield self.told(Drafted(self.number, scale, read_from, *numbers, seconds), None, q)
        return Proposal(x, q, logits, own, unsure)

    def verify(self, window: Window) -> Generator[Event, None, list[Tensor]]:
        """One forward of the target: its distributions of the proposed scales and of the one after them."""
        stop = window.start + len(window.proposals) + 1
        began, read_from = self.clock(), self.target.cache.scales
        self.answers = self.target.logits(self.query(window), stop)[window.start - stop :]
        answers = [self.target.distribution(logits) for logits in self.answers]
        seconds = self.clock() - began
        self.target_timings.append(Timing(read_from, stop, seconds))
        yield TargetCall(self.number, len(self.target_timings), read_from, window.start, stop, seconds)
        return answers

    def query(self, window: Window) -> Sequence[Tensor | None]:
        """The inputs of the scales 0 … one after the proposed ones: that of a scale holds the tokens before it."""
        return window.supposed.inputs

    def judge(self, window: Window, answers: list[Tensor]) -> Generator[Event, None, list[Tensor]]:
        """Judge scale by scale until one does not pass; after a full pass the target draws the next scale itself.

        Returns the tokens to commit, one (batch, n²) a scale.
        """
        self.carried, committed = {}, []
        for scale, (proposal, p) in enumerate(zip(window.proposals, answers), window.start):
            verdict = self.verdict(scale, proposal, p)
            for token in self.by_hand:
                verdict = overturned(verdict, token, p, proposal.tokens, self.rule, self.luck_of(scale))
            yield self.told(judged(self.number, scale, proposal, p, verdict), p, proposal.distribution)
            committed.append(verdict.tokens)
            if not verdict.passed.all():
                self.outcomes.append(Outcome(window.start, len(committed) - 1, failed=True))
                self.carry(window, answers, len(committed))
                return committed
        if window.proposals:
            self.outcomes.append(Outcome(window.start, len(committed), failed=False))
        scale, p = window.start + len(window.proposals), answers[-1]
        tokens = self.rule.answer(p, self.luck_of(scale))
        numbers = ints(tokens), floats(of_token(p, tokens)), floats(entropy(p))
        yield self.told(Bonus(self.number, scale, *numbers), p, None)
        return [*committed, tokens]

    def verdict(self, scale: int, proposal: Proposal, p: Tensor) -> Verdict:
        """What the rule says of one proposed scale."""
        return self.rule.judge(p, proposal.distribution, proposal.tokens, self.luck_of(scale), **self.options)

    def carry(self, window: Window, answers: list[Tensor], done: int) -> None:
        """Remember what the target answered, under slightly stale inputs, after the window's first ``done`` scales.

        With each goes what the draft thought under the same inputs; of the bonus scale it was not asked.
        """
        if self.request.carry_over != "off":
            drafts = [*(proposal.draft for proposal in window.proposals), None]
            self.carried = dict(list(enumerate(zip(answers, drafts), window.start))[done:])

    def trust(self, window: Window) -> Generator[Event, None, list[Tensor]]:
        """Take the proposals unverified."""
        for scale, proposal in enumerate(window.proposals, window.start):
            yield Unverified(self.number, scale, ints(proposal.tokens))
        return [proposal.tokens for proposal in window.proposals]

    def commit(self, window: Window, tokens: list[Tensor]) -> RoundEnd:
        """Advance the canvas once, by the tokens that stand, and roll both caches back."""
        for entry in tokens:
            self.prefix = self.extended(self.prefix, entry)
        held = self.draft.cache.scales, self.target.cache.scales
        self.roll_back(self.scales_still_true(window, tokens))
        end = RoundEnd(
            round=self.number,
            gamma=len(window.proposals),
            committed=self.prefix.scales,
            discarded=max(0, window.start + len(window.proposals) - self.prefix.scales),
            draft_cache=(held[0], self.draft.cache.scales),
            target_cache=(held[1], self.target.cache.scales),
        )
        self.rounds.append(end)
        return end

    def scales_still_true(self, window: Window, tokens: list[Tensor]) -> int:
        """How many scales' keys and values were made from the tokens that now stand.

        Those of scale s depend on the tokens of scales < s only (design section 1), so that the first changed scale
        is still true and the scales after it are not.
        """
        for scale, (proposal, entry) in enumerate(zip(window.proposals, tokens), window.start):
            if not torch.equal(proposal.tokens, entry):
                return scale + 1
        return window.start + len(tokens)

    def roll_back(self, scales: int) -> None:
        """Forget what the caches hold beyond the first ``scales`` scales."""
        for reader in (self.draft, self.target):
            reader.cache.rollback(min(reader.cache.scales, scales))

    def told(self, event: Event, target: Tensor | None, draft: Tensor | None) -> Event:
        """The event, once the listener has heard of it."""
        self.listener(event, target, draft)
        return event

    def new_reader(self, model: ScaleModel) -> Reader:
        """A model with a cache for this run."""
        return Reader(self.pair, model, self.request)

    @property
    def costs(self) -> Costs:
        """What forwards cost as far as is known now."""
        if self.given_costs is not None:
            return self.given_costs
        return Costs.expected(self.pair.schedule.lengths).measured(self.draft_timings, self.target_timings)

    @property
    def number(self) -> int:
        """Number of the current round, counted from 1."""
        return len(self.rounds) + 1

    def luck_of(self, scale: int) -> ScaleLuck:
        """The luck of one scale."""
        return self.luck.of_scale(scale, self.pair.schedule.lengths[scale])

    def extended(self, prefix: Prefix, tokens: Tensor) -> Prefix:
        """The prefix with one scale more."""
        return prefix.extended(tokens, last=prefix.scales + 1 == self.scales)
