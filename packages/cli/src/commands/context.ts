/** `context add|use|list|show|refresh|remove`: the clusters this user knows, in the config file, with who the user is there. */
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { parseEndpoint } from '@boi/client';
import { BoiError } from '@boi/core/errors';
import { displayName, validateName } from '@boi/core/names';
import { didYouMean } from '@boi/core/spec/suggest';
import type { Args } from '../args.ts';
import { type ConfigFile, type Context, configPath, updateConfig } from '../config-file.ts';
import {
  type Bundle,
  certificateOf,
  checkCredentials,
  parseBundle,
  readCredentials,
  readSecret,
} from '../credential-file.ts';
import { presentOne, renderData } from '../output/present.ts';
import { renderFields, renderTable } from '../output/table.ts';
import { absolute } from '../output/time.ts';
import type { Session } from '../session.ts';

export async function addContext(session: Session, args: Args): Promise<number> {
  const name = args.one('name');
  const issue = validateName(name);
  if (issue !== undefined) throw new BoiError('invalid-name', `the name of a context ${issue.message}`);
  const given = await credentialsFrom(session, args);
  const urls = args.many('url');
  const endpoints = (urls.length > 0 ? urls : (given?.endpoints ?? [])).map((url) => parseEndpoint(url).origin);
  if (endpoints.length === 0)
    throw new BoiError('bad-request', 'say where the cluster is: URLs of its nodes, or --bundle FILE with them');
  if (given === undefined && endpoints.some((endpoint) => endpoint.startsWith('https:'))) {
    throw new BoiError(
      'bad-request',
      'an https:// address needs credentials: --bundle FILE, or --ca FILE with --token, or --identity DIRECTORY',
    );
  }
  const keep = args.switch('keep-current');
  const changed = await updateConfig(session.io.env, async (config, keepBundle) => {
    const credentials = given?.bundle === undefined ? given?.directory : await keepBundle(name, given.bundle);
    const context: Context = {
      endpoints,
      ...(session.projectAsked ? { project: session.project } : {}),
      ...(credentials === undefined ? {} : { credentials }),
    };
    return { ...config, contexts: { ...config.contexts, [name]: context }, ...(keep ? {} : { current: name }) };
  });
  const who =
    given?.bundle?.user === undefined ? '' : ` as ${displayName(given.bundle.user.name, given.bundle.user.id)}`;
  session.note(
    `context ${name} is ${endpoints.join(', ')}${who}${changed.current === name ? '; it is the current one' : ''}`,
  );
  return 0;
}

interface Given {
  readonly bundle?: Bundle;
  /** Identity directory of a node of this machine. */
  readonly directory?: string;
  readonly endpoints?: readonly string[] | undefined;
}

