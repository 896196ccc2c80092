// The image's health check: the daemon's own /healthz, from inside the container. Whose certificate answers is not the
// question here, only whether the process serves; clients check certificates.
import http from 'node:http';
import https from 'node:https';

const listen = process.env.BOI_LISTEN ?? '127.0.0.1:7440';
const port = Number(listen.slice(listen.lastIndexOf(':') + 1));

const ask = (client) =>
  new Promise((resolve, reject) => {
    const request = client.get(
      { host: '127.0.0.1', port, path: '/healthz', timeout: 4_000, rejectUnauthorized: false },
      (answer) => {
        answer.resume();
        answer.statusCode === 200 ? resolve() : reject(new Error(`status ${answer.statusCode}`));
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer in 4 s')));
    request.on('error', reject);
  });

// Plain HTTP is what a node with `--insecure` serves.
await ask(https)
  .catch(() => ask(http))
  .catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
