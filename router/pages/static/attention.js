// Calls attention to what is urgent: a count in the title; a sound and a message on the screen for who wants them.
"use strict";

{
  const KEPT = { sound: "congvan-sound", desktop: "congvan-desktop" };
  const KNOWN = `congvan-urgent-${location.pathname.split("/")[1]}`; // shared by the tabs, so that one of them calls
  const EVERY = 10000;
  const plain = document.title;
  const source = document.querySelector("[data-attention]");
  const canTell = "Notification" in window;

  const wants = {
    sound: () => localStorage.getItem(KEPT.sound) === "on",
    desktop: () => canTell && localStorage.getItem(KEPT.desktop) === "on" && Notification.permission === "granted",
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
    const known = localStorage.getItem(KNOWN);
    localStorage.setItem(KNOWN, String(count));
    document.title = count ? `(${count}) ${plain}` : plain;
    if (known === null || count <= Number(known)) return;
    if (wants.sound()) ring();
    if (wants.desktop()) tell(count, words);
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

  // The server says by its tag that nothing is new, so a look costs a few bytes.
  async function ask() {
    try {
      const answer = await fetch(source.dataset.attention, { headers: { "X-Background": "1" }, redirect: "manual", cache: "no-cache" });
      if (!answer.ok) return; // the session has ended: this page asks no more
      const { urgent } = await answer.json();
      const shown = document.querySelector("[data-urgent]");
      if (shown && Number(shown.dataset.urgent) !== urgent) window.htmx?.trigger(shown, "congvan-urgent");
      else if (!shown) show(urgent, source.dataset.words);
    } catch {
      // the desk is away: the next look finds it
    }
    setTimeout(ask, EVERY);
  }

  async function change(name) {
    const on = !wants[name]();
    if (name === "desktop" && on && Notification.permission !== "granted") await Notification.requestPermission();
    localStorage.setItem(KEPT[name], on ? "on" : "off");
    const denied = document.querySelector("[data-desktop-denied]");
    if (denied && name === "desktop") denied.hidden = !on || wants.desktop();
    if (wants.sound() && name === "sound") ring();
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
