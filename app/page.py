"""The page: title bar, tabs, theme. The only root Blocks."""

import base64
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from gradio.themes.utils.fonts import Font

from app.session import Visits
from app.tabs.models import about
from app.tabs.scales import CALLING, build_scales, generate_endpoint
from app.tabs.share import share_css
from app.tabs.tree import build_tree, generate_text_endpoint
from app.tree.exports import TREE_EXPORTS
from app.tree.session import TreeVisits
from sdvar_core import Pair, TextPair, load_pair

HERE = Path(__file__).parent
ASSETS = HERE.parent / "assets"
TEXT_PAIR = "python-bytes"
MOST_WAITING = 32
LARGEST_FILE = "32mb"  # a visitor may send; a trace is far smaller
KEPT = (600, 3600)  # files that visitors made or sent: look every so many seconds, and throw away what is older
FONTS = ("-apple-system", "BlinkMacSystemFont", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")

BLUES = ("#eef4fb", "#dbe8f6", "#b9d2ee", "#8db5e2", "#5a91d1", "#2f72bd", "#2563a8", "#1d4f89", "#183f6d", "#143254",
         "#0d2139")  # fmt: skip


def load_text() -> TextPair:
    """The pair of language models of the Tree tab."""
    return load_pair(TEXT_PAIR)


def build_page(
    pair_loader: Callable[[], Pair], text_pair_loader: Callable[[], TextPair] = load_text, **menu: object
) -> gr.Blocks:
    """The whole page on the pairs that the loaders give; launch it with ``launch_options``.

    text_pair_loader: called when the first visitor opens the Tree tab, and again while it raises. menu: which other
    pairs visitors may choose, see ``Menu``.
    """
    visits, tree_visits = Visits(pair_loader, **menu), TreeVisits(text_pair_loader)
    with gr.Blocks(title="SDVAR", analytics_enabled=False, fill_width=True, delete_cache=KEPT) as page:
        plain = {"js_on_load": None, "apply_default_css": False}
        gr.HTML('<div class="brand">SDVAR</div>', elem_id="title-bar", **plain)
        models = gr.HTML(about(visits.pair, visits.pair.device, visits.pair.precision), elem_id="about-scales", **plain)
        gr.HTML(f"{TEXT_PAIR} · two Gated DeltaNets, byte by byte", elem_id="about-tree", **plain)
        with gr.Tabs(elem_id="tabs", selected="scales") as tabs:
            with gr.Tab("Scales", id="scales"):
                build_scales(page, visits, models)
            with gr.Tab("Tree", id="tree") as tab:
                build_tree(page, tabs, tab, tree_visits)
        gr.api(generate_endpoint(visits), api_name="generate", **CALLING)
        gr.api(generate_text_endpoint(tree_visits), api_name="generate_text", **CALLING)
    page.queue(max_size=MOST_WAITING)
    page.visits, page.tree_visits = visits, tree_visits
    return page


def launch_options() -> dict:
    """What ``page.launch`` needs besides host and port, which the environment decides."""
    sheets = [HERE / "stage" / "tokens.css", HERE / "page.css"]
    return {
        "theme": theme(),
        "css": "\n".join(
            [
                *(sheet.read_text(encoding="utf-8") for sheet in sheets),
                share_css(),
                share_css(TREE_EXPORTS, "tree-"),
                thumbnail_css(ASSETS / "tiny-worlds"),
            ]
        ),
        "ssr_mode": False,
        "footer_links": [],
        "run_history": False,
        "max_file_size": LARGEST_FILE,
        "quiet": True,
    }


def theme() -> gr.themes.Base:
    """Gradio's plain theme with our accent and the fonts of the visitor's own system."""
    blue = gr.themes.Color(*BLUES, name="sdvar-blue")
    letters, code = [Font(name) for name in FONTS], [Font("ui-monospace"), Font("monospace")]
    slate = gr.themes.colors.slate
    return gr.themes.Base(primary_hue=blue, secondary_hue=blue, neutral_hue=slate, font=letters, font_mono=code)


def thumbnail_css(folder: Path) -> str:
    """One rule a world: its picture, inside the style sheet, behind its radio button."""
    rules = []
    for path in sorted(folder.glob("thumbnails/*.webp"), key=lambda path: int(path.stem)):
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        choice = f"#world .wrap label:nth-of-type({int(path.stem) + 1})"
        rules.append(f'{choice} {{ background-image: url("data:image/webp;base64,{data}"); }}')
    return "\n".join(rules)
