// Original file: proto/boi/router/v1/router.proto

import type { Requirement as _boi_router_v1_Requirement, Requirement__Output as _boi_router_v1_Requirement__Output } from '../../../boi/router/v1/Requirement.ts';

/**
 * TaskFacts is what placement knows of a task.
 */
export interface TaskFacts {
  /**
   * Id of the task (`tsk_…`).
   */
  'taskId'?: (string);
  /**
   * Id of the spec.
   */
  'specId'?: (string);
  /**
   * Id of the project.
   */
  'projectId'?: (string);
  /**
   * How many slots it takes.
   */
  'slots'?: (number);
  /**
   * Its priority; higher goes first.
   */
  'priority'?: (number);
  /**
   * Attempt, from 1.
   */
  'attempt'?: (number);
  /**
   * Ids of nodes on which earlier attempts failed.
   */
  'failedNodeIds'?: (string)[];
  /**
   * What the task requires.
   */
  'requirements'?: (_boi_router_v1_Requirement)[];
  /**
   * Which of the candidates meet them; indexes into `candidates`.
   */
  'eligible'?: (number)[];
}

/**
 * TaskFacts is what placement knows of a task.
 */
export interface TaskFacts__Output {
  /**
   * Id of the task (`tsk_…`).
   */
  'taskId': (string);
  /**
   * Id of the spec.
   */
  'specId': (string);
  /**
   * Id of the project.
   */
  'projectId': (string);
  /**
   * How many slots it takes.
   */
  'slots': (number);
  /**
   * Its priority; higher goes first.
   */
  'priority': (number);
  /**
   * Attempt, from 1.
   */
  'attempt': (number);
  /**
   * Ids of nodes on which earlier attempts failed.
   */
  'failedNodeIds': (string)[];
  /**
   * What the task requires.
   */
  'requirements': (_boi_router_v1_Requirement__Output)[];
  /**
   * Which of the candidates meet them; indexes into `candidates`.
   */
  'eligible': (number)[];
}
