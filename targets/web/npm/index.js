// For browsers and bundlers.
import start from "./lacewing.js";
import { once } from "./start.js";

export { Model, Session } from "./lacewing.js";

export default once((source) => start(source === undefined ? undefined : { module_or_path: source }));
