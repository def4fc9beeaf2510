// For Node.js, which does not fetch files.
import { readFile } from "node:fs/promises";
import start from "./lacewing.js";
import { once } from "./start.js";

export { Model, Session } from "./lacewing.js";

export default once((source) => start({ module_or_path: source ?? readFile(new URL("./lacewing_bg.wasm", import.meta.url)) }));
