// Points of the parity plots under the pointer: a ring around the nearest one, and what it is of.
(() => {
  "use strict";
  const { plots, frames } = JSON.parse(document.getElementById("points").textContent);
  const REACH = 14; // px around the pointer
  const DIRECTIONS = ["x", "y", "z"], VOIGT = ["xx", "yy", "zz", "yz", "xz", "xy"];
  const tip = element("div", "tip"), ring = element("div", "ring");

  function element(tag, name) {
    const made = document.createElement(tag);
    made.className = name;
    return made;
  }

  function placeInWords(plot, index) {
    const place = plot.place[index];
    if (plot.unit.startsWith("force")) return `atom ${Math.floor(place / 3)}, ${DIRECTIONS[place % 3]}`;
    return plot.unit.startsWith("stress") ? VOIGT[place] : "";
  }

  function pixels(plot, svg, index) {
    const [left, top, width, height] = plot.box, [low, high] = plot.limits;
    return [
      svg.clientWidth * (left + (width * (plot.x[index] - low)) / (high - low)),
      svg.clientHeight * (top + height * (1 - (plot.y[index] - low) / (high - low))),
    ];
  }

  function nearest(plot, svg, event) {
    const bounds = svg.getBoundingClientRect();
    const x = event.clientX - bounds.left, y = event.clientY - bounds.top;
    let best = -1, least = REACH;
    for (let index = 0; index < plot.x.length; index++) {
      const [px, py] = pixels(plot, svg, index);
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [best, least] = [index, distance];
    }
    return best;
  }

  function show(figure, plot, svg, index) {
    const [x, y] = pixels(plot, svg, index);
    const unit = plot.unit.split(", ").pop();
    const place = placeInWords(plot, index);
    tip.textContent = `frame ${frames[plot.frame[index]]}${place ? `\n${place}` : ""}\nlabel ${plot.x[index]} ${unit}\n${plot.model} ${plot.y[index]} ${unit}`;
    figure.append(ring, tip);
    ring.style.left = `${x}px`;
    ring.style.top = `${y}px`;
    const room = document.documentElement.clientWidth - figure.getBoundingClientRect().left - tip.offsetWidth - 8;
    tip.style.left = `${Math.min(x + 12, room)}px`;
    tip.style.top = `${y + 12}px`;
  }

  function hide() {
    ring.remove();
    tip.remove();
  }

  for (const figure of document.querySelectorAll("figure.pointed")) {
    const plot = plots[Number(figure.dataset.plot)], svg = figure.querySelector("svg");
    let pointed = -1; // a click has whole pixels: it is of the point that was under the pointer
    const point = (event) => {
      pointed = nearest(plot, svg, event);
      if (pointed < 0) hide();
      else show(figure, plot, svg, pointed);
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("click", () => {
      if (pointed >= 0) document.dispatchEvent(new CustomEvent("frame", { detail: frames[plot.frame[pointed]] }));
    });
  }
})();
