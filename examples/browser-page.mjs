// Serves a web page that sends and receives: `node examples/browser-page.mjs [proxy] [port]`, then open it. Ctrl-C ends it.
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const [proxy = process.env.GRPC_ENDPOINT ?? '127.0.0.1:50051', port = '8000'] = process.argv.slice(2);
const pathOf = (name) => fileURLToPath(new URL(`browser-page/${name}`, import.meta.url));

// Browsers know nothing of packages, so the page's script is put together with all that it imports.
const bundle = await rolldown({ input: pathOf('page.js'), platform: 'browser' });
const { output } = await bundle.generate({ format: 'esm' });
await bundle.close();
const files = new Map([
  ['/', { type: 'text/html', content: await readFile(pathOf('index.html')) }],
  ['/page.js', { type: 'text/javascript', content: output[0].code }],
]);

const server = createServer((incoming, answer) => {
  const file = files.get(incoming.url);
  if (file !== undefined) answer.writeHead(200, { 'content-type': file.type }).end(file.content);
  else if (incoming.headers.origin === origin()) handOn(incoming, answer);
  else answer.writeHead(404).end();
});
const origin = () => `http://127.0.0.1:${server.address().port}`;

/** Hands a call on to the proxy, which takes calls of pages themselves from origins in PROXY_CORS_ORIGINS only. */
function handOn(incoming, answer) {
  const { origin: _, ...headers } = incoming.headers;
  const call = request(`http://${proxy}${incoming.url}`, { method: incoming.method, headers }, (reply) => {
    answer.writeHead(reply.statusCode, reply.headers).flushHeaders();
    reply.pipe(answer);
  });
  call.on('error', (error) => answer.destroy(error));
  answer.on('close', () => call.destroy());
  incoming.pipe(call);
}

try {
  await fetch(`http://${proxy}/rocketmq.RocketMQProxy/HealthCheck`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  server.listen(Number(port), '127.0.0.1', () => console.log('open', `${origin()}/`));
} catch {
  console.error(`no proxy answers at ${proxy}: start one with npm start`);
  process.exitCode = 1;
}
