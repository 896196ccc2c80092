export { SPEC_LIMITS } from './limits.ts';
export { type ParseSpecOptions, type ParseSpecResult, parseSpec, type SpecFormat } from './parse-spec.ts';
export { parseQuantity } from './requirements.ts';
