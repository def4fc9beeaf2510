// Runs each of the files in `input.bin` in the module that the argument names, and writes the arenas that they leave to `output.bin`.
// A case is two little-endian u32, the bytes of the file and of the arena, then both. On standard error: the level of the kernels.
import fs from "node:fs";

const { exports } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(process.argv[2])));
const input = fs.readFileSync("input.bin");
const memory = new Uint8Array(exports.memory.buffer, exports.memory_at());
const arenas = [];
for (let at = 0; at < input.length; ) {
  const [file, arena] = [input.readUInt32LE(at), input.readUInt32LE(at + 4)];
  const arenaAt = (file + 15) & ~15;
  memory.set(input.subarray(at + 8, at + 8 + file));
  memory.set(input.subarray(at + 8 + file, at + 8 + file + arena), arenaAt);
  if (!exports.run(file, arena)) throw new Error(`the case at byte ${at} does not run`);
  arenas.push(memory.slice(arenaAt, arenaAt + arena));
  at += 8 + file + arena;
}
fs.writeFileSync("output.bin", Buffer.concat(arenas));
process.stderr.write(exports.has_vectors() ? "Simd128" : "Plain");
