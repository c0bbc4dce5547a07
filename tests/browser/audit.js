// What is wrong with the page for people who cannot see or point well: [what, where] each.
() => {
  const faults = [];
  for (const animation of document.getAnimations()) animation.cancel(); // judge where they lead
  const visible = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = rgba(colour)
      .slice(0, 3)
      .map((v) => {
        const share = v / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.textContent.trim() || !visible(e) || e.closest(".unseen, noscript, svg")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [luminance(style.color), luminance(ground(e))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) {
      faults.push([`contrast ${contrast.toFixed(2)}`, node.textContent.trim().slice(0, 40)]);
    }
  }
  for (const e of document.querySelectorAll(
    "button, input, textarea, [role=meter], dialog[open]",
  )) {
    if (!visible(e)) continue;
    const by = (e.getAttribute("aria-labelledby") ?? "").split(" ");
    const words = by.map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const labels = [...(e.labels ?? [])].map((label) => label.textContent).join(" ");
    const name = e.getAttribute("aria-label") || words.trim() || labels.trim() || e.innerText;
    if (!name?.trim()) faults.push(["no name", e.outerHTML.slice(0, 80)]);
    const { width, height } = (e.closest("label") ?? e).getBoundingClientRect();
    if (e.matches("button, input, textarea") && Math.min(width, height) < 24) {
      faults.push([`small: ${width} x ${height}`, e.outerHTML.slice(0, 80)]);
    }
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of ids)
    if (ids.filter((other) => other === id).length > 1) faults.push(["id twice", id]);
  for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const e of document.querySelectorAll(`[${attribute}]`)) {
      if (!document.getElementById(e.getAttribute(attribute)))
        faults.push([attribute, e.outerHTML]);
    }
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push(["h1", ""]);
  if (!document.documentElement.lang) faults.push(["lang", ""]);
  return faults;
};
