// Original file: proto/boi/hooks/v1/hooks.proto


/**
 * EventPayload has every field that some kind of event carries. Those of other kinds are absent (not zero: test presence).
 */
export interface EventPayload {
  /**
   * Id of the task.
   */
  'task'?: (string);
  /**
   * Id of the spec.
   */
  'spec'?: (string);
  /**
   * Id of the node that runs, ran or was to run the task.
   */
  'executor'?: (string);
  /**
   * Attempt, from 1; grows with each retry.
   */
  'attempt'?: (number | string);
  /**
   * Delivery, from 1; grows each time an attempt is claimed.
   */
  'delivery'?: (number | string);
  /**
   * Fence of the claim, decimal.
   */
  'fence'?: (string);
  /**
   * How a task or spec ended, e.g. `succeeded`, `failed`.
   */
  'outcome'?: (string);
  /**
   * Exit code of the task's process.
   */
  'exitCode'?: (number | string);
  /**
   * Why, as a stable word.
   */
  'reason'?: (string);
  /**
   * Id of the node in whose queue a task is.
   */
  'queue'?: (string);
  /**
   * Milliseconds until the next attempt.
   */
  'delayMs'?: (number | string);
  /**
   * Id of the node that a task left.
   */
  'from'?: (string);
  /**
   * Id of the node that a task went to.
   */
  'to'?: (string);
  /**
   * Why a task moved, as a stable word.
   */
  'why'?: (string);
  /**
   * How many tasks.
   */
  'tasks'?: (number | string);
  /**
   * How many tasks failed.
   */
  'failed'?: (number | string);
  /**
   * Id of the node concerned.
   */
  'node'?: (string);
  /**
   * Session epoch of the node concerned, decimal.
   */
  'epoch'?: (string);
  /**
   * How many tasks a drain handed back.
   */
  'requeued'?: (number | string);
  /**
   * How many tasks a node held when its session ended.
   */
  'claimed'?: (number | string);
  /**
   * Id of the provisioning request (`prq_…`).
   */
  'request'?: (string);
  /**
   * How many failures in a row.
   */
  'failures'?: (number | string);
  /**
   * Id of the token (`tok_…`), never the token.
   */
  'token'?: (string);
  /**
   * Name of the plugin in the node's configuration.
   */
  'plugin'?: (string);
  /**
   * How many crashes within the crash window.
   */
  'crashes'?: (number | string);
  /**
   * Step of a longer procedure, as a stable word.
   */
  'step'?: (string);
  /**
   * Id of the user who asked for it.
   */
  'actor'?: (string);
  /**
   * How long it lasted, milliseconds.
   */
  'lastedMs'?: (number | string);
  /**
   * Id of the checkpoint (`ckp_…`).
   */
  'checkpoint'?: (string);
  /**
   * Revision of the store, decimal.
   */
  'revision'?: (string);
  /**
   * How many specs.
   */
  'specs'?: (number | string);
  '_task'?: "task";
  '_spec'?: "spec";
  '_executor'?: "executor";
  '_attempt'?: "attempt";
  '_delivery'?: "delivery";
  '_fence'?: "fence";
  '_outcome'?: "outcome";
  '_exitCode'?: "exitCode";
  '_reason'?: "reason";
  '_queue'?: "queue";
  '_delayMs'?: "delayMs";
  '_from'?: "from";
  '_to'?: "to";
  '_why'?: "why";
  '_tasks'?: "tasks";
  '_failed'?: "failed";
  '_node'?: "node";
  '_epoch'?: "epoch";
  '_requeued'?: "requeued";
  '_claimed'?: "claimed";
  '_request'?: "request";
  '_failures'?: "failures";
  '_token'?: "token";
  '_plugin'?: "plugin";
  '_crashes'?: "crashes";
  '_step'?: "step";
  '_actor'?: "actor";
  '_lastedMs'?: "lastedMs";
  '_checkpoint'?: "checkpoint";
  '_revision'?: "revision";
  '_specs'?: "specs";
}

