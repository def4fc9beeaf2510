import type { InitInput } from "./lacewing.js";

export { Model, Session } from "./lacewing.js";
export type { Door, Numbers } from "./lacewing.js";

/**
 * Loads the module, once however often it is called; wait for it before anything else.
 *
 * @param source where `lacewing_bg.wasm` is, or its bytes; without it, beside this file.
 */
export default function init(source?: InitInput | Promise<InitInput>): Promise<void>;
