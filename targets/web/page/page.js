// The page: an image on the canvas goes into the session, and classes come out.
import init, { Model, Session } from "./lacewing/index.js";

/** What `samples.png` shows, square beside square. */
const SAMPLES = ["T-shirt", "Trousers", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
/** Classes that are shown. */
const SHOWN = 6;
/** Inferences are timed in so many turns, each of so many milliseconds: a browser's clock is coarse, and it compiles while it runs. */
const [TURNS, TURN] = [20, 8];

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const paper = canvas.getContext("2d", { willReadFrequently: true });

let model;
let session;
/** Whether there is anything on the canvas. */
let blank = true;

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function explain(error) {
  byId("problem").textContent = error?.message ?? String(error);
  byId("problem").hidden = !error;
}

/** Takes another model; the one before is freed when this one runs. */
function use(bytes) {
  const next = Model.load(bytes);
  let fresh;
  try {
    fresh = new Session(next);
    fresh.setImage(new Uint8Array(4), 1, 1);
  } catch (error) {
    fresh?.free();
    next.free();
    throw error;
  }
  session?.free();
  model?.free();
  [model, session] = [next, fresh];
  const [input] = session.inputs();
  byId("model-size").textContent = kilobytes(model.fileBytes);
  byId("arena").textContent = kilobytes(model.arenaBytes);
  byId("about").textContent = `Input ${input.name}, ${input.shape.join(" × ")}, ${input.type}; ${session.outputs()[0].shape.at(-1)} classes.`;
}

/** Scores as shares of one, whether the model ends in a softmax or before it. */
function shares(scores) {
  const sum = scores.reduce((sum, score) => sum + score, 0);
  if (Math.abs(sum - 1) < 0.05 && scores.every((score) => score >= 0)) return Array.from(scores);
  const most = Math.max(...scores);
  const powers = Array.from(scores, (score) => Math.exp(score - most));
  const whole = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / whole);
}

/** Microseconds of a run in a turn; what it runs on does not matter. */
function timed(session) {
  const start = performance.now();
  let runs = 0;
  while (performance.now() - start < TURN) {
    session.run();
    runs += 1;
  }
  return (1000 * (performance.now() - start)) / runs;
}

/** Shows the fastest turn, and leaves time for all else between them. */
async function clock() {
  const measured = new Session(model);
  let best = Infinity;
  for (let turn = 0; turn < TURNS; turn += 1) {
    best = Math.min(best, timed(measured));
    await new Promise((done) => setTimeout(done, TURN));
  }
  measured.free();
  byId("time").textContent = `${best.toFixed(0)} µs`;
}

function classify() {
  if (!session) return;
  if (blank) return show([]);
  const { data, width, height } = paper.getImageData(0, 0, canvas.width, canvas.height);
  session.setImage(data, width, height);
  session.run();
  const labels = model.labels;
  const classes = shares(session.reals(0)).map((share, i) => ({ name: labels[i] ?? `class ${i}`, share }));
  show(classes.sort((a, b) => b.share - a.share).slice(0, SHOWN));
}

