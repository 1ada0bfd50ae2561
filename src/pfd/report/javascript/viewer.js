// The chosen frames in three dimensions: one at a time, turned by dragging.
(() => {
  "use strict";
  const frames = JSON.parse(document.getElementById("frames-shown").textContent);
  const box = document.getElementById("viewer"), choice = document.getElementById("frame");
  const caption = document.getElementById("caption");

  const groups = new Map();
  frames.forEach((frame, index) => {
    if (!groups.has(frame.group)) {
      const group = document.createElement("optgroup");
      group.label = frame.group;
      groups.set(frame.group, group);
      choice.append(group);
    }
    groups.get(frame.group).append(new Option(`${frame.group}, ${frame.title}: ${frame.id}`, index));
  });

  let viewer = null;
  try {
    viewer = $3Dmol.createViewer(box, { backgroundAlpha: 0, antialias: true, cartoonQuality: 1 });
  } catch (error) {
    viewer = null;
  }
  if (!viewer) {
    box.textContent = "This browser has no WebGL, which the viewer needs.";
    return;
  }
  box.viewer = viewer;

  function xyz(frame) {
    const lines = frame.kinds.map((kind, atom) => {
      const place = frame.xyz.slice(3 * atom, 3 * atom + 3).map((each) => each / 100);
      return `${frame.elements[kind]} ${place.join(" ")}`;
    });
    return `${lines.length}\n\n${lines.join("\n")}\n`;
  }

  function drawCell(cell) {
    const corner = (i, j, k) => {
      const [x, y, z] = [0, 1, 2].map((axis) => i * cell[0][axis] + j * cell[1][axis] + k * cell[2][axis]);
      return { x, y, z };
    };
    const color = getComputedStyle(box).color;
    for (const [i, j] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
      for (const [start, end] of [
        [corner(0, i, j), corner(1, i, j)],
        [corner(i, 0, j), corner(i, 1, j)],
        [corner(i, j, 0), corner(i, j, 1)],
      ]) {
        viewer.addLine({ start, end, color });
      }
    }
  }

  function draw() {
    const frame = frames[Number(choice.value)];
    viewer.removeAllModels();
    viewer.removeAllShapes();
    viewer.addModel(xyz(frame), "xyz");
    viewer.setStyle({}, { sphere: { scale: 0.3 }, stick: { radius: 0.1 } });
    if (frame.cell) drawCell(frame.cell);
    viewer.zoomTo();
    if (box.clientWidth > 1.3 * box.clientHeight) viewer.zoom(1.3); // a narrow box is filled by its width already
    viewer.render();
    caption.textContent = [frame.id, frame.facts, frame.remark].filter(Boolean).join(": ");
  }

  function step(by) {
    choice.value = String((Number(choice.value) + by + frames.length) % frames.length);
    draw();
  }

  choice.addEventListener("change", draw);
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  document.addEventListener("frame", (event) => {
    const index = frames.findIndex((frame) => frame.id === event.detail);
    if (index < 0) return;
    choice.value = String(index);
    draw();
    box.scrollIntoView({ block: "center" });
  });
  draw();
  viewer.rotate(15, "y");
  viewer.rotate(12, "x");
})();
