/** Opens another node's `/internal/tail` and yields its events, line by line, as fast as they are taken. */
import http from 'node:http';
import https, { type RequestOptions } from 'node:https';
import { BoiError, type LogEvent, type Problem, splitDataLine, type TaskId } from '@boi/core';
import { HEARTBEAT_MS } from './http/sse.ts';
import type { Peer } from './identity/peer-call.ts';
import type { LocalLogRequest, LogLine, LogRelayDeps } from './log-relay.ts';

/** A holder that does not begin to answer within this long is unreachable. */
const FIRST_BYTE_MS = 5_000;
/** Frames carry at most 64 KiB of output, in base64. */
const LINE_BYTES_MAX = 256 * 1024;
const SILENT_MS = 4 * HEARTBEAT_MS;

/** What a request to that very node needs of TLS; undefined: nodes speak plain HTTP. */
export type TlsOf = (peer: Peer) => RequestOptions | undefined;

/** As the relay takes it. */
export function remoteLogs(tlsOf: TlsOf): LogRelayDeps['remote'] {
  return (peer, task, request) => readRemote(peer.address, task, request, tlsOf(peer));
}

async function* readRemote(
  address: string,
  task: TaskId,
  request: Omit<LocalLogRequest, 'spec' | 'task'>,
  tls: RequestOptions | undefined,
): AsyncGenerator<LogLine> {
  const url = new URL(`/internal/tail/${task}`, address);
  for (const name of ['attempt', 'delivery', 'offset', 'tailBytes', 'limit'] as const) {
    const value = request[name];
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  if (request.follow) url.searchParams.set('follow', 'true');
  const response = await open(url, request.signal, tls);
  if (response.statusCode !== 200) throw await problem(response);
  let ended = false;
  let reading = true;
  // A holder that is stopped keeps its connections; what it owes while the task is silent are heartbeats. A reader that
  // does not take what has come makes the connection silent as well: that is no fault of the holder.
  response.socket.setTimeout(SILENT_MS, () => {
    if (reading) response.destroy(new BoiError('holder-unreachable', `${address} is silent for ${SILENT_MS} ms`));
  });
  try {
    for await (const line of lines(response, address)) {
      const event = read(line);
      if (event.type === 'end') ended = true;
      reading = false;
      yield event;
      reading = true;
    }
  } finally {
    response.destroy();
  }
  if (!ended) throw new BoiError('holder-unreachable', `${address} stopped in the middle of the log`);
}

/** Each with its end of line; empty ones, heartbeats, are left out. */
async function* lines(response: http.IncomingMessage, address: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      const part = chunk.subarray(from, at + 1);
      const line = restBytes === 0 ? part : Buffer.concat([...rest, part], restBytes + part.length);
      from = at + 1;
      rest = [];
      restBytes = 0;
      if (line.length > 1) yield line;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
    restBytes += chunk.length - from;
    if (restBytes > LINE_BYTES_MAX)
      throw new BoiError('holder-unreachable', `${address} sent a line of over ${LINE_BYTES_MAX} bytes`);
  }
}

function read(line: Buffer): LogLine {
  const data = splitDataLine(line.subarray(0, -1));
  if (data !== undefined) return { type: 'data', offset: data.offset, next: data.offset + data.bytes, line };
  const event = JSON.parse(line.toString('utf8')) as LogEvent;
  if (event.type !== 'data') return event;
  const { offset } = event;
  return { type: 'data', offset, next: offset + Buffer.byteLength(event.data, 'base64'), line };
}

function open(url: URL, signal: AbortSignal, tls: RequestOptions | undefined): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(new BoiError('holder-unreachable', `${url.origin} cannot be reached: ${cause.message}`, { cause }));
    // A node with identities asks no other in plain HTTP: what says so would not be that node.
    const get = tls === undefined ? http.get : https.get;
    const request = get(url, { ...tls, signal }, (response) => {
      request.setTimeout(0);
      resolve(response);
    });
    request.setTimeout(FIRST_BYTE_MS, () => request.destroy(new Error(`no answer within ${FIRST_BYTE_MS} ms`)));
    request.on('error', fail);
  });
}

async function problem(response: http.IncomingMessage): Promise<BoiError> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    const { code, detail } = JSON.parse(text) as Problem;
    return new BoiError(code === 'log-unavailable' ? 'log-unavailable' : 'holder-unreachable', detail);
  } catch {
    return new BoiError('holder-unreachable', `answered ${response.statusCode}`);
  }
}
