"""Join the stage's small files into the strings that gr.HTML wants. No build step, no tools.

A script is a plain ES module, which node can import and test as it is. Here every module becomes a function that
returns what it exports, after the modules it imports. In a page, ``<!-- side.html name="a" -->`` stands for that file,
with ``a`` for its every ``{name}``.
"""

import posixpath
import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.\.?/[\w./]+)";\n', re.MULTILINE)
_INCLUDE = re.compile(r'( *)<!-- (\w+\.html)((?: \w+="[^"]*")*) -->\n')
_EXPORT = re.compile(r"^export ((?:async )?function\*?|const|let|class) (\w+)", re.MULTILINE)


def bundle(folder: Path, entry: str) -> str:
    """The module ``entry`` of ``folder``, such as ``tree/main.js``, and all that it imports, as one script."""
    done: dict[str, str] = {}
    _collect(folder, entry, done)
    return "\n".join(['"use strict";', "const modules = {};", *done.values()])


def markup(folder: Path, page: str) -> str:
    """The HTML of ``page``, a path below ``folder``, with the files of ``folder`` that it includes."""

    def included(match: re.Match) -> str:
        text = (folder / match[2]).read_text(encoding="utf-8")
        for name, value in re.findall(r'(\w+)="([^"]*)"', match[3]):
            text = text.replace("{" + name + "}", value)
        return "".join(match[1] + line for line in text.splitlines(keepends=True))

    return _INCLUDE.sub(included, (folder / page).read_text(encoding="utf-8"))


def _collect(folder: Path, name: str, done: dict[str, str]) -> None:
    source = (folder / name).read_text(encoding="utf-8")

    def named(imported: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), imported))

    for _, imported in _IMPORT.findall(source):
        if named(imported) not in done:
            _collect(folder, named(imported), done)
    body = _IMPORT.sub(lambda match: f'const {{{match[1]}}} = modules["{named(match[2])}"];\n', source)
    names = [match[1] for match in _EXPORT.findall(body)]
    body, exports = _EXPORT.sub(r"\1 \2", body), ", ".join(names)
    done[name] = f'modules["{name}"] = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();'
