"use strict";

// Generated images: which are shown, and in which order.
const controls = document.getElementById("controls");
if (controls) {
  const FEW = 12;
  const box = document.getElementById("cards"), more = document.getElementById("more");
  const cards = [...box.children];
  const chosen = (id) => document.getElementById(id)?.value ?? "";
  let all = false;
  const update = () => {
    const by = chosen("by"), sign = by.startsWith("-") ? -1 : 1, field = by.replace("-", "");
    const value = (card) => card.dataset[field] === "" ? Infinity : sign * Number(card.dataset[field]);
    cards.sort((a, b) => value(a) - value(b) || a.dataset.of - b.dataset.of || a.dataset.order - b.dataset.order);
    box.append(...cards);
    const fitting = cards.filter(({dataset}) =>
      (!chosen("of") || dataset.of === chosen("of")) && dataset.why.includes(chosen("why")));
    const shown = all ? fitting : fitting.slice(0, FEW);
    for (const card of cards) card.hidden = !shown.includes(card);
    document.getElementById("count").value = `${shown.length} of ${fitting.length}`;
    more.hidden = shown.length === fitting.length;
    more.textContent = `Show all ${fitting.length}`;
  };
  controls.addEventListener("change", update);
  controls.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    all = true;
    update();
    controls.querySelector("select").focus({preventScroll: true});
  });
  controls.hidden = false;
  update();
}

// Tables: a click on a heading sorts by its column, a second one the other way round.
const number = (text) => /^[-+±\d]/.test(text) ? parseFloat(text.replace(/[,±]/g, "")) : NaN;
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending", sign = falling ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent.trim();
      const rows = [...body.rows], numeric = rows.every((row) => text(row) === "-" || !isNaN(number(text(row))));
      const compare = numeric
        ? (a, b) => (number(text(a)) || 0) - (number(text(b)) || 0)
        : (a, b) => text(a).localeCompare(text(b), "en", {numeric: true});
      body.append(...rows.sort((a, b) => sign * compare(a, b)));
    });
  });
}

// On paper everything is unfolded.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const part of folded) part.open = true;
});
addEventListener("afterprint", () => { for (const part of folded) part.open = false; });
