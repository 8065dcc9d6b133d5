// Keys and small comforts. Pages work without it.
"use strict";

const root = document.documentElement;
const typing = (place) => place instanceof Element && place.closest('input:not([type="checkbox"]), textarea, select, [contenteditable]');

function move(step) {
  const rows = [...document.querySelectorAll("table[data-keys] tbody tr")].filter((row) => row.querySelector("a[href]"));
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  const links = [...next.querySelectorAll("a[href]")].filter((link) => !link.classList.contains("twist"));
  links[0]?.focus();
  next.scrollIntoView({ block: "nearest" });
}

const redrive = () =>
  (document.activeElement?.closest("tr")?.querySelector("[data-redrive]") ?? document.querySelector("[data-redrive]"))?.click();

const box = () => document.activeElement?.closest("tr")?.querySelector('input[type="checkbox"]');

// Hands in what is chosen, or else the row one is at; says whether there was anything.
function handIn(key, orRow) {
  const form = document.querySelector(`form[data-key="${key}"]`);
  if (!form) return false;
  const picked = () => document.querySelectorAll(`input[form="${form.id}"]:checked`).length;
  if (!picked() && orRow && box()) box().checked = true;
  if (!picked()) return false;
  form.requestSubmit();
  return true;
}

const acts = {
  "/": () => document.querySelector("[data-find]")?.focus(),
  "?": () => document.querySelector('[data-go="h"]')?.click(),
  j: () => move(1),
  k: () => move(-1),
  x: () => box()?.click(),
  r: () => handIn("r", false) || redrive(),
  p: () => handIn("p", true) || document.querySelector("[data-pause]")?.click(),
};

// On a narrow screen the menu is a strip: the place where one is stands in sight.
document.querySelector('.side [aria-current="page"]')?.scrollIntoView({ block: "nearest", inline: "center" });

// A letter that was begun and not sent is its writer's: it goes with who logs out, and before anybody else looks.
function forgetLetters(own = "") {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith("congvan-letter:") && !(own && key.startsWith(`congvan-letter:${own}:`))) sessionStorage.removeItem(key);
  }
}

const leaving = document.querySelector('form[action$="/logout"]');
leaving?.addEventListener("submit", () => forgetLetters());
if (document.body.dataset.person) forgetLetters(encodeURIComponent(document.body.dataset.person));

// Who logs out leaves everywhere: the other tabs of the same browser go to the login page, their live log ends.
if ("BroadcastChannel" in window) {
  const channel = new BroadcastChannel("congvan-session");
  leaving?.addEventListener("submit", () => channel.postMessage("left"));
  channel.addEventListener("message", (event) => {
    if (event.data !== "left" || !leaving) return;
    forgetLetters();
    window.dispatchEvent(new Event("congvan-left"));
    setTimeout(() => location.assign(document.querySelector(".mark").getAttribute("href")), 1000); // the session ends meanwhile
  });
}

let going = 0;

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.querySelector(".menu[open]")?.removeAttribute("open");
  if (root.dataset.keys !== "on" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const goes = Date.now() - going < 1500 && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
  going = event.key === "g" ? Date.now() : 0;
  const act = goes ? () => goes.click() : acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

document.addEventListener("click", (event) => {
  const menu = document.querySelector(".menu[open]");
  if (menu && !menu.contains(event.target)) menu.removeAttribute("open");
});
