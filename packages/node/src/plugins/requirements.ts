/** What tasks require of a node, as the contracts of routers and provisioners say it. */
import type { Requirement } from '@boi/core';
import type { provision } from '@boi/plugin-host';

type WireRequirement = NonNullable<Parameters<typeof provision>[1]['requirements']>[number];

export function wireRequirement(requirement: Requirement): WireRequirement {
  const { key } = requirement;
  switch (requirement.op) {
    case 'exists':
      return { key, exists: requirement.value };
    case 'eq':
      return { key, equals: requirement.value };
    case 'in':
      return { key, oneOf: { values: [...requirement.values] } };
    case '>=':
      return { key, atLeast: requirement.value };
    default:
      return { key, atMost: requirement.value };
  }
}
