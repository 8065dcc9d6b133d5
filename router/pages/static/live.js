// The live log: rows come as server-sent events, each with its place. No row is dropped: what is not shown yet is
// counted; after a cut the browser says by the last event's id what it has, and what is told twice is shown once.
"use strict";

{
  const sign = document.querySelector("[data-live]");
  const rows = document.querySelector("[data-rows]");
  const news = document.querySelector("[data-news]");
  const says = sign.querySelector("[data-says]");
  const pause = sign.querySelector("[data-pause]");
  const older = document.querySelector("[data-older]");
  const MOST = 2000;
  const held = [];
  const known = new Set([...rows.children].map((row) => row.dataset.pos));
  const floor = Math.min(...[...known].map(Number)); // what is older stands on the next page
  let paused = false;
  let last = 0;

  const parse = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild;
  };

  function trim() {
    while (rows.children.length > MOST) rows.lastElementChild.remove();
    if (rows.children.length < MOST) return;
    const place = new URL(older.href);
    place.searchParams.set("before", rows.lastElementChild.dataset.pos);
    older.href = place;
    older.hidden = false;
  }

  function place(row) {
    const at = [...rows.children].find((other) => Number(other.dataset.pos) < Number(row.dataset.pos));
    rows.insertBefore(row, at ?? null);
  }

  function show() {
    for (const row of held.splice(0)) place(row);
    trim();
    document.querySelector("[data-empty]")?.remove();
    news.hidden = true;
  }

  function take(event) {
    last = event.lastEventId; // names all that has come, which only the router reads
    const row = parse(event.data);
    const pos = row.dataset.pos;
    if (known.has(pos) || Number(pos) < floor) return;
    known.add(pos);
    row.classList.add("fresh");
    held.push(row);
    const reading = paused || window.scrollY > 80 || rows.contains(document.activeElement);
    if (!reading) return show();
    news.hidden = false;
    news.textContent = news.dataset.word.replace("{n}", held.length);
  }

  function tell(state) {
    sign.classList.toggle("on", state === "live");
    sign.classList.toggle("cut", state === "cut");
    says.textContent = says.dataset[`${state}Word`];
  }

  function connect() {
    const address = new URL(sign.dataset.live, location.href);
    if (last) address.searchParams.set("seen", last);
    const source = new EventSource(address);
    window.addEventListener("congvan-left", () => source.close(), { once: true });
    source.addEventListener("open", () => tell(paused ? "paused" : "live"));
    source.addEventListener("row", take);
    source.addEventListener("error", () => {
      tell("cut");
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 10000);
    });
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? pause.dataset.resumeWord : pause.dataset.pauseWord;
    pause.setAttribute("aria-pressed", String(paused));
    tell(paused ? "paused" : "live");
    if (!paused) show();
  });
  news.addEventListener("click", () => {
    show();
    window.scrollTo({ top: 0 });
  });
  sign.hidden = false;
  connect();
}
