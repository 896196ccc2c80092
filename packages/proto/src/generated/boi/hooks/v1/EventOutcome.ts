// Original file: proto/boi/hooks/v1/hooks.proto

/**
 * EventOutcome says whether the change that an event tells of was made.
 */
export const EventOutcome = {
  /**
   * It was made; the usual case.
   */
  EVENT_OUTCOME_UNSPECIFIED: 'EVENT_OUTCOME_UNSPECIFIED',
  /**
   * The node crashed or lost the store in the middle of the change and could not find out afterwards. Audit tier only.
   */
  EVENT_OUTCOME_UNKNOWN: 'EVENT_OUTCOME_UNKNOWN',
} as const;

/**
 * EventOutcome says whether the change that an event tells of was made.
 */
export type EventOutcome =
  /**
   * It was made; the usual case.
   */
  | 'EVENT_OUTCOME_UNSPECIFIED'
  | 0
  /**
   * The node crashed or lost the store in the middle of the change and could not find out afterwards. Audit tier only.
   */
  | 'EVENT_OUTCOME_UNKNOWN'
  | 1

/**
 * EventOutcome says whether the change that an event tells of was made.
 */
export type EventOutcome__Output = typeof EventOutcome[keyof typeof EventOutcome]
