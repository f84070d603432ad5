// What Gradio gives the live stage, for a recorded run: the element, one value that never changes, and a server that
// has nothing to add. Light or dark follows the visitor's system.

const recorded = JSON.parse(document.getElementById("recorded").textContent);
const element = document.getElementById("stage");
const props = { idle: recorded.idle, value: recorded.value };
const trigger = () => {};
const nothing = async () => ({ notice: "A recording holds no more than this: open the live page to ask on." });
const server = new Proxy({}, { get: () => nothing }); // whatever the stage asks for
const watch = (name, changed) => queueMicrotask(changed); // once the stage stands

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.body.classList.toggle("dark", dark.matches);
dark.addEventListener("change", follow);
follow();
document.title = "SDVAR · " + recorded.title;
