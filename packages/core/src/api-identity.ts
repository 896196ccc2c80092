/**
 * The part of the HTTP API that is about identity: joining, certificates, the CA and its rotation, join tokens, users, admin
 * nodes, the audit. Part of the one table of routes in api.ts. Secrets (tokens, bearer secrets) are in answers to the one
 * request that makes them and nowhere else.
 */
import { type Static, Type } from 'typebox';
import { Count, closed, Millis, none, Page, page, route, Text } from './api-schema.ts';

/** Roles of users, from the least to the most. */
export type UserRole = 'viewer' | 'operator' | 'admin';
export const USER_ROLES: readonly UserRole[] = ['viewer', 'operator', 'admin'];
const Role = Type.Unsafe<UserRole>({
  type: 'string',
  enum: [...USER_ROLES],
  description: 'viewer: reads; operator: also runs work and drains nodes; admin: everything.',
});

/** A PEM of one request or certificate is about 1 KiB; a bundle of two certificates two. */
const PEM_CHARS_MAX = 16_384;
const Csr = Text('PEM of the certificate request; its key stays where it was made.', {
  minLength: 1,
  maxLength: PEM_CHARS_MAX,
});
const Address = Text('URL at which others reach the API of the node; its certificate is for that host.', {
  minLength: 1,
  maxLength: 300,
});
const Pem = (what: string) => Text(`PEM of ${what}.`);
const Fingerprint = (what: string) => Text(`SHA-256 of ${what}, 64 lowercase hexadecimal digits.`);

/** Who asks, from the credential. */
export const ActorSchema = Type.Object(
  {
    kind: Type.Unsafe<'user' | 'node' | 'anyone'>({
      type: 'string',
      enum: ['user', 'node', 'anyone'],
      description: 'anyone: the node runs without identities.',
    }),
    id: Type.Optional(Text('User or node id.')),
    name: Type.Optional(Text('Its name.')),
    role: Type.Optional(Role),
    project: Type.Optional(Text('Project id the user is limited to.')),
    credential: Type.Optional(
      Type.Unsafe<'certificate' | 'secret'>({ type: 'string', enum: ['certificate', 'secret'] }),
    ),
    certificateExpiresAt: Type.Optional(Millis('When the certificate used expires.')),
  },
  closed,
);
export type ActorView = Static<typeof ActorSchema>;

export const CaView = Type.Object(
  {
    cluster: Text('Cluster id.'),
    fingerprint: Fingerprint('the certificate of the CA that signs'),
    notAfter: Millis('When that certificate expires.'),
    phase: Type.Unsafe<'stable' | 'planned' | 'rotating'>({
      type: 'string',
      enum: ['stable', 'planned', 'rotating'],
      description: 'planned: the next CA is trusted and signs nothing yet; rotating: it signs, the old one is trusted.',
    }),
    since: Millis('When this phase began.'),
    next: Type.Optional(Fingerprint('the CA that will sign')),
    previous: Type.Optional(Fingerprint('the CA that is being replaced and still trusted')),
    trustUntil: Type.Optional(Millis('Until when the replaced CA is trusted at least.')),
    members: Type.Array(
      Type.Object(
        {
          id: Text('Node id.'),
          name: Type.Optional(Text('Its name.')),
          live: Type.Boolean({ description: 'It has a session.' }),
          trusts: Type.Boolean({ description: 'It trusts every CA that is trusted now.' }),
          renewed: Type.Boolean({ description: 'Its certificate is of the CA that signs.' }),
          caFingerprint: Fingerprint('the CA its certificate is of'),
          notAfter: Millis('When its certificate expires.'),
        },
        closed,
      ),
    ),
    usersToRenew: Type.Array(Text('User id.'), {
      description: 'Users whose certificates are not of the CA that signs.',
    }),
    ca: Pem('all CAs that are trusted now, the one that signs first'),
  },
  closed,
);
export type CaView = Static<typeof CaView>;

export const TokenView = Type.Object(
  {
    id: Text('Token id.'),
    createdAt: Type.Optional(Millis('When. Absent for one made offline.')),
    createdBy: Type.Optional(Text('Id of who made it.')),
    expiresAt: Millis('When it expires.'),
    bindName: Type.Optional(Text('Only a node of this name may use it.')),
    bindKey: Type.Optional(Fingerprint('the public key of the only node that may use it')),
    spentBy: Type.Optional(Text('Node id that used it.')),
    revokedAt: Type.Optional(Millis('When it was revoked.')),
  },
  closed,
);
export type TokenView = Static<typeof TokenView>;

