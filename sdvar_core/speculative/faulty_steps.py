"""Decoders with one step wrong each, to stand in for the sound one in ``faults.py``."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sdvar_core.events import Event, Judged
from sdvar_core.probability import guidance_at, guide
from sdvar_core.speculative.acceptance import Verdict
from sdvar_core.speculative.decoder import Decoder, Proposal, Window
from sdvar_core.speculative.draft_length import GoOn
from sdvar_core.speculative.pair import ScaleModel
from sdvar_core.speculative.reader import Prefix, Reader


class AsksWithOwnTokens(Decoder):
    """The target's input of a proposed scale is the embedding of the proposed tokens themselves."""

    def query(self, window: Window) -> Sequence[Tensor | None]:
        """The codes' vectors of the proposals in place of the canvas, except at scale 0."""
        inputs, codebook = list(super().query(window)), self.pair.tokenizer.quantizer.codebook.detach()
        for scale, proposal in enumerate(window.proposals, window.start):
            if scale > 0:
                inputs[scale] = codebook[proposal.tokens]  # (batch, n², channels)
        return inputs


class ResetsCaches(Decoder):
    """Both caches are emptied at every round."""

    def roll_back(self, scales: int) -> None:
        """Forget everything."""
        super().roll_back(0)


class RollsBackTooFar(Decoder):
    """The corrected scale's own keys and values are dropped too."""

    def roll_back(self, scales: int) -> None:
        """Forget one scale more."""
        super().roll_back(max(0, scales - 1))


class AdvancesTwice(Decoder):
    """The draft advances the committed canvas in place, and the commit advances it again."""

    def propose(self, gamma: int, go_on: GoOn) -> Generator[Event, None, Window]:
        """Propose, and leave the proposals on the canvas."""
        window = yield from super().propose(gamma, go_on)
        prefix = self.prefix
        self.prefix = Prefix(prefix.quantizer, window.supposed.canvas, prefix.inputs, prefix.scales)
        return window


class KeepsOldInput(Decoder):
    """The next input is made before the canvas is advanced."""

    @torch.inference_mode()
    def extended(self, prefix: Prefix, tokens: Tensor) -> Prefix:
        """The right canvas with an input that lacks its newest scale."""
        right = super().extended(prefix, tokens)
        if right.scales == self.scales:
            return right
        stale = prefix.quantizer.features(prefix.canvas, right.scales)
        return Prefix(right.quantizer, right.canvas, (*prefix.inputs, stale), right.scales)


class AveragesAcceptance(Decoder):
    """One verdict for the whole batch: pass where half of all tokens are kept."""

    def verdict(self, scale: int, proposal: Proposal, p: Tensor) -> Verdict:
        """All pictures pass with their drafts, or none does."""
        verdict = super().verdict(scale, proposal, p)
        if verdict.kept.double().mean() < 0.5:
            return replace(verdict, passed=torch.zeros_like(verdict.passed))
        return replace(verdict, tokens=proposal.tokens, passed=torch.ones_like(verdict.passed))


class AcceptsAtOne(Decoder):
    """A lone proposal is always accepted."""

    def verdict(self, scale: int, proposal: Proposal, p: Tensor) -> Verdict:
        """Everything kept where one scale was proposed."""
        verdict = super().verdict(scale, proposal, p)
        if len(self.window.proposals) > 1:
            return verdict
        kept, passed = torch.ones_like(verdict.kept), torch.ones_like(verdict.passed)
        return Verdict(kept, proposal.tokens, passed, verdict.luck)


class StopsWhenRejected(Decoder):
    """The run ends where the first scale of a round fails."""

    def events(self) -> Iterator[Event]:
        """Decode until nothing is accepted."""
        for event in super().events():
            yield event
            if isinstance(event, Judged) and event.scale == self.prefix.scales and not event.passed.all():
                return


class DoesNotCatchUp(Decoder):
    """The draft counts scales as read that it never read."""

    def guess(self, scale: int, supposed: Prefix) -> Generator[Event, None, Proposal]:
        """Guess over whatever the cache's memory holds for the missing scales."""
        self.draft.cache.scales = scale
        return (yield from super().guess(scale, supposed))


class RecordsBeforeTopK(Decoder):
    """Guesses are drawn after top-k and top-p, and judged with the q from before."""

    def guess(self, scale: int, supposed: Prefix) -> Generator[Event, None, Proposal]:
        """The right guess with the wrong q."""
        proposal = yield from super().guess(scale, supposed)
        return replace(proposal, distribution=(proposal.logits.double() / self.request.temperature).softmax(dim=-1))


class VerifiesUnguided(Decoder):
    """The target reads without guidance what the draft guessed with it."""

    def new_reader(self, model: ScaleModel) -> Reader:
        """An unguided reader for the target."""
        guided = model is not self.pair.target
        return Reader(self.pair, model, self.request if guided else replace(self.request, guidance=0.0))


class SwapsGuidance(Decoder):
    """Both models are guided away from the class."""

    def new_reader(self, model: ScaleModel) -> Reader:
        """A reader that takes the two halves of the batch for one another."""
        return _SwappedReader(self.pair, model, self.request)


class _SwappedReader(Reader):
    def _guided(self, logits: Tensor, scale: int) -> Tensor:
        if not self.guided:
            return logits
        unconditional, conditional = logits.double().chunk(2)
        return guide(conditional, unconditional, guidance_at(self.request.guidance, scale, len(self.schedule)))


class DoublesTooLate(Decoder):
    """The unconditional half starts from the class's own embedding."""

    def new_reader(self, model: ScaleModel) -> Reader:
        """A reader whose doubled batch has one first input."""
        reader = super().new_reader(model)
        if reader.guided:
            conditional = reader.conditioning.first.chunk(2)[0]
            reader.conditioning = replace(reader.conditioning, first=torch.cat([conditional, conditional]))
        return reader


class SlicesAtAbsoluteOffsets(Decoder):
    """The target's rows are looked up where they would stand if the whole pyramid had been computed."""

    def new_reader(self, model: ScaleModel) -> Reader:
        """A misreading reader for the target."""
        reader = Reader if model is not self.pair.target else _AbsoluteReader
        return reader(self.pair, model, self.request)


class _AbsoluteReader(Reader):
    def logits(self, inputs: Sequence[Tensor | None], stop: int) -> list[Tensor]:
        start = self.cache.scales
        rows = torch.cat(super().logits(inputs, stop), dim=1)
        last, offsets = rows.shape[1] - 1, self.schedule.offsets
        return [
            rows[:, torch.arange(offsets[scale], offsets[scale + 1]).clamp_max(last)] for scale in range(start, stop)
        ]
