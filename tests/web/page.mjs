// Clicks through the demo page in headless Chromium: node page.mjs PAGE BOOT.png SCREENSHOTS. PAGE is served from a server that knows nothing else.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { start } from "./browser.mjs";
import { serve } from "./server.mjs";

const [page, boot, pictures] = process.argv.slice(2).map((name) => path.resolve(name));
const server = await serve(page);
const browser = await start();
try {
  await clicked(browser, server.address);
} finally {
  await browser.close();
  server.close();
}

async function clicked(browser, address) {
  const { send, value, until } = browser;
  await size(1100, 800, "light");
  await send("Page.navigate", { url: address });
  await until("document.body?.dataset.ready === 'yes'");
  assert.equal(await value("document.getElementById('answer').textContent"), "Nothing yet");
  await samples();
  await drawn();
  await uploaded();
  await models();
  await phone();
  assert.deepEqual(browser.complaints, [], "the console");
  assert.deepEqual(server.missing, [], "files that the page asked for");
  assert(browser.requests.every((url) => url.startsWith(address) || /^(data|blob):/.test(url)), "nothing from elsewhere");

  /** Every sample is what its name says. */
  async function samples() {
    const names = await value("[...document.querySelectorAll('#samples button')].map((button) => button.title)");
    assert.equal(names.length, 10);
    for (const [i, name] of names.entries()) {
      await click(`#samples button:nth-child(${i + 1})`);
      await answered(name.replace("Trousers", "Trouser").replace("T-shirt", "T-shirt/top"));
    }
    await shot("light");
    const [time, runtime] = await value("['time', 'runtime'].map((id) => document.getElementById(id).textContent)");
    assert(/^\d+ µs$/.test(time) && /kB$/.test(runtime), `${time} ${runtime}`);
  }

  /** Two legs, drawn with the mouse; then the same inverted twice, and cleared. */
  async function drawn() {
    await click("#clear");
    await answered("Nothing yet");
    const strokes = [[[.36, .1], [.64, .1]], [[.38, .14], [.38, .92]], [[.62, .14], [.62, .92]]];
    for (const stroke of strokes) await drag(stroke);
    await answered("Trouser");
    await shot("drawn");
    await click("#invert");
    await click("#invert");
    await answered("Trouser");
    await click("#clear");
    await answered("Nothing yet");
  }

  /** A PNG by the file picker, and by dropping it; then what is no image. */
  async function uploaded() {
    await choose("#upload", boot);
    await answered("Ankle boot");
    await click("#clear");
    const { x, y } = await middle("#canvas");
    const data = { items: [], files: [boot], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) await send("Input.dispatchDragEvent", { type, x, y, data });
    await answered("Ankle boot");
    await choose("#upload", path.join(page, "page.js"));
    await until("!document.getElementById('problem').hidden");
    assert.match(await value("document.getElementById('problem').textContent"), /page\.js is no image/);
    await choose("#upload", boot);
    await until("document.getElementById('problem').hidden");
  }

  /** The same model as one of the user's own; a file that is none is refused, and the model before it stays. */
  async function models() {
    await choose("#other", path.join(page, "fashion.lace"));
    await answered("Ankle boot");
    const broken = path.join(pictures, "broken.lace");
    fs.writeFileSync(broken, fs.readFileSync(path.join(page, "fashion.lace")).subarray(0, 9000));
    await choose("#other", broken);
    await until("!document.getElementById('problem').hidden");
    await click("#samples button:nth-child(9)");
    await answered("Bag");
  }

  /** Dark, as wide as a phone, drawn with a finger; nothing is cut off at the side. */
  async function phone() {
    await size(1100, 800, "dark");
    await shot("dark");
    await size(380, 800, "dark");
    await send("Emulation.setTouchEmulationEnabled", { enabled: true });
    await click("#clear");
    const box = await value("(({ left, top, width }) => ({ left, top, width }))(document.getElementById('canvas').getBoundingClientRect())");
    const at = (x, y) => [{ x: box.left + x * box.width, y: box.top + y * box.width }];
    for (const x of [.38, .62]) {
      await send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: at(x, .1) });
      for (let y = .14; y < .94; y += .08) await send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: at(x, y) });
      await send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    }
    await answered("Trouser");
    assert(await value("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen");
    await shot("phone");
  }

  async function answered(label) {
    try {
      await until(`document.getElementById('answer').textContent === ${JSON.stringify(label)}`);
    } catch (error) {
      const said = await value("[...document.querySelectorAll('#answer, #classes li, #problem')].map((item) => item.textContent)");
      await shot("failed");
      throw new Error(`${label} instead of ${said.join("; ")}`, { cause: error });
    }
  }

  async function size(width, height, scheme) {
    await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 500 });
    await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  function middle(selector) {
    const box = `(({ left, top, width, height }) => ({ x: left + width / 2, y: top + height / 2, width }))`;
    return value(`document.querySelector(${JSON.stringify(selector)}).scrollIntoView({ block: "nearest" }), ${box}(document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect())`);
  }

  async function mouse(type, x, y) {
    await send("Input.dispatchMouseEvent", { type, x, y, button: "left", buttons: type === "mouseReleased" ? 0 : 1, clickCount: 1 });
  }

  async function click(selector) {
    const { x, y } = await middle(selector);
    await mouse("mousePressed", x, y);
    await mouse("mouseReleased", x, y);
  }

  /** A stroke over the canvas, from 0 to 1. */
  async function drag([from, to]) {
    const { x, y, width } = await middle("#canvas");
    const at = (t) => [0, 1].map((i) => [x, y][i] + width * (from[i] + t * (to[i] - from[i]) - .5));
    await mouse("mousePressed", ...at(0));
    for (let t = .1; t <= 1; t += .1) await mouse("mouseMoved", ...at(t));
    await mouse("mouseReleased", ...at(1));
  }

  async function choose(selector, file) {
    const { result } = await send("Runtime.evaluate", { expression: `document.querySelector(${JSON.stringify(selector)})` });
    await send("DOM.setFileInputFiles", { files: [file], objectId: result.objectId });
  }

  async function shot(name) {
    await new Promise((done) => setTimeout(done, 250));
    const { data } = await send("Page.captureScreenshot", { captureBeyondViewport: true });
    fs.writeFileSync(path.join(pictures, `${name}.png`), Buffer.from(data, "base64"));
  }
}