export const UserView = Type.Object(
  {
    id: Text('User id.'),
    name: Text('Name.'),
    role: Role,
    project: Type.Optional(Text('Project id it is limited to.')),
    createdAt: Millis('When.'),
    credential: Type.Unsafe<'certificate' | 'secret' | 'none'>({
      type: 'string',
      enum: ['certificate', 'secret', 'none'],
    }),
    certificateExpiresAt: Type.Optional(Millis('When its certificate expires.')),
    revokedAt: Type.Optional(Millis('When it was revoked.')),
  },
  closed,
);
export type UserView = Static<typeof UserView>;

/** A user with the credential that was just made, and all a context needs. The secret is never shown again. */
export const UserCredential = Type.Object(
  {
    user: UserView,
    cluster: Text('Cluster id.'),
    endpoints: Type.Array(Text('URL of an API.')),
    ca: Pem('all CAs that are trusted now'),
    certificate: Type.Optional(Pem('the certificate, when a request for one was sent')),
    secret: Type.Optional(Text('Bearer secret, when no certificate was asked for.')),
  },
  closed,
);
export type UserCredential = Static<typeof UserCredential>;

export const AdminView = Type.Object(
  {
    id: Text('Node id.'),
    name: Type.Optional(Text('Its name.')),
    address: Type.Optional(Text('URL of its API, while it lives.')),
    since: Millis('When it became one.'),
  },
  closed,
);
export type AdminView = Static<typeof AdminView>;

export const AuditView = Type.Object(
  {
    id: Text('Event id; they grow.'),
    at: Millis('When.'),
    actor: Type.Object({ kind: Text('user, node, token or anyone.'), id: Type.Optional(Text('Its id.')) }, closed),
    what: Text('Operation: the id of the route, for instance `spec.cancel`.'),
    subject: Type.Optional(Text('Id of what it was about.')),
    before: Type.Optional(Text('Revision of the store before, decimal.')),
    after: Type.Optional(
      Text('Revision of the store after, decimal. Absent: the change and this record are of one revision.'),
    ),
    node: Text('Node id that served it.'),
  },
  closed,
);
export type AuditView = Static<typeof AuditView>;

const TokenParam = { tok: Text('Token id.') };
const UserParam = { usr: Text('User id or name.') };
const AdminParam = { nod: Text('Node id or name.') };
const AuditQuery = { actor: Type.Optional(Text('Only what this user or node did: its id.')) };

