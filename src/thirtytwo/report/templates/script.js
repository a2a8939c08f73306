
"use strict";
// The page is complete without this script, which adds a theme switch, sorting, filtering and explanations on hover.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const root = document.documentElement;
document.querySelector(".tools").hidden = false;

// theme: the system's until the reader chooses; the choice lasts if the browser lets a local file store it
const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const dark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
const label = () => { theme.textContent = dark() ? "Light" : "Dark"; };
try { if (localStorage.theme) root.dataset.theme = localStorage.theme; } catch { /* no storage */ }
theme.addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  try { localStorage.theme = root.dataset.theme; } catch { /* no storage */ }
  label();
});
system.addEventListener("change", label);
label();

// folding: open what a link or a print needs
const fold = document.getElementById("fold");
fold.addEventListener("click", () => {
  const open = fold.textContent === "Open all";
  for (const part of all("details:not(.chapter)")) part.open = open;
  if (open) for (const chapter of all(".chapter")) chapter.open = true;
  fold.textContent = open ? "Close all" : "Open all";
});
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", reveal);
if (location.hash) reveal();
let closed = [];
addEventListener("beforeprint", () => { closed = all("details:not([open])"); for (const part of closed) part.open = true; });
addEventListener("afterprint", () => { for (const part of closed) part.open = false; });

// tables: sort by a click on a column's title, filter by text
const number = (text) => parseFloat(text.replaceAll(",", "").replace("\u2212", "-"));
const key = (cell) => cell.firstChild?.textContent.trim() ?? "";
const sort = (table, column, title) => {
  const down = title.getAttribute("aria-sort") === "ascending";
  const body = table.tBodies[0], rows = [...body.rows], last = rows.filter((row) => row.classList.contains("floor"));
  const numeric = title.classList.contains("number");
  const missing = (row) => numeric && Number.isNaN(number(key(row.cells[column])));
  const compare = (a, b) => {
    if (missing(a) !== missing(b)) return missing(a) ? 1 : -1;
    const [x, y] = [a, b].map((row) => key(row.cells[column]));
    return (down ? -1 : 1) * (numeric ? number(x) - number(y) : x.localeCompare(y, "en", { numeric: true }));
  };
  body.append(...rows.filter((row) => !last.includes(row)).sort(compare), ...last);
  for (const other of all("th", table.tHead)) other.removeAttribute("aria-sort");
  title.setAttribute("aria-sort", down ? "descending" : "ascending");
};
for (const table of all("table")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length > 2) all("th", table.tHead).forEach((title, column) => {
    let button = title.querySelector("button");
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.append(...title.childNodes);
      title.append(button);
    }
    title.classList.add("sortable");
    button.addEventListener("click", () => sort(table, column, title));
  });
  if (rows.length > 7) {
    const input = document.createElement("input");
    Object.assign(input, { type: "search", placeholder: "Filter rows", className: "filter" });
    input.setAttribute("aria-label", "Filter rows");
    input.addEventListener("input", () => {
      const text = input.value.toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(text);
    });
    table.closest(".scroll").before(input);
  }
}

// explanations: on hover and focus as well as on a tap, below the column's title
for (const tip of all(".tip")) {
  const button = document.querySelector(`[popovertarget="${tip.id}"]`);
  let timer;
  const later = () => { timer = setTimeout(() => tip.hidePopover(), 150); };
  tip.addEventListener("toggle", () => {
    const box = button.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${box.bottom + 6 + tip.offsetHeight > innerHeight ? box.top - tip.offsetHeight - 6 : box.bottom + 6}px`;
  });
  for (const part of [button, tip]) {
    part.addEventListener("pointerenter", (event) => {
      clearTimeout(timer);
      if (event.pointerType === "mouse" && !tip.matches(":popover-open")) tip.showPopover();
    });
    part.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") later(); });
  }
}

// contents: mark the section on screen
const links = new Map(all("nav a").map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
const visible = new Set();
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) visible[entry.isIntersecting ? "add" : "delete"](entry.target.id);
  const current = [...links.keys()].filter((id) => visible.has(id)).pop();
  for (const [id, link] of links) id === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
}, { rootMargin: "-10% 0px -75% 0px" });
for (const id of links.keys()) observer.observe(document.getElementById(id));
