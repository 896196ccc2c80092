export { bundleProgram } from './bundle.ts';
