"""Who imports whom (the house rules), read from the source; and no print, no global luck in the core."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

GROUND = {"errors", "scales", "topology", "randomness", "probability", "cache", "phases", "request", "text_request"}
GROUND |= {"trace", "trace_check", "trace_file", "text_events", "text_trace", "text_trace_check", "text_trace_file"}
GROUND |= {"events", "philox", "trace_format", "carry_over"}
MODELS = GROUND | {"nn", "models"}
LOADING = MODELS | {"presets", "speculative", "checkpoints", "official", "placement", "pairs", "footprint"}
EVERYTHING = LOADING | {"training", "tables", "command_line"}
# Part of the core → the parts that it may import, itself included.
CORE = {
    **{name: GROUND for name in GROUND},
    "nn": GROUND | {"nn"},
    "models": MODELS,
    "presets": {"presets"},
    "tables": {"tables"},
    "speculative": GROUND | {"speculative"},  # it knows models by a Protocol, so that a fake fits
    "placement": {"errors", "placement"},
    "checkpoints": MODELS,
    "official": MODELS | {"presets", "official"},
    "pairs": LOADING - {"footprint"},
    "footprint": LOADING,
    "__init__": LOADING,
    "command_line": EVERYTHING - {"training"},
    "training": MODELS | {"presets", "speculative", "checkpoints", "training"},
    "fetch": EVERYTHING - {"training"} | {"fetch"},
    "measure": EVERYTHING - {"training"} | {"measure"},
    "evaluate": EVERYTHING | {"evaluate"},
    "bench": EVERYTHING | {"measure", "bench"},
    "bench_text": EVERYTHING | {"bench_text"},
}
COMMANDS = {"training", "evaluate", "bench", "bench_text", "fetch"}  # these may print
BESIDE = {"stage", "figures", "session", "visit", "answers", "payload", "choices", "run", "opened", "uploads",
          "inspector", "address", "menu", "downloads", "painting", "frames", "encoded", "narration", "exports",
          "tree"}  # fmt: skip
# Part of the app → the parts that it may import, itself included.
APP = {
    **{name: BESIDE for name in BESIDE},
    "tabs": BESIDE | {"tabs"},
    "page": BESIDE | {"tabs", "page"},
    "bench": BESIDE | {"bench"},
    "__init__": set(),
}
TORCHLESS = {"figures", "frames", "encoded", "narration", "stage", "exports", "tree"}
LEGACY_NUMPY = {"seed", "rand", "randn", "randint", "random", "choice", "shuffle", "permutation", "normal", "uniform"}
UNSEEDED = {"rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "normal", "poisson"}
UNSEEDED |= {"rand_like", "randn_like", "randint_like"}
UNSEEDED_METHODS = {"uniform_", "normal_", "random_", "bernoulli_", "exponential_", "multinomial"}


def sources() -> dict[str, str]:
    """Dotted module name → source, of both packages and of app.py (called ``app.py``)."""
    found = {}
    for package in ("sdvar_core", "app"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found | {"app.py": (ROOT / "app.py").read_text(encoding="utf-8")}


SOURCES = sources()


def imports(source: str, top_level: bool = False) -> set[str]:
    """Dotted names that a module imports; ``from a import b`` gives ``a.b``. ``top_level``: none inside functions."""
    tree = ast.parse(source)
    nodes = tree.body if top_level else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide their direction"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules(names: set[str]) -> set[str]:
    """Which of our modules the imported names belong to."""
    found = set()
    for name in names:
        module = name if name in SOURCES else name.rpartition(".")[0]
        if module in SOURCES:
            found.add(module)
    return found


def part(module: str) -> str:
    """The part of its package that a module belongs to: ``sdvar_core.nn.attention`` → ``nn``."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


def forbidden(module: str, source: str) -> set[str]:
    """Imports of ours that a module may not have."""
    package, allowed = module.split(".")[0], CORE if module.startswith("sdvar_core") else APP
    wrong = set()
    for name in modules(imports(source)):
        if name.split(".")[0] == package:
            wrong |= {name} if part(name) not in allowed.get(part(module), set()) else set()
        elif package == "sdvar_core":
            wrong.add(name)
    return wrong


@pytest.mark.parametrize("module", [name for name in SOURCES if name != "app.py"])
def test_imports_go_one_way(module):
    known = CORE if module.startswith("sdvar_core") else APP
    assert part(module) in known, f"say in this file what {part(module)} may import"
    assert not forbidden(module, SOURCES[module])


def private_names(module: str, source: str, public: set[str]) -> set[str]:
    """What a module of the app takes from the core besides its public names."""
    names = {name for name in imports(source) if name.startswith("sdvar_core.")}
    helpers = {"sdvar_core.command_line", "sdvar_core.tables"} if module == "app.bench" else set()
    return {
        name
        for name in names
        if name.removeprefix("sdvar_core.") not in public and not any(name.startswith(helper) for helper in helpers)
    }


def public_names() -> set[str]:
    for node in ast.parse(SOURCES["sdvar_core"]).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError("sdvar_core has no __all__")


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("app")])
def test_the_app_takes_only_public_names(module):
    assert not private_names(module, SOURCES[module], public_names())


