// What a reader would stumble over on the page shown: text that cannot be read, charts that are not there, a page that
// is wider than its window. The value is a list of complaints.
(() => {
  const found = [];
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      const [, , , alpha = 1] = parts(colour);
      if (alpha > 0.5) return colour;
    }
    return getComputedStyle(document.documentElement).backgroundColor;
  };
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || ["STYLE", "SCRIPT", "TITLE"].includes(element.tagName.toUpperCase())) continue;
    if (element.checkVisibility && !element.checkVisibility()) continue; // folded away
    texts += 1;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [one, other] = [light(ink), light(ground(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${node.data.trim().slice(0, 40)}`);
    if (parseFloat(style.fontSize) < 8 && !(element instanceof SVGElement)) found.push(`tiny: ${node.data.trim()}`);
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (!(box.width > 0 && box.height > 0)) found.push(`no size: ${node.data.trim().slice(0, 40)}`);
  }
  if (texts < 20) found.push(`only ${texts} texts`);
  for (const chart of document.querySelectorAll("figure svg")) {
    const box = chart.getBoundingClientRect();
    if (box.width < 250 || box.height < 80 || box.right > innerWidth + 1) found.push(`chart of ${box.width} x ${box.height}`);
    if (!chart.querySelector("path")) found.push("an empty chart");
  }
  for (const picture of document.querySelectorAll("img")) {
    if (!picture.complete || !picture.naturalWidth) found.push(`a picture is not shown: ${picture.alt}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push(`${document.documentElement.scrollWidth} px wide`);
  return found;
})()
