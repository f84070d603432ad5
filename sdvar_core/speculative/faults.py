"""A catalogue of mistakes that a speculative decoder of pictures can make; each can be switched on for one run.

A fault is a value that replaces parts: the decoder, the luck, or a model. The decoder knows of none. Most of them were
in the seed code (design section 8); the others are what is easily got wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sdvar_core.errors import RequestError
from sdvar_core.speculative import faulty_parts as parts
from sdvar_core.speculative import faulty_steps as steps
from sdvar_core.speculative.decoder import Decoder
from sdvar_core.speculative.pair import Pair, ScaleModel


def sound(part: Any) -> Any:
    """The part itself."""
    return part


@dataclass(frozen=True)
class Fault:
    """A mistake. sentence: what goes wrong. look: what one sees of it. origin: where it came from.

    decoder, luck, draft, target: what stands in for the sound part, or makes it from the sound one.
    """

    name: str
    sentence: str
    look: str
    origin: str
    decoder: type[Decoder] = Decoder
    luck: Callable[[Any], Any] = sound
    draft: Callable[[ScaleModel], ScaleModel] = sound
    target: Callable[[ScaleModel], ScaleModel] = sound

    def broken(self, pair: Pair) -> Pair:
        """The pair with this fault's models."""
        return replace(pair, draft=self.draft(pair.draft), target=self.target(pair.target))


NO_FAULT = Fault("none", "Nothing goes wrong.", "As it should be.", "")
_SEED = "The seed code"
_EASY = "Easily made"

