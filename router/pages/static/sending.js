// The form that sends a letter: addressees picked in the tree, files dropped, ordered and sent with their progress.
// It works without this: then the fields are typed, the files chosen, and the browser posts the form itself.
"use strict";

const KEPT = `congvan-letter:${encodeURIComponent(document.body.dataset.person)}:${location.pathname}${location.search}`; // pages.js forgets it
const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
const letter = () => document.querySelector("form[data-sending]");
const at = (place) => letter().querySelector(place);
let files = [];
let sending = null;

// Rules: the text field holds them; tokens and boxes show it, and write into it.

const field = () => at('textarea[name="addressees"]');
const rules = () => [...new Set(field().value.split(/[\s,;]+/).filter(Boolean))];

function write(list) {
  field().value = list.join(" ");
  field().dispatchEvent(new Event("change", { bubbles: true }));
}

// Whether a rule names a unit; as schemas.addressing, of the rules that boxes can show.
function names(rule, unit, kind) {
  const [, head, reach, wanted] = /^(.*?)(?:\.([#*])(?:\{(.*)\})?)?$/.exec(rule);
  if (wanted && wanted !== kind) return false;
  if (!reach) return unit === head;
  if (reach === "*") return unit.slice(0, unit.lastIndexOf(".")) === head;
  return unit === head || unit.startsWith(`${head}.`);
}

function stands(box) {
  const all = rules();
  const row = box.closest("[data-unit]");
  const unit = row?.dataset.unit;
  const named = (list) => list.some((rule) => names(rule, unit, row.dataset.kind));
  if (box.value === unit) return named(all.filter((rule) => rule[0] !== "!")) && !named(all.flatMap((rule) => (rule[0] === "!" ? rule.slice(1) : [])));
  if (!box.value.endsWith(".#")) return all.includes(box.value);
  const above = all.some((rule) => rule.endsWith(".#") && rule[0] !== "!" && names(rule, unit, ""));
  return above && !all.some((rule) => rule.endsWith(".#") && rule[0] === "!" && names(rule.slice(1), unit, ""));
}

function pick(box) {
  const wanted = box.checked;
  const rule = box.value;
  let list = rules().filter((one) => one !== `!${rule}` && (wanted || one !== rule));
  field().value = list.join(" ");
  if (stands(box) !== wanted) list = [...list, wanted ? rule : `!${rule}`];
  write(list);
}

function show() {
  if (!letter()) return;
  const place = at("[data-tokens]");
  const list = rules();
  place.hidden = !list.length;
  place.replaceChildren(
    ...list.map((rule) => {
      const token = at("[data-token]").content.cloneNode(true).firstElementChild;
      const button = token.querySelector("button");
      token.querySelector("code").textContent = rule;
      button.setAttribute("aria-label", button.getAttribute("aria-label").replace("{}", rule));
      button.addEventListener("click", () => {
        write(rules().filter((one) => one !== rule));
        (at("[data-tokens] button") ?? field()).focus();
      });
      return token;
    }),
  );
  for (const box of letter().querySelectorAll("[data-rule]")) {
    box.removeAttribute("name"); // what it says stands in the field
    box.checked = stands(box);
  }
}

// Files: a list of our own, as a field of files can be neither ordered nor shortened.

function sized(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  while (bytes >= 1024 && units.length > 1) {
    bytes /= 1024;
    units.shift();
  }
  return `${number.format(bytes)} ${units[0]}`;
}

function add(list) {
  const most = Number(at("[data-attachments]").dataset.mostFiles);
  const all = [...files, ...list];
  at("[data-many]").hidden = all.length <= most;
  files = all.slice(0, most);
  list_files();
}

function list_files(focus = "") {
  const most = Number(at("[data-attachments]").dataset.mostBytes);
  const place = at("ol[data-files]");
  place.hidden = !files.length;
  place.replaceChildren(
    ...files.map((file, index) => {
      const row = at("[data-file]").content.cloneNode(true).firstElementChild;
      for (const item of row.querySelectorAll("[aria-label]")) {
        item.setAttribute("aria-label", item.getAttribute("aria-label").replace("{}", file.name));
      }
      row.querySelector("[data-name]").textContent = file.name;
      row.querySelector("[data-size]").textContent = sized(file.size);
      row.querySelector("[data-large]").hidden = file.size <= most;
      row.querySelector("[data-up]").disabled = index === 0;
      row.querySelector("[data-down]").disabled = index === files.length - 1;
      row.querySelector("[data-up]").addEventListener("click", () => move(index, index - 1, "[data-up]"));
      row.querySelector("[data-down]").addEventListener("click", () => move(index, index + 1, "[data-down]"));
      row.querySelector("[data-remove]").addEventListener("click", () => {
        files.splice(index, 1);
        list_files();
        at("#send-file").focus();
      });
      return row;
    }),
  );
  if (focus) at(focus).focus();
  at('input[name="bytes"]').value = files.reduce((sum, file) => sum + file.size, 0);
  letter().dispatchEvent(new Event("change", { bubbles: true }));
}

function move(from, to, button) {
  files.splice(to, 0, ...files.splice(from, 1));
  const row = `ol[data-files] > li:nth-child(${to + 1})`;
  list_files(to === 0 || to === files.length - 1 ? `${row} [data-remove]` : `${row} ${button}`);
}

function progress(loaded) {
  let before = 0;
  for (const [index, row] of [...at("ol[data-files]").children].entries()) {
    const bar = row.querySelector("progress");
    bar.hidden = false;
    bar.value = files[index].size ? Math.min(Math.max((loaded - before) / files[index].size, 0), 1) : Number(loaded > before);
    before += files[index].size;
  }
  const told = at("[data-progress]");
  const whole = files.reduce((sum, file) => sum + file.size, 0);
  told.hidden = !whole;
  told.textContent = loaded < whole ? told.dataset.text.replace("{part}", sized(loaded)).replace("{whole}", sized(whole)) : told.dataset.last;
}

// Sending: the same form that a browser would post, its progress told; what the server says is put in place.

function send(event) {
  if (event.submitter?.hasAttribute("data-plain")) return;
  event.preventDefault();
  if (sending) return; // a second click
  const form = new FormData(letter());
  form.delete("file");
  const fields = new Blob([...form.values()]).size + 150 * [...form.keys()].length;
  for (const file of files) form.append("file", file);
  sending = new XMLHttpRequest();
  sending.open("POST", event.submitter?.hasAttribute("formaction") ? event.submitter.formAction : letter().action);
  sending.upload.addEventListener("progress", (told) => progress(Math.max(told.loaded - fields, 0)));
  sending.addEventListener("loadend", answered);
  able(false);
  at("[data-failed]").hidden = true;
  sending.send(form);
}

function able(may) {
  for (const button of letter().querySelectorAll("[data-send]")) button.disabled = !may;
}

function answered() {
  const answer = sending;
  sending = null;
  const fresh = answer.status ? new DOMParser().parseFromString(answer.responseText, "text/html") : null;
  const form = fresh?.querySelector("form[data-sending]");
  if (answer.status < 400 && answer.status) {
    if (!answer.responseURL.split("?")[0].endsWith("/login")) sessionStorage.removeItem(KEPT);
    files = [];
    location.assign(answer.responseURL);
    return;
  }
  if (form) {
    if (form.hasAttribute("data-kept")) files = [];
    else form.querySelector("[data-files-kept]").replaceWith(at("[data-files-kept]"));
    letter().replaceWith(document.adoptNode(form));
    window.htmx?.process(letter());
    begin();
    keep(); // its key may be a new one
  }
  able(true);
  at("[data-progress]").hidden = true;
  for (const bar of letter().querySelectorAll("progress")) bar.hidden = true;
  const failed = at("[data-failed]");
  if (!form) {
    failed.hidden = false;
    failed.querySelector("[data-lost]").hidden = Boolean(answer.status);
    failed.querySelector("[data-said]").textContent = fresh?.querySelector("main .problems, main h1")?.textContent.trim() ?? "";
  }
  (at("[data-faults]") ?? failed).focus();
}

// A letter that was begun survives a reload of its page, in this tab and for its writer alone.

const kept = () => [...letter().elements].filter((item) => item.name && item.form === letter() && !["hidden", "file", "checkbox"].includes(item.type));

function keep() {
  const values = kept().map((item) => [item.name, item.value]);
  sessionStorage.setItem(KEPT, JSON.stringify([["once", at('input[name="once"]').value], ...values]));
}

function restore() {
  const found = letter().hasAttribute("data-new") && sessionStorage.getItem(KEPT);
  if (!found) return;
  for (const [name, value] of JSON.parse(found)) {
    const item = at(`[name="${CSS.escape(name)}"]:not([type="checkbox"])`);
    if (item) item.value = value;
  }
}

function count() {
  const text = at("[data-bytes-most]");
  const size = new Blob([text.value]).size;
  at("[data-bytes]").textContent = number.format(size);
  text.setCustomValidity(size > Number(text.dataset.bytesMost) ? at("[data-bytes]").parentElement.textContent : "");
}

function begin() {
  letter().addEventListener("submit", send);
  letter().addEventListener("input", (event) => {
    if (event.target === field()) show();
    count();
    keep();
  });
  letter().addEventListener("change", (event) => {
    if (event.target.matches?.("[data-rule]")) pick(event.target);
    if (event.target.id === "send-file") {
      add([...event.target.files]);
      event.target.value = "";
    }
    show();
    keep();
  });
  const drop = at("[data-drop]");
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    add([...event.dataTransfer.files]);
  });
  at(".steps [data-plain]").hidden = true; // the plan comes by itself, and posting the page would lose the files
  count();
  show();
}

if (letter()) {
  restore();
  begin();
  document.addEventListener("htmx:afterSettle", show);
  window.addEventListener("beforeunload", (event) => {
    if (files.length) event.preventDefault();
  });
  if (field().value) letter().dispatchEvent(new Event("change", { bubbles: true }));
}
