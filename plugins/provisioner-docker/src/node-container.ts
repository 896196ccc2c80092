/**
 * What the engine is told to make of a request: a container whose name is made of the request id, so that there cannot be two. The join
 * token is not in it: nothing that can be inspected later has it. It is put into the container's disk as a file before the start.
 */
import { bindConfig, type Docker, limitsConfig } from '@boi/docker-engine';
import { type provisioner, Refusal } from '@boi/plugin-sdk';
import type { Settings } from './settings.ts';

/** On each container: the id of its request. */
export const REQUEST_LABEL = 'boi.provisioner.request';

/** In the root of the container's disk, which every image has. */
const TOKEN_FILE = 'boi-join-token';
/** Where the node listens, if the operator does not say otherwise. */
const PORT = 7440;

/** Also its host name, and so without what a host name cannot have. */
export function nodeName(requestId: string): string {
  const [, id] = /^(?:prq_)?([A-Za-z0-9-]{1,50})$/.exec(requestId) ?? [];
  if (id === undefined) throw new Refusal('invalid-argument', 'request_id is ill-formed');
  return `boi-node-${id.toLowerCase()}`;
}

export function nodeContainer(
  request: provisioner.ProvisionRequest__Output,
  settings: Settings,
): Docker.ContainerCreateOptions {
  const { requestId, joinToken } = request;
  const { image, network, mounts, limits } = settings;
  const name = nodeName(requestId);
  const labels = Object.entries({ ...settings.offers, ...request.labels })
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const values: Readonly<Record<string, string>> = {
    request_id: requestId,
    name,
    token_file: `/${TOKEN_FILE}`,
    bootstrap: request.bootstrapAddresses.join(','),
    labels,
  };
  const fill = (text: string) => text.replace(/\{(\w+)\}/g, (all, word: string) => values[word] ?? all);
  const env: Record<string, string> = {
    BOI_NAME: name,
    BOI_LABEL: labels,
    BOI_LISTEN: `0.0.0.0:${PORT}`,
    BOI_ADVERTISE: `https://${name}:${PORT}`,
    ...(joinToken === '' ? {} : { BOI_TOKEN_FILE: `/${TOKEN_FILE}` }),
    ...settings.env,
  };
  return {
    name,
    Hostname: name,
    Image: image,
    ...(settings.args.length === 0 ? {} : { Cmd: settings.args.map(fill) }),
    Env: Object.entries(env).map(([key, value]) => `${key}=${fill(value)}`),
    Labels: { ...settings.labels, [REQUEST_LABEL]: requestId },
    HostConfig: {
      Mounts: bindConfig(mounts),
      ...(network === undefined ? {} : { NetworkMode: network }),
      ...limitsConfig(limits),
    },
  };
}

const BLOCK = 512;

/**
 * The token as the engine takes a file: a tar archive of one entry. Whoever the image runs as can read it; in the container there
 * is nobody else, and before a task runs there the token is used up.
 */
export function tokenArchive(token: string): Buffer {
  const content = Buffer.from(token);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(TOKEN_FILE, 0);
  header.write(octal(0o444, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(content.length, 11), 124);
  header.write(octal(0, 11), 136);
  header.write(' '.repeat(8), 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(content.length / BLOCK) * BLOCK);
  content.copy(body);
  // Two empty blocks are the end.
  return Buffer.concat([header, body, Buffer.alloc(2 * BLOCK)]);
}
