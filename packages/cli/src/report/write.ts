/**
 * `doctor --bundle FILE`: one archive to send with a bug report. One folder with small files, each redacted as a whole; what could
 * not be read is said in `missing.txt` instead of ending the command. The file is new, mode 0600, and complete or not there.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { arch, platform, release } from 'node:os';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { parseEndpoint } from '@boi/client';
import { BoiError } from '@boi/core/errors';
import { pack } from 'tar-stream';
import type { Session } from '../session.ts';
import { SETTING_NAMES } from '../settings.ts';
import { VERSION } from '../version.ts';
import { knownSecrets } from './known-secrets.ts';
import { Redactor } from './redact.ts';

/** Of the log given with `--log`, from its end. */
const LOG_LINES_MAX = 2_000;
const LOG_BYTES_MAX = 4 * 2 ** 20;
const METRICS_WITHIN_MS = 5_000;

export async function writeReport(
  session: Session,
  options: { readonly file: string; readonly log: string | undefined; readonly findings: readonly object[] },
): Promise<void> {
  const redactor = new Redactor(await knownSecrets(session.io.env));
  const files = new Map<string, string>();
  const missing: string[] = [];
  const json = (name: string, value: unknown) => files.set(name, `${JSON.stringify(redactor.value(value), null, 2)}\n`);
  const trying = async (name: string, body: () => Promise<void>) => {
    try {
      await body();
    } catch (error) {
      missing.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };

  json('version.json', { 'boi-node': VERSION, node: process.version, os: `${platform()} ${release()}`, arch: arch() });
  json('config.json', configOf(session));
  json('findings.json', options.findings);
  await trying('cluster.json', async () => {
    json('cluster.json', await session.client.call('cluster.show', { query: { stale: 'ok' } }));
  });
  await trying('nodes.json', async () => {
    json('nodes.json', await session.client.call('node.list', { query: { stale: 'ok' } }));
  });
  for (const [i, endpoint] of session.target().endpoints.entries()) {
    const name = `metrics-${i + 1}.txt`;
    await trying(name, async () => {
      files.set(name, redactor.text(await metricsOf(parseEndpoint(endpoint).origin)));
    });
  }
  const { log } = options;
  if (log !== undefined) {
    await trying('log.jsonl', async () => {
      const lines = await lastLines(log);
      files.set('log.jsonl', lines.map((line) => `${redactor.line(line)}\n`).join(''));
    });
  }
  if (missing.length > 0) files.set('missing.txt', missing.map((line) => `${redactor.text(line)}\n`).join(''));
  await archive(options.file, files, session.io.now());
}

/** Only what is known to be a setting, a name or an address. Of credentials, that there are some. */
function configOf(session: Session): object {
  const contexts = Object.entries(session.config.contexts).map(([name, context]) => ({
    name,
    endpoints: context.endpoints,
    ...(context.project === undefined ? {} : { project: context.project }),
    secured: Reflect.has(context, 'credentials'),
  }));
  const settings = SETTING_NAMES.map((name) => {
    const setting = session.settings.get(name);
    return { name, value: setting?.value, source: setting?.source ?? 'default' };
  });
  return { current: session.config.current, contexts, settings };
}

async function metricsOf(origin: string): Promise<string> {
  if (!origin.startsWith('http:')) throw new Error(`${origin} answers to certificates only; add its /metrics by hand`);
  const response = await fetch(`${origin}/metrics`, { signal: AbortSignal.timeout(METRICS_WITHIN_MS) });
  if (!response.ok) throw new Error(`${origin}/metrics answered ${response.status}`);
  return response.text();
}

async function lastLines(path: string): Promise<string[]> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const from = Math.max(0, size - LOG_BYTES_MAX);
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(size - from), position: from });
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    // The first is cut where reading did not begin at the beginning.
    if (from > 0) lines.shift();
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-LOG_LINES_MAX);
  } finally {
    await handle.close();
  }
}

async function archive(path: string, files: ReadonlyMap<string, string>, now: number): Promise<void> {
  const folder = basename(path).replace(/\.(tar\.gz|tgz)$/, '') || 'boi-node';
  const half = `${path}.half`;
  try {
    // A file that is there is not written over: neither an older report nor something else.
    const taken = await readFile(path).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    );
    if (taken) throw new BoiError('bad-request', `--bundle ${path}: there is something already; name another file`);
    // Left by a run that was killed, or put there by somebody else: it is not written through, nor into a file of theirs.
    await rm(half, { force: true });
    const target = await open(half, 'wx', 0o600);
    const tar = pack();
    for (const [name, text] of files) tar.entry({ name: `${folder}/${name}`, mode: 0o600, mtime: new Date(now) }, text);
    tar.finalize();
    await pipeline(tar, createGzip(), target.createWriteStream());
    await rename(half, path);
  } catch (error) {
    await rm(half, { force: true });
    if (error instanceof BoiError) throw error;
    throw new BoiError('bad-request', `--bundle ${path} cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
