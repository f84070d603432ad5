"""Join the stage's small JavaScript modules into the one string that gr.HTML runs. No build step, no tools.

Each file is a plain ES module, which node can import and test as it is. Here every module becomes a function that
returns what it exports, after the modules it imports.
"""

import posixpath
import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.\.?/[\w./]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function\*?|const|let|class) (\w+)", re.MULTILINE)


def bundle(folder: Path, entry: str) -> str:
    """The module ``entry`` of ``folder``, such as ``tree/main.js``, and all that it imports, as one script."""
    done: dict[str, str] = {}
    _collect(folder, entry, done)
    return "\n".join(['"use strict";', "const modules = {};", *done.values()])


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