def outsiders(source: str) -> set[str]:
    """The top names of everything imported."""
    return {name.split(".")[0] for name in imports(source)}


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("sdvar_core")])
def test_the_core_knows_no_page(module):
    assert not outsiders(SOURCES[module]) & {"gradio", "app", "plotly"}
    if part(module) != "training":
        assert not outsiders(SOURCES[module]) & {"matplotlib", "PIL"}


@pytest.mark.parametrize("module", [n for n in SOURCES if n.startswith("app.") and part(n) in TORCHLESS])
def test_pictures_and_frames_know_no_models(module):
    assert not outsiders(SOURCES[module]) & {"torch", "safetensors"}


def reached(start: str) -> set[str]:
    """All of our modules that importing ``start`` loads."""
    seen, waiting = set(), [start]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            parents = {module.rpartition(".")[0]} & set(SOURCES)
            waiting += modules(imports(SOURCES[module], top_level=True)) | parents
    return seen


def test_neither_the_library_nor_the_page_loads_the_training():
    for start in ("sdvar_core", "app.py"):
        loaded = reached(start)
        assert len(loaded) > 10
        assert not {part(name) for name in loaded if name.startswith("sdvar_core")} & (COMMANDS | {"command_line"})


def test_no_import_cycles():
    graph = {name: modules(imports(source, top_level=True)) - {name} for name, source in SOURCES.items()}
    assert not cycle(graph), "these import one another"


def cycle(graph: dict[str, set[str]]) -> set[str]:
    """The modules left when those that import nothing that is left are taken away, again and again."""
    left = dict(graph)
    while free := [name for name, wanted in left.items() if not wanted & set(left)]:
        for name in free:
            del left[name]
    return set(left)


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Calls with the dotted name of what is called."""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def prints(source: str) -> bool:
    return any(name == "print" for name, _ in calls(ast.parse(source)))


def global_luck(source: str) -> list[str]:
    """Calls that seed or use a global generator."""
    tree, wrong = ast.parse(source), []
    for name, call in calls(tree):
        owner, _, function = name.rpartition(".")
        has_generator = any(keyword.arg == "generator" for keyword in call.keywords)
        if function.startswith("manual_seed") and owner.startswith("torch") and "Generator" not in owner:
            wrong.append(name)
        elif owner in ("np.random", "numpy.random"):
            wrong += [name] if function in LEGACY_NUMPY or (function == "default_rng" and not call.args) else []
        elif (owner == "torch" and function in UNSEEDED) or (owner != "torch" and function in UNSEEDED_METHODS):
            wrong += [] if has_generator or owner.endswith(("random", "rng")) else [name]
    return wrong + sorted(outsiders(source) & {"random"})


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("sdvar_core")])
def test_the_core_neither_prints_nor_uses_global_luck(module):
    assert part(module) in COMMANDS or not prints(SOURCES[module])
    assert not global_luck(SOURCES[module])


# The checks above can fail:


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("sdvar_core.nn.attention", "from sdvar_core.models.var import VAR", {"sdvar_core.models.var"}),
        ("sdvar_core.errors", "def f():\n    import sdvar_core.checkpoints", {"sdvar_core.checkpoints"}),
        ("sdvar_core.speculative.reader", "from sdvar_core.models import var", {"sdvar_core.models.var"}),
        ("sdvar_core.models.var", "from app.frames import VERSION", {"app.frames"}),
        ("sdvar_core.trace", "from sdvar_core import Pair", {"sdvar_core"}),
        ("app.frames", "from app.tabs.scales import ORDER", {"app.tabs.scales"}),
        ("app.session", "from app.page import theme", {"app.page"}),
        ("sdvar_core.bench", "from sdvar_core.training import worlds", set()),
    ],
)
def test_a_forbidden_import_is_found(module, source, expected):
    assert forbidden(module, source) == expected


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("torch.manual_seed(0)", True),
        ("with torch.random.fork_rng():\n    torch.manual_seed(0)", True),
        ("torch.Generator().manual_seed(0)", False),
        ("np.random.seed(1)", True),
        ("np.random.default_rng()", True),
        ("np.random.default_rng(3)", False),
        ("import random", True),
        ("random.shuffle(rows)", False),  # a numpy generator
        ("torch.randn(3)", True),
        ("torch.randn(3, generator=generator)", False),
        ("weights.normal_(0, 1)", True),
        ("torch.empty(3).uniform_(0, 1, generator=generator)", False),
    ],
)
def test_global_luck_is_found(source, wrong):
    assert bool(global_luck(source)) is wrong


def test_other_faults_are_found():
    assert prints("def f():\n    print(1)")
    assert not prints("'print(1)'")
    taken = private_names("app.session", "from sdvar_core.models.var import VAR\nfrom sdvar_core import Pair", {"Pair"})
    assert taken == {"sdvar_core.models.var.VAR"}
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"a", "b", "c"}
    assert not cycle({"a": {"b"}, "b": {"c"}, "c": set()})
