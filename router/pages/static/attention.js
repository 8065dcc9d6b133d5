// Calls attention to what is urgent: a count in the title; a sound and a message on the screen for who wants them.
"use strict";

{
  const KEPT = { sound: "congvan-sound", desktop: "congvan-desktop" };
  const KNOWN = `congvan-urgent-${location.pathname.split("/")[1]}`; // shared by the tabs, so that one of them calls
  const EVERY = 10000, RAREST = 300000; // milliseconds between two looks; between two that fail ever more
  const plain = document.title;
  const source = document.querySelector("[data-attention]");
  const canTell = "Notification" in window;

  // A browser that keeps nothing for us, or shows no messages, still counts.
  function attempt(act) {
    try {
      return act();
    } catch {
      return null;
    }
  }

  const kept = (key) => attempt(() => localStorage.getItem(key));
  const keep = (key, value) => attempt(() => localStorage.setItem(key, value));

  const wants = {
    sound: () => kept(KEPT.sound) === "on",
    desktop: () => canTell && kept(KEPT.desktop) === "on" && Notification.permission === "granted",
  };

  function ring() {
    const context = new AudioContext();
    const tone = context.createOscillator();
    tone.connect(context.destination);
    tone.frequency.value = 880;
    tone.start();
    tone.stop(context.currentTime + 0.4);
    tone.addEventListener("ended", () => context.close());
  }

  function tell(count, words) {
    const message = new Notification("congvan", { body: words.replace("{n}", count), tag: KNOWN });
    message.addEventListener("click", () => window.focus());
  }

  function show(count, words) {
    const known = kept(KNOWN);
    keep(KNOWN, String(count));
    document.title = count ? `(${count}) ${plain}` : plain;
    if (known === null || count <= Number(known)) return;
    if (wants.sound()) attempt(ring);
    if (wants.desktop()) attempt(() => tell(count, words));
  }

  function look() {
    const place = document.querySelector("[data-urgent]");
    if (place) show(Number(place.dataset.urgent), place.dataset.words);
    for (const name of ["sound", "desktop"]) {
      const button = document.querySelector(`[data-${name}]`);
      if (!button || (name === "desktop" && !canTell)) continue;
      button.hidden = false;
      button.setAttribute("aria-pressed", String(wants[name]()));
    }
  }

  // The server says by its tag that nothing is new, so a look costs a few bytes. Whatever fails may be over at the next
  // one: the desk is away, or the session has ended and somebody logs in beside this page.
  async function ask(pause = EVERY) {
    try {
      const answer = await fetch(source.dataset.attention, { headers: { "X-Background": "1" }, redirect: "manual", cache: "no-cache" });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const { urgent } = await answer.json();
      const shown = document.querySelector("[data-urgent]");
      if (shown && Number(shown.dataset.urgent) !== urgent) window.htmx?.trigger(shown, "congvan-urgent");
      else if (!shown) show(urgent, source.dataset.words);
      setTimeout(ask, EVERY);
    } catch {
      const longer = Math.min(2 * pause, RAREST);
      setTimeout(ask, longer, longer);
    }
  }

  async function change(name) {
    const on = !wants[name]();
    if (name === "desktop" && on && Notification.permission !== "granted") await Notification.requestPermission();
    keep(KEPT[name], on ? "on" : "off");
    const denied = document.querySelector("[data-desktop-denied]");
    if (denied && name === "desktop") denied.hidden = !on || wants.desktop();
    if (wants.sound() && name === "sound") attempt(ring);
    look();
  }

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    for (const name of ["sound", "desktop"]) if (event.target.closest(`[data-${name}]`)) change(name);
  });
  document.addEventListener("htmx:afterSettle", look);
  look();
  if (source) ask();
}
