// A static server: the files of a folder.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".png": "image/png" };

/** Serves a folder on a free port; `missing` lists what was asked for in vain. */
export function serve(folder) {
  const missing = [];
  const server = http.createServer((request, response) => {
    const name = new URL(request.url, "http://localhost").pathname.replace(/\/$/, "/index.html");
    const file = path.join(folder, path.normalize(name));
    if (!fs.existsSync(file)) {
      missing.push(name);
      return response.writeHead(404).end();
    }
    response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "application/octet-stream" });
    fs.createReadStream(file).pipe(response);
  });
  return new Promise((done) => {
    server.listen(0, "127.0.0.1", () => {
      const close = () => server.close() && server.closeAllConnections();
      done({ address: `http://127.0.0.1:${server.address().port}/`, missing, close });
    });
  });
}
