// Headless Chromium, by its debugging protocol over two pipes: messages of JSON, a zero behind each.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** Milliseconds that anything may take. */
const LIMIT = 30_000;

/** Starts it with one empty page. */
export async function start() {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "lacewing-web-"));
  const options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
  const child = spawn("chromium", [...options, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const closed = new Promise((done) => child.once("close", done));
  const [complaints, requests, waiting] = [[], [], new Map()];
  let last = 0;
  let session;

  function send(method, params = {}, sessionId = session) {
    last += 1;
    child.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    return limited(new Promise((done, failed) => waiting.set(last, { done, failed })), method);
  }

  function heard({ id, method, params, result, error }) {
    if (error) waiting.get(id)?.failed(new Error(error.message));
    else if (id) waiting.get(id)?.done(result);
    if (method === "Network.requestWillBeSent") requests.push(params.request.url);
    if (method === "Runtime.exceptionThrown") complaints.push(params.exceptionDetails.exception?.description);
    if (method === "Runtime.consoleAPICalled") complaints.push(params.args.map(({ value }) => value).join(" "));
    if (method === "Log.entryAdded") complaints.push(params.entry.text);
  }

  let rest = "";
  child.stdio[4].setEncoding("utf8").on("data", (text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop();
    for (const message of messages) heard(JSON.parse(message));
  });

  /** What an expression gives in the page. */
  async function value(expression) {
    const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  /** Waits until an expression is true. */
  async function until(expression) {
    const end = Date.now() + LIMIT / 3;
    while (!(await value(expression))) {
      if (Date.now() > end) throw new Error(`never: ${expression}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  async function close() {
    await send("Browser.close", {}, undefined).catch(() => child.kill());
    await closed;
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }

  const { targetInfos } = await send("Target.getTargets");
  const { targetId } = targetInfos.find(({ type }) => type === "page");
  ({ sessionId: session } = await send("Target.attachToTarget", { targetId, flatten: true }));
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
  return { send, value, until, close, complaints, requests };
}

function limited(promise, what) {
  let timer;
  const late = new Promise((_, failed) => { timer = setTimeout(() => failed(new Error(`${what} takes too long`)), LIMIT); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
