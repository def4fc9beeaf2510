// Starts the module once, where there are vectors for it.

/** A module that is valid where there are vectors: `i8x16.popcnt` of a splat. */
const VECTORS = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11);

/** A function that starts the module at the first call, and gives the same promise at every other unless that failed. */
export function once(start) {
  let started;
  return (source) => {
    started ??= begin(start, source).catch((error) => {
      started = undefined;
      throw error;
    });
    return started;
  };
}

async function begin(start, source) {
  if (!WebAssembly.validate(VECTORS)) {
    throw new Error("Lacewing needs WebAssembly with SIMD: Chrome 91, Firefox 89, Safari 16.4, Node.js 16.4 or newer");
  }
  await start(source);
}
