// How far the run is, asked again every two seconds; a new page is loaded when the run has written new results.
(() => {
  "use strict";
  const PERIOD_MS = 2000;
  const place = document.getElementById("live");
  const bar = place.querySelector("progress"), words = place.querySelector("p");

  async function ask() {
    try {
      const answer = await fetch("/status.json", { cache: "no-store" });
      const now = await answer.json();
      if (now.token !== place.dataset.token) {
        location.reload();
        return;
      }
      bar.hidden = now.fraction === null;
      bar.value = now.fraction ?? 0;
      words.textContent = now.lines.join("\n");
      setTimeout(ask, PERIOD_MS);
    } catch (error) {
      words.textContent = "pfd report --serve has ended: this page stays as it is.";
      bar.hidden = true;
    }
  }
  ask();
})();
