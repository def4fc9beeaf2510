// Runs the demo's model in the npm package: node session.mjs MODEL.lace FLOAT.lace INPUTS.bin OUTPUTS.bin. Inputs are int8, one behind the other; the
// outputs of both builds are written so. Everything else that the package promises is asserted here.
import assert from "node:assert/strict";
import fs from "node:fs";
import full, * as everything from "lacewing-web";
import int8, * as small from "lacewing-web/int8";

const [lace, float, inputs] = process.argv.slice(2, 5).map((path) => new Uint8Array(fs.readFileSync(path)));
const PIXELS = 28 * 28;
const outputs = [];

for (const [init, { Model, Session }] of [[full, everything], [int8, small]]) {
  assert.equal(init(), init(), "one start");
  await init();
  const model = Model.load(lace);
  const session = new Session(model);
  described(model, session);
  for (let at = 0; at < inputs.length; at += PIXELS) {
    const input = new Int8Array(inputs.buffer, at, PIXELS);
    session.setRaw(0, input);
    session.run();
    const raw = session.raw(0);
    assert(raw instanceof Int8Array);
    const { scale, zero } = session.outputs()[0];
    assert.deepEqual([...session.reals("logits")], [...raw].map((q) => Math.fround(scale * (q - zero))));
    const port = session.inputs()[0];
    session.set("image", Float32Array.from(input, (q) => port.scale * (q - port.zero)));
    session.run();
    assert.deepEqual(session.raw(0), raw, "real numbers are rounded to the same");
    outputs.push(raw);
  }
  images(session);
  refused(Model, session);
  freed(Model, Session);
}
assert.equal(everything.Model.load(float).fileBytes, float.length);
assert.throws(() => small.Model.load(float), /without `\/int8`/);
fs.writeFileSync(process.argv[5], Buffer.concat(outputs.map(({ buffer }) => Buffer.from(buffer))));

function described(model, session) {
  assert.equal(model.fileBytes, lace.length);
  assert(model.arenaBytes > 6000);
  assert.equal(model.labels[9], "Ankle boot");
  const [input, output] = [session.inputs(), session.outputs()].map(([door]) => door);
  assert.deepEqual([input.name, input.shape, input.type], ["image", [1, 1, 28, 28], "int8"]);
  assert.deepEqual([output.name, output.shape, output.type], ["logits", [1, 10], "int8"]);
}

/** An image of the input's size goes in as the numbers that its pixels are. */
function images(session) {
  const gray = Uint8Array.from({ length: PIXELS }, (_, i) => (i * 37) % 256);
  session.setImage(Uint8Array.from({ length: 4 * PIXELS }, (_, i) => (i % 4 === 3 ? 255 : gray[i >> 2])), 28, 28);
  session.run();
  const scores = session.raw(0);
  session.set(0, Float32Array.from(gray, (pixel) => pixel / 255));
  session.run();
  assert.deepEqual(session.raw(0), scores);
}

/** What is wrong is an Error with a reason, after which everything still works. */
function refused(Model, session) {
  const wrong = [
    [() => Model.load(new Uint8Array(100)), /magic|no \.lace|not a/i],
    [() => Model.load(lace.subarray(0, 5000)), /./],
    [() => Model.load(lace.map((byte, i) => (i === lace.length >> 1 ? byte ^ 1 : byte))), /damaged/],
    [() => session.set("x", []), /no input `x`; it has `image`/],
    [() => session.set(1, []), /no input number 1/],
    [() => session.set(0.5, []), /by its number/],
    [() => session.set(0, new Float32Array(3)), /784 elements, and 3 were given/],
    [() => session.setRaw(0, new Int8Array(3)), /784 elements, and 3 were given/],
    [() => session.setRaw(0, new Int16Array(PIXELS)), /type i8, not i16/],
    [() => session.setRaw(0, [1, 2]), /Int8Array/],
    [() => session.setImage(new Uint8Array(5), 2, 2), /no RGBA image of 2x2/],
    [() => session.reals("image"), /no output `image`; it has `logits`/],
  ];
  for (const [what, why] of wrong) assert.throws(what, (error) => error instanceof Error && why.test(error.message) && !(error instanceof WebAssembly.RuntimeError), String(what));
  session.run();
}

/** Memory does not grow with models and sessions that were freed; a session outlives its model. */
function freed(Model, Session) {
  let first;
  for (let i = 0; i < 200; i += 1) {
    const model = Model.load(lace);
    const sessions = [new Session(model), new Session(model)];
    model.free();
    for (const session of sessions) {
      session.run();
      session.free();
    }
    first ??= process.memoryUsage().arrayBuffers;
  }
  assert(process.memoryUsage().arrayBuffers - first < 1 << 20, "memory is given back");
}
