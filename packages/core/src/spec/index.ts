export { SPEC_LIMITS } from './limits.ts';
export { type ParseSpecOptions, type ParseSpecResult, parseSpec, type SpecFormat } from './parse-spec.ts';
export { specJsonSchema, specReference } from './reference.ts';
export { parseQuantity } from './requirements.ts';
export { didYouMean } from './suggest.ts';
export { BRANCH_PATTERN, fillBranch } from './workspace.ts';
