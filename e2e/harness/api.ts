/**
 * The nodes' HTTP API, asked from outside the containers with the laptop's credentials: for requests by the hundred, and for
 * figures that no command prints. The engine runs on this machine, so its networks can be reached.
 */
import https from 'node:https';
import type { Container } from './container.ts';

export interface Credentials {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export type Method = 'GET' | 'POST' | 'DELETE';

/** Where a node's API is to be had. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** Whom its certificate is for. */
  readonly servername: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

const PORT = 7440;
const WITHIN_MS = 30_000;
/** Of each node; more requests than that wait for one another. A thousand handshakes at once would test the patience of TLS. */
const CONNECTIONS_MAX = 32;

export class Api {
  readonly #agent: https.Agent;

  constructor({ ca, certificate, key }: Credentials) {
    this.#agent = new https.Agent({ ca, cert: certificate, key, keepAlive: true, maxSockets: CONNECTIONS_MAX });
  }

  /** One request to one node; an answer of any status is an answer. */
  async ask(node: Container, method: Method, path: string, body?: unknown): Promise<Answer> {
    return this.askAt({ host: await node.address(), port: PORT, servername: node.name }, method, path, body);
  }

  askAt(place: Place, method: Method, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = text === undefined ? {} : { 'content-type': 'application/json' };
      const request = https.request(
        { agent: this.#agent, ...place, method, path, headers, timeout: WITHIN_MS },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.once('end', () =>
            resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
          );
          answer.once('error', reject);
        },
      );
      request.once('timeout', () =>
        request.destroy(new Error(`${place.servername}: no answer in ${WITHIN_MS / 1000} s`)),
      );
      request.once('error', reject);
      request.end(text);
    });
  }

  /** Sum of a metric over its label sets, or of those that have all these labels; 0 while there is none. */
  async metric(node: Container, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const { status, text } = await this.ask(node, 'GET', '/metrics');
    if (status !== 200) throw new Error(`${node.name}: /metrics answers ${status}`);
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .filter((line) => wanted.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  close(): void {
    this.#agent.destroy();
  }
}