_ALL_FAULTS = (
    Fault(
        "own tokens as query",
        "The target's input of a scale is the embedding of the very tokens that it judges. It sees the answer.",
        "Strange acceptance, since the target answers a question it was never trained on; colours drift.",
        f"{_SEED}: _build_combined_query.",
        decoder=steps.AsksWithOwnTokens,
    ),
    Fault(
        "first input missing",
        "The class embedding is left out where the first scale is verified. The target starts from nothing.",
        "The first scale is nearly always corrected, and the picture is of no class in particular.",
        f"{_SEED}: the combined query began at the second scale.",
        target=parts.WithoutFirstInput,
    ),
    Fault(
        "cache reset every round",
        "Both caches are emptied after each round. All committed scales are read again in the next one.",
        "The right picture, but every forward starts at scale 1 and takes longer and longer.",
        f"{_SEED}: the caches were switched off and on around each verification.",
        decoder=steps.ResetsCaches,
    ),
    Fault(
        "mask from row 0",
        "The mask of the new tokens is cut from the first rows of the full mask. They look at the first keys only.",
        "The first round is right, acceptance falls in the others, and fine scales ignore what was just drawn.",
        f"{_SEED}: _get_attention_mask.",
        target=parts.WithCutCache,
    ),
    Fault(
        "canvas advanced twice",
        "The draft advances the committed canvas in place, and acceptance advances it again. Scales count twice.",
        "Colours are overdriven, rejected guesses shine through, and each round is accepted less.",
        f"{_SEED}: the draft shared its f_hat with the committed state.",
        decoder=steps.AdvancesTwice,
    ),
    Fault(
        "next input never advanced",
        "The input of the next scale is made before the canvas is advanced. Every scale answers the one before last.",
        "Draft and target agree as well as ever, but the scales of the picture do not fit one another.",
        f"{_SEED}: next_token_map was never renewed after a round.",
        decoder=steps.KeepsOldInput,
    ),
    Fault(
        "logits sliced at absolute offset",
        "Only new rows were computed, but they are sliced as if all had been. Most tokens are judged by another's row.",
        "The first round is right; afterwards a scale of the target is nearly one colour.",
        f"{_SEED}: _split_logits_by_stage with γ rounds.",
        decoder=steps.SlicesAtAbsoluteOffsets,
    ),
    Fault(
        "guidance doubled too late",
        "The batch is doubled after the first embedding was made. The unconditional half starts from the class too.",
        "Acceptance looks healthy; the guidance pulls too little, from the first scales on.",
        f"{_SEED}: the doubling came after the first token map.",
        decoder=steps.DoublesTooLate,
    ),
    Fault(
        "output overwritten by input",
        "At the first scale of each call the head reads what went into the blocks. The transformer has no say there.",
        "The first scale of every round is corrected at random; the others are judged well.",
        f"{_SEED}: test3, at its entry scale.",
        target=parts.EntryOverwritten,
    ),
    Fault(
        "acceptance averaged over the batch",
        "All pictures pass a scale if half of all tokens are kept. Rejected guesses stand, kept ones go.",
        "Fewer calls than any exact rule allows, and pictures that depend on their neighbours.",
        f"{_SEED}: basic_token_matching took one mean over everything.",
        decoder=steps.AveragesAcceptance,
    ),
    Fault(
        "forced acceptance at γ=1",
        "A lone proposal is accepted whatever the rule says. The target is asked and not listened to.",
        "An acceptance rate of 100% and half the calls; every other scale is the draft's.",
        f"{_SEED}: a shortcut for γ = 1, so that a round would never come back empty.",
        decoder=steps.AcceptsAtOne,
    ),
    Fault(
        "stop when nothing is accepted",
        "A round whose first scale fails ends the run. The scales after it are never drawn.",
        "A blurred picture, sooner than expected.",
        f"{_SEED}: the loop broke off when accepted_length was 0.",
        decoder=steps.StopsWhenRejected,
    ),
    Fault(
        "positions shifted by one scale",
        "Each scale reads its position embedding from where the scale before it begins. Both models do.",
        "Draft and target still agree, while things stand in the wrong places.",
        f"{_EASY}: cur_L is advanced after the slice in one place and before it in another.",
        draft=parts.with_shifted_positions,
        target=parts.with_shifted_positions,
    ),
    Fault(
        "level embedding missing",
        "No scale is told which one it is. Both models see positions alone.",
        "Draft and target still agree; textures turn coarse or noisy.",
        f"{_EASY}: the official code adds levels to positions once, ahead, where a rewrite overlooks them.",
        draft=parts.without_levels,
        target=parts.without_levels,
    ),
    Fault(
        "guidance missing at verification",
        "The draft guesses with guidance and the target judges without. They answer different questions.",
        "Acceptance falls with every scale, since guidance grows; the picture is weak in its class.",
        f"{_EASY}: the target's doubled batch is cut in half to save time.",
        decoder=steps.VerifiesUnguided,
    ),
    Fault(
        "cond and uncond swapped",
        "The two halves of the batch are taken for one another. Guidance pulls away from the class.",
        "Acceptance looks healthy; the picture is of anything but its class.",
        f"{_EASY}: the halves are told apart by their order alone.",
        decoder=steps.SwapsGuidance,
    ),
    Fault(
        "no rollback",
        "Keys and values of rejected scales stay in both caches. Later scales attend to tokens that were thrown away.",
        "Right until the first rejection; then acceptance falls and ghosts of rejected guesses appear.",
        f"{_EASY}: caches that append have nothing to roll back with; the seed code reset them instead.",
        draft=parts.WithHoardingCache,
        target=parts.WithHoardingCache,
    ),
    Fault(
        "rollback one scale too far",
        "The corrected scale's own keys and values are dropped too. They were still right.",
        "The right picture, with one scale more to read in every forward.",
        f"{_EASY}: in a language model the rejected position itself has to go; here its input was right.",
        decoder=steps.RollsBackTooFar,
    ),
    Fault(
        "stale draft cache",
        "After a bonus scale the draft does not catch up. It counts as read what it never read.",
        "The first round is as ever, acceptance falls after it; an exact rule still draws the right law.",
        f"{_EASY}: the bonus scale is the only one that the draft never saw.",
        decoder=steps.DoesNotCatchUp,
    ),
    Fault(
        "q recorded before top-k",
        "Guesses are drawn after top-k and top-p, but judged with the q from before. That q is too small.",
        "Acceptance above its ceiling; likely codes come too often. Nothing to see without top-k or top-p.",
        f"{_EASY}: probabilities are stored where logits are still at hand.",
        decoder=steps.RecordsBeforeTopK,
    ),
    Fault(
        "draw and test share a uniform",
        "The acceptance test reads the uniform that drew the guess. Codes early in the alphabet pass too often.",
        "Acceptance looks plausible, but the law of the picture is not the target's. Rules that share luck are spared.",
        f"{_EASY}: one generator, restarted from one seed for both.",
        luck=parts.SharedUniforms,
    ),
    Fault(
        "one uniform for a scale",
        "All tokens of a scale are drawn with one random number. Each token alone has the right law, together not.",
        "Flat patches and stripes; acceptance is right on average and all or nothing in each scale.",
        f"{_EASY}: a shape of (batch, 1) that broadcasts without a word.",
        luck=parts.OneForAScale,
    ),
)
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL_FAULTS}


def fault_named(name: str) -> Fault:
    """The fault of that name; RequestError for an unknown one."""
    if name not in FAULTS:
        raise RequestError(f"Unknown fault {name!r}: choose one of {', '.join(FAULTS)}.")
    return FAULTS[name]