/**
 * EventPayload has every field that some kind of event carries. Those of other kinds are absent (not zero: test presence).
 */
export interface EventPayload__Output {
  /**
   * Id of the task.
   */
  'task'?: (string);
  /**
   * Id of the spec.
   */
  'spec'?: (string);
  /**
   * Id of the node that runs, ran or was to run the task.
   */
  'executor'?: (string);
  /**
   * Attempt, from 1; grows with each retry.
   */
  'attempt'?: (number);
  /**
   * Delivery, from 1; grows each time an attempt is claimed.
   */
  'delivery'?: (number);
  /**
   * Fence of the claim, decimal.
   */
  'fence'?: (string);
  /**
   * How a task or spec ended, e.g. `succeeded`, `failed`.
   */
  'outcome'?: (string);
  /**
   * Exit code of the task's process.
   */
  'exitCode'?: (number);
  /**
   * Why, as a stable word.
   */
  'reason'?: (string);
  /**
   * Id of the node in whose queue a task is.
   */
  'queue'?: (string);
  /**
   * Milliseconds until the next attempt.
   */
  'delayMs'?: (number);
  /**
   * Id of the node that a task left.
   */
  'from'?: (string);
  /**
   * Id of the node that a task went to.
   */
  'to'?: (string);
  /**
   * Why a task moved, as a stable word.
   */
  'why'?: (string);
  /**
   * How many tasks.
   */
  'tasks'?: (number);
  /**
   * How many tasks failed.
   */
  'failed'?: (number);
  /**
   * Id of the node concerned.
   */
  'node'?: (string);
  /**
   * Session epoch of the node concerned, decimal.
   */
  'epoch'?: (string);
  /**
   * How many tasks a drain handed back.
   */
  'requeued'?: (number);
  /**
   * How many tasks a node held when its session ended.
   */
  'claimed'?: (number);
  /**
   * Id of the provisioning request (`prq_…`).
   */
  'request'?: (string);
  /**
   * How many failures in a row.
   */
  'failures'?: (number);
  /**
   * Id of the token (`tok_…`), never the token.
   */
  'token'?: (string);
  /**
   * Name of the plugin in the node's configuration.
   */
  'plugin'?: (string);
  /**
   * How many crashes within the crash window.
   */
  'crashes'?: (number);
  /**
   * Step of a longer procedure, as a stable word.
   */
  'step'?: (string);
  /**
   * Id of the user who asked for it.
   */
  'actor'?: (string);
  /**
   * How long it lasted, milliseconds.
   */
  'lastedMs'?: (number);
  /**
   * Id of the checkpoint (`ckp_…`).
   */
  'checkpoint'?: (string);
  /**
   * Revision of the store, decimal.
   */
  'revision'?: (string);
  /**
   * How many specs.
   */
  'specs'?: (number);
  '_task'?: "task";
  '_spec'?: "spec";
  '_executor'?: "executor";
  '_attempt'?: "attempt";
  '_delivery'?: "delivery";
  '_fence'?: "fence";
  '_outcome'?: "outcome";
  '_exitCode'?: "exitCode";
  '_reason'?: "reason";
  '_queue'?: "queue";
  '_delayMs'?: "delayMs";
  '_from'?: "from";
  '_to'?: "to";
  '_why'?: "why";
  '_tasks'?: "tasks";
  '_failed'?: "failed";
  '_node'?: "node";
  '_epoch'?: "epoch";
  '_requeued'?: "requeued";
  '_claimed'?: "claimed";
  '_request'?: "request";
  '_failures'?: "failures";
  '_token'?: "token";
  '_plugin'?: "plugin";
  '_crashes'?: "crashes";
  '_step'?: "step";
  '_actor'?: "actor";
  '_lastedMs'?: "lastedMs";
  '_checkpoint'?: "checkpoint";
  '_revision'?: "revision";
  '_specs'?: "specs";
}
