/** `cluster ca status` and `cluster ca rotate`. */
import type { CaView } from '@boi/core';
import { BoiError } from '@boi/core/errors';
import { displayName } from '@boi/core/names';
import type { Args } from '../args.ts';
import type { Paint } from '../output/paint.ts';
import { presentOne } from '../output/present.ts';
import { renderFields } from '../output/table.ts';
import { absolute, relative } from '../output/time.ts';
import type { Session } from '../session.ts';

const STEPS = ['plan', 'execute', 'finalize', 'abort'] as const;

export async function showCa(session: Session, _args: Args): Promise<number> {
  return present(session, await session.client.call('ca.show', {}));
}

export async function rotateCa(session: Session, args: Args): Promise<number> {
  const [step, ...more] = STEPS.filter((name) => args.switch(name));
  if (step === undefined || more.length > 0)
    throw new BoiError('bad-request', 'give one step: --plan, then --execute, then --finalize; or --abort');
  const trustWindowMs = args.number('trust-window');
  if (trustWindowMs !== undefined && step !== 'plan')
    throw new BoiError('bad-request', '--trust-window goes with --plan');
  if (args.switch('force') && step !== 'execute' && step !== 'finalize')
    throw new BoiError('bad-request', '--force goes with --execute and --finalize');
  const view = await session.client.call('ca.rotate', {
    body: {
      step,
      ...(trustWindowMs === undefined ? {} : { trustWindowMs }),
      ...(args.switch('force') ? { force: true } : {}),
    },
  });
  session.note(`${step} is done`);
  return present(session, view);
}

async function present(session: Session, view: CaView): Promise<number> {
  const { out } = session;
  const now = session.io.now();
  const renewed = view.members.filter((member) => member.renewed).length;
  await presentOne(session, view, view.fingerprint, () =>
    renderFields(
      [
        ['Cluster', view.cluster],
        ['CA', view.fingerprint],
        ['Expires', absolute(view.notAfter, now)],
        ['Rotation', phaseText(view, out)],
        ['Also trusted', view.next ?? view.previous],
        ['Trusted until', view.trustUntil === undefined ? undefined : absolute(view.trustUntil, now)],
        ['Nodes', `${renewed} of ${view.members.length} have a certificate of this CA`],
        ['', view.members.map((member) => memberText(member, now)).join('\n')],
        ['Users', usersText(view)],
      ],
      out,
    ),
  );
  return 0;
}

function phaseText({ phase }: CaView, out: Paint): string {
  if (phase === 'stable') return 'none';
  return out.yellow(
    phase === 'planned'
      ? 'planned: the next CA is trusted and signs nothing yet; go on with --execute'
      : 'going on: nodes and users renew; end it with --finalize',
  );
}

function memberText(member: CaView['members'][number], now: number): string {
  const facts = [
    member.renewed ? 'has it' : 'has one of another CA',
    ...(member.trusts ? [] : ['does not know all CAs yet']),
    ...(member.live ? [] : ['not live']),
    `expires ${relative(member.notAfter, now)}`,
  ];
  return `${displayName(member.name, member.id)}: ${facts.join(', ')}`;
}

function usersText({ usersToRenew }: CaView): string | undefined {
  if (usersToRenew.length === 0) return undefined;
  return `${usersToRenew.length} need a new certificate (each runs \`boi-node context refresh\`):\n${usersToRenew.join('\n')}`;
}
