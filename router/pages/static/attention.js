// Calls attention to what is urgent: a count in the title, and a sound where somebody wants one.
"use strict";

const KEPT = "congvan-sound";
const plain = document.title;
const wants = () => localStorage.getItem(KEPT) === "on";
let known = null;

function ring() {
  const context = new AudioContext();
  const tone = context.createOscillator();
  tone.connect(context.destination);
  tone.frequency.value = 880;
  tone.start();
  tone.stop(context.currentTime + 0.4);
  tone.addEventListener("ended", () => context.close());
}

function look() {
  const place = document.querySelector("[data-urgent]");
  if (!place) return;
  const count = Number(place.dataset.urgent);
  document.title = count ? `(${count}) ${plain}` : plain;
  if (known !== null && count > known && wants()) ring();
  known = count;
  const button = document.querySelector("[data-sound]");
  if (!button) return;
  button.hidden = false;
  button.setAttribute("aria-pressed", String(wants()));
}

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element) || !event.target.closest("[data-sound]")) return;
  localStorage.setItem(KEPT, wants() ? "off" : "on");
  if (wants()) ring();
  look();
});
document.addEventListener("htmx:afterSettle", look);
look();
