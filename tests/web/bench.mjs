// Times models in Node.js: node bench.mjs PACKAGE MODEL.lace..., where PACKAGE is target/web/npm/full or int8. Microseconds of the fastest of many turns.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const { default: init, Model, Session } = await import(pathToFileURL(path.resolve(folder, "node.js")));
await init();
for (const file of files) {
  const session = new Session(Model.load(new Uint8Array(fs.readFileSync(file))));
  let best = Infinity;
  for (const end = performance.now() + 2000; performance.now() < end; ) {
    const start = performance.now();
    for (let run = 0; run < 10; run += 1) session.run();
    best = Math.min(best, 100 * (performance.now() - start));
  }
  console.log(`${path.basename(file).padEnd(30)} ${best.toFixed(1).padStart(10)} µs`);
}
