/**
 * Loopback ports for servers that are stopped and started again at the same place. They lie below the range from which systems
 * take the ports of outgoing connections (32768 on Linux, 49152 by RFC 6335): one of those, made while the server is down, would
 * hold its port, and the server could not start.
 */
import { createServer } from 'node:net';

const FIRST = 10_000;
const COUNT = 22_000;
/** Spreads processes that run side by side over the range: coprime to it, and far more than one of them takes. */
const STRIDE = 1_009;

let next = (process.pid * STRIDE) % COUNT;

/** `count` different ports that nothing listens on now, and that this process has not been given before. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tried = 0; ports.length < count; tried++) {
    if (tried === COUNT) throw new Error(`no ${count} loopback ports are free`);
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