export const IDENTITY_ROUTES = {
  join: route({
    method: 'POST',
    path: '/v1/join',
    role: 'public',
    summary:
      'Become a node: a join token and a certificate request for a certificate. The token opens this route only.',
    body: Type.Object(
      {
        token: Text('Join token.', { minLength: 1, maxLength: 4096 }),
        csr: Csr,
        address: Address,
        name: Type.Optional(Text('Name people will see.')),
      },
      closed,
    ),
    answer: Type.Object(
      {
        node: Text('Node id.'),
        cluster: Text('Cluster id.'),
        certificate: Pem('the certificate'),
        ca: Pem('all CAs that are trusted now'),
        etcd: Type.Array(Text('Endpoint of the store.')),
        prefix: Text('Prefix of the cluster in the store.'),
      },
      closed,
    ),
  }),
  'cert.renew': route({
    method: 'POST',
    path: '/v1/cert/renew',
    role: 'node',
    summary: 'A new certificate for the node that asks. Asked of an admin node.',
    body: Type.Object({ csr: Csr, address: Address }, closed),
    answer: Type.Object({ certificate: Pem('the certificate'), ca: Pem('all CAs that are trusted now') }, closed),
  }),
  'ca.show': route({
    method: 'GET',
    path: '/v1/cluster/ca',
    role: 'viewer',
    summary: 'The CA, who is trusted, and which node has a certificate of which CA until when.',
    answer: CaView,
  }),
  'ca.rotate': route({
    method: 'POST',
    path: '/v1/cluster/ca/rotation',
    role: 'admin',
    summary: 'Replace the CA, step by step, while everything runs. Asked of an admin node.',
    body: Type.Object(
      {
        step: Type.Unsafe<'plan' | 'execute' | 'finalize' | 'abort'>({
          type: 'string',
          enum: ['plan', 'execute', 'finalize', 'abort'],
          description:
            'plan: a new CA is trusted everywhere and signs nothing; execute: it signs, the old one stays trusted; finalize: the old one is no longer trusted; abort: back to the old one.',
        }),
        trustWindowMs: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: 2_592_000_000,
            description: 'Of plan: after execute the old CA is trusted for so long at least. Default 24 h.',
          }),
        ),
        force: Type.Optional(
          Type.Boolean({
            description:
              'Of execute: also while live nodes do not trust the new CA yet. Of finalize: also while nodes have not renewed; they will have to join anew.',
          }),
        ),
      },
      closed,
    ),
    answer: CaView,
  }),
  'admin.list': route({
    method: 'GET',
    path: '/v1/admins',
    role: 'viewer',
    summary: 'Nodes that hold the key of the CA.',
    answer: Type.Object({ items: Type.Array(AdminView) }, closed),
  }),
  'admin.grant': route({
    method: 'POST',
    path: '/v1/admins/:nod',
    role: 'admin',
    summary: 'Hand the key of the CA to a node, over mutual TLS. Asked of an admin node.',
    params: AdminParam,
    body: none,
    answer: Type.Object({ items: Type.Array(AdminView) }, closed),
  }),
  'admin.revoke': route({
    method: 'DELETE',
    path: '/v1/admins/:nod',
    role: 'admin',
    summary: 'A node is no admin any more. Never the last one.',
    params: AdminParam,
    answer: Type.Object({ items: Type.Array(AdminView) }, closed),
  }),
  'token.create': route({
    method: 'POST',
    path: '/v1/tokens',
    role: 'admin',
    summary: 'A join token, for one node, once. Asked of an admin node.',
    body: Type.Object(
      {
        ttlMs: Type.Optional(
          Type.Integer({ minimum: 10_000, maximum: 604_800_000, description: 'Life. Default five minutes.' }),
        ),
        bindName: Type.Optional(Text('Only a node that joins with this name may use it.')),
        bindKey: Type.Optional(
          Text('Only the node with this public key may use it: SHA-256, hexadecimal.', { pattern: '^[0-9a-f]{64}$' }),
        ),
      },
      closed,
    ),
    status: 201,
    answer: Type.Object(
      { id: Text('Token id.'), token: Text('The token. Never shown again.'), expiresAt: Millis('When it expires.') },
      closed,
    ),
  }),
  'token.list': route({
    method: 'GET',
    path: '/v1/tokens',
    role: 'admin',
    summary: 'Join tokens that are kept, newest first; never the tokens themselves.',
    answer: Type.Object({ items: Type.Array(TokenView) }, closed),
  }),
  'token.revoke': route({
    method: 'DELETE',
    path: '/v1/tokens/:tok',
    role: 'admin',
    summary: 'A token that was not used yet never will be.',
    params: TokenParam,
    answer: TokenView,
  }),
  'user.create': route({
    method: 'POST',
    path: '/v1/users',
    role: 'admin',
    summary:
      'A user with a certificate (when `csr` is sent; asked of an admin node) or a bearer secret, which is shown this once.',
    body: Type.Object(
      {
        name: Text('Name.'),
        role: Role,
        project: Type.Optional(Text('Limit it to this project, id or name.')),
        csr: Type.Optional(Csr),
      },
      closed,
    ),
    status: 201,
    answer: UserCredential,
  }),
  'user.list': route({
    method: 'GET',
    path: '/v1/users',
    role: 'admin',
    summary: 'Users, named first.',
    query: Type.Object({ name: Type.Optional(Text('Exact name.')) }, closed),
    answer: Type.Object({ items: Type.Array(UserView) }, closed),
  }),
  'user.revoke': route({
    method: 'DELETE',
    path: '/v1/users/:usr',
    role: 'admin',
    summary: 'Its credentials are refused from now on.',
    params: UserParam,
    answer: UserView,
  }),
  'user.reissue': route({
    method: 'POST',
    path: '/v1/users/:usr/reissue',
    role: 'admin',
    summary: 'A new credential for the same user; the old one is refused from now on.',
    params: UserParam,
    body: Type.Object({ csr: Type.Optional(Csr) }, closed),
    answer: UserCredential,
  }),
  'user.renew': route({
    method: 'POST',
    path: '/v1/whoami/certificate',
    role: 'member',
    summary:
      'A new certificate for the user who asks, for the key it has: until it expires the old one stays good. Asked of an admin node.',
    body: Type.Object({ csr: Csr }, closed),
    answer: Type.Object({ certificate: Pem('the certificate'), ca: Pem('all CAs that are trusted now') }, closed),
  }),
  'audit.list': route({
    method: 'GET',
    path: '/v1/audit',
    role: 'admin',
    summary: 'Who changed what, oldest first.',
    query: Type.Object(
      {
        ...AuditQuery,
        since: Type.Optional(Millis('From then on. Default: the last 24 hours.')),
        ...Page,
      },
      closed,
    ),
    answer: page(AuditView),
  }),
  'audit.follow': route({
    method: 'GET',
    path: '/v1/audit/events',
    role: 'admin',
    summary: 'The last records and then each new one, one JSON document a line, until the client goes.',
    query: Type.Object({ ...AuditQuery, last: Type.Optional(Count('So many old ones first. Default 10.')) }, closed),
    stream: 'ndjson',
  }),
} as const;