function show(classes) {
  byId("answer").textContent = classes[0]?.name ?? "Nothing yet";
  byId("answer").classList.toggle("waiting", classes.length === 0);
  byId("hint").hidden = !blank;
  byId("classes").replaceChildren(...classes.map(({ name, share }) => {
    const item = document.createElement("li");
    const [label, percent, bar, length] = ["span", "span", "span", "i"].map((tag) => document.createElement(tag));
    label.textContent = name;
    percent.textContent = `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
    percent.className = "share";
    bar.className = "bar";
    length.style.width = `${100 * share}%`;
    bar.append(length);
    item.append(label, percent, bar);
    return item;
  }));
}

/** Classifies when the browser draws next, once however often it is called. */
let asked = false;
function soon() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    classify();
  });
}

function clear() {
  paper.fillStyle = byId("invert").checked ? "#fff" : "#000";
  paper.fillRect(0, 0, canvas.width, canvas.height);
  if (byId("invert").checked) invert();
  blank = true;
  press(null);
  soon();
}

/** Light for dark, as the network was trained on clothes that are light on black. */
function invert() {
  paper.globalCompositeOperation = "difference";
  paper.fillStyle = "#fff";
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.globalCompositeOperation = "source-over";
}

function press(sample) {
  for (const button of byId("samples").children) button.setAttribute("aria-pressed", String(button === sample));
}

/** Puts an image on the canvas, whole, in the middle; a light ground makes it inverted. */
function place(image) {
  const scale = Math.min(canvas.width / image.width, canvas.height / image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  const draw = (ground) => {
    paper.fillStyle = ground;
    paper.fillRect(0, 0, canvas.width, canvas.height);
    // Pixels of an image that is enlarged stay what they are.
    paper.imageSmoothingEnabled = scale < 1;
    paper.imageSmoothingQuality = "high";
    paper.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  };
  draw("#fff");
  const light = isLight();
  byId("invert").checked = light;
  if (light) invert();
  else draw("#000");
  blank = false;
  press(null);
  explain(null);
  soon();
}

/** Whether the four corners are rather white. */
function isLight() {
  const edge = canvas.width - 1;
  const corner = (x, y) => paper.getImageData(x, y, 1, 1).data.slice(0, 3).reduce((sum, part) => sum + part, 0) / 765;
  return corner(0, 0) + corner(edge, 0) + corner(0, edge) + corner(edge, edge) > 2;
}

/** A file that was chosen or dropped: a model or an image. */
async function open(file) {
  if (!file) return;
  try {
    if (file.name.endsWith(".lace")) {
      use(new Uint8Array(await file.arrayBuffer()));
      explain(null);
      soon();
      return await clock();
    }
    const image = await createImageBitmap(file).catch(() => {
      throw new Error(`${file.name} is no image that this browser reads`);
    });
    place(image);
    image.close();
  } catch (error) {
    explain(error);
  }
}

function listen() {
  let last;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  const line = (to) => {
    paper.strokeStyle = "#e8e8e8";
    paper.lineWidth = Number(byId("brush").value);
    paper.lineCap = paper.lineJoin = "round";
    paper.beginPath();
    paper.moveTo(...last);
    paper.lineTo(...to);
    paper.stroke();
    [last, blank] = [to, false];
    press(null);
    soon();
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    line(last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) line(at(part));
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = undefined; });
  byId("clear").addEventListener("click", clear);
  byId("invert").addEventListener("change", () => {
    if (!blank) invert();
    soon();
  });
  for (const id of ["upload", "other"]) {
    byId(id).addEventListener("change", async ({ target }) => {
      await open(target.files[0]);
      target.value = "";
    });
  }
  const board = byId("board");
  const over = (event) => {
    event.preventDefault();
    board.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") open(event.dataTransfer.files[0]);
  };
  for (const type of ["dragover", "dragleave", "drop"]) document.addEventListener(type, over);
}

async function samples() {
  const image = new Image();
  image.src = "samples.png";
  await image.decode();
  const side = image.height;
  byId("samples").replaceChildren(...SAMPLES.map((name, i) => {
    const [button, picture] = ["button", "canvas"].map((tag) => document.createElement(tag));
    picture.width = picture.height = side;
    picture.getContext("2d").drawImage(image, -i * side, 0);
    button.type = "button";
    button.setAttribute("aria-label", name);
    button.setAttribute("aria-pressed", "false");
    button.title = name;
    button.append(picture);
    button.addEventListener("click", () => {
      place(picture);
      press(button);
    });
    return button;
  }));
}

async function bytes(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function main() {
  listen();
  clear();
  const [wasm, lace] = await Promise.all([bytes("lacewing/lacewing_bg.wasm"), bytes("fashion.lace"), samples()]);
  byId("runtime").textContent = kilobytes(wasm.length);
  await init(wasm);
  use(lace);
  classify();
  await clock();
  document.body.dataset.ready = "yes";
}

main().catch((error) => {
  byId("answer").textContent = "That did not work";
  explain(error);
});