async function credentialsFrom(session: Session, args: Args): Promise<Given | undefined> {
  const [file, token, ca, identity] = ['bundle', 'token', 'ca', 'identity'].map((flag) => args.text(flag));
  const ways = [file !== undefined, token !== undefined || ca !== undefined, identity !== undefined];
  if (ways.filter(Boolean).length > 1)
    throw new BoiError('bad-request', 'give one of --bundle, --ca with --token, and --identity');
  if (file !== undefined) {
    const text = file === '-' ? await readAll(session.io.stdin) : await readSecret(file);
    const bundle = parseBundle(file === '-' ? '<stdin>' : file, text);
    return { bundle, endpoints: bundle.endpoints };
  }
  if (identity !== undefined) {
    const directory = resolve(identity);
    // Read now, so that a wrong directory is told now.
    await readCredentials('', directory);
    return { directory };
  }
  if (token === undefined && ca === undefined) return undefined;
  if (token === undefined || ca === undefined)
    throw new BoiError(
      'bad-request',
      '--token is sent over TLS only, so it comes with --ca FILE, and that with --token',
    );
  const secret = (token === '-' ? await readAll(session.io.stdin) : token).trim();
  const bundle: Bundle = { v: 1, ca: await readSecret(ca), secret };
  checkCredentials(ca, bundle);
  return { bundle };
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * What the cluster trusts now, as a node says that this context trusts already, and a certificate of the CA that signs now:
 * for while the CA is replaced. The certificate is renewed also when it is due.
 */
export async function refreshContext(session: Session, _args: Args): Promise<number> {
  const name = session.contextName ?? '';
  const { ca, fingerprint } = await session.client.call('ca.show', {});
  const { changeBundle, dueAt, renewCertificate, signedBy } = await import('../renewal.ts');
  let renewed = false;
  await changeBundle(session, name, async (bundle) => {
    const { certificate } = bundle;
    const due =
      certificate !== undefined && (!signedBy(certificate, ca, fingerprint) || session.io.now() >= dueAt(certificate));
    renewed = due;
    return due ? renewCertificate(session, bundle) : { ...bundle, ca };
  });
  session.note(`context ${name} trusts what the cluster trusts now${renewed ? ', and has a new certificate' : ''}`);
  return 0;
}

export async function useContext(session: Session, args: Args): Promise<number> {
  const name = args.one('name');
  await updateConfig(session.io.env, (config) => {
    requireContext(config, name);
    return { ...config, current: name };
  });
  session.note(`commands now talk to ${name}`);
  return 0;
}

export async function listContexts(session: Session, _args: Args): Promise<number> {
  const { format } = session;
  const rows = Object.entries(session.config.contexts)
    .map(([name, context]) => ({ name, current: name === session.contextName, ...context }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, rows));
  else if (format === 'name') await session.print(rows.map((r) => `${r.name}\n`).join(''));
  else if (rows.length === 0)
    session.note('no contexts; `boi-node dev` makes one, or `boi-node context add NAME --bundle FILE`');
  else {
    const columns = [
      { title: 'CURRENT', cell: (r: (typeof rows)[number]) => (r.current ? '*' : ' ') },
      { title: 'NAME', cell: (r: (typeof rows)[number]) => r.name },
      { title: 'ENDPOINTS', cell: (r: (typeof rows)[number]) => r.endpoints.join(', ') },
      { title: 'PROJECT', cell: (r: (typeof rows)[number]) => r.project ?? '' },
    ];
    await session.print(renderTable(rows, columns, { wide: format === 'wide', paint: session.out }));
  }
  return 0;
}

export async function showContext(session: Session, args: Args): Promise<number> {
  const name = args.optional('name') ?? session.contextName;
  if (name === undefined) throw new BoiError('not-found', 'no context is current; see `boi-node context list`');
  const context = requireContext(session.config, name);
  const identity = await identityOf(session, context);
  await presentOne(session, { name, current: name === session.contextName, ...context, ...identity }, name, () =>
    renderFields(
      [
        ['Context', name],
        ['Current', name === session.contextName ? 'yes' : 'no'],
        ['Endpoints', context.endpoints.join('\n')],
        ['Project', context.project],
        ['User', identity.user === undefined ? undefined : displayName(identity.user.name, identity.user.id)],
        ['Credentials', identity.file],
        [
          'Certificate',
          identity.expiresAt === undefined ? undefined : `expires ${absolute(identity.expiresAt, session.io.now())}`,
        ],
        ['Problem', identity.problem],
      ],
      session.out,
    ),
  );
  return 0;
}

interface Identity {
  readonly file?: string;
  readonly user?: Bundle['user'];
  /** Of the certificate, milliseconds since the epoch. */
  readonly expiresAt?: number;
  /** Why it cannot be told. */
  readonly problem?: string;
}

/** Who the user is there, without asking the cluster; never the secrets. */
async function identityOf(session: Session, { credentials }: Context): Promise<Identity> {
  if (credentials === undefined) return {};
  const file = isAbsolute(credentials) ? credentials : join(dirname(configPath(session.io.env)), credentials);
  try {
    const bundle = isAbsolute(credentials) ? undefined : parseBundle(file, await readSecret(file));
    const pem = bundle === undefined ? (await readCredentials('', file)).certificate : bundle.certificate;
    const expiresAt = Date.parse((pem === undefined ? undefined : certificateOf(pem))?.validTo ?? '');
    return {
      file,
      ...(bundle?.user === undefined ? {} : { user: bundle.user }),
      ...(Number.isNaN(expiresAt) ? {} : { expiresAt }),
    };
  } catch (error) {
    return { file, problem: (error as Error).message };
  }
}

export async function removeContexts(session: Session, args: Args): Promise<number> {
  const names = args.many('name');
  await updateConfig(session.io.env, (config) => {
    for (const name of names) requireContext(config, name);
    const contexts = Object.fromEntries(Object.entries(config.contexts).filter(([name]) => !names.includes(name)));
    const { current, ...rest } = config;
    return { ...rest, contexts, ...(current === undefined || names.includes(current) ? {} : { current }) };
  });
  session.note(`forgotten: ${names.join(', ')}`);
  return 0;
}

function requireContext(config: ConfigFile, name: string): Context {
  const context = Object.hasOwn(config.contexts, name) ? config.contexts[name] : undefined;
  if (context !== undefined) return context;
  throw new BoiError('not-found', `there is no context "${name}"${didYouMean(name, Object.keys(config.contexts))}`);
}
